"""Authors edit brand kits; templates inherit them, and the studio shows what they add."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import BrandKit, ImageModel, Job, PromptTemplate
from imagegen_app.services.batches import selections
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import (
    make_asset,
    make_brand_kit,
    make_grant,
    make_group,
    make_image_model,
    make_template,
    make_user,
)
from tests.services.batches.test_lifecycle import products

if TYPE_CHECKING:
    from django.test import Client

ADD = "admin:imagegen_brandkit_add"
CHANGE = "admin:imagegen_brandkit_change"
STUDIO = "admin:imagegen_studio"
COLOUR = {"name": "colour", "kind": "colour", "label": "Colour"}


@pytest.fixture
def model(db: None, immediate: Any) -> ImageModel:
    made = make_image_model(slug="draws", name="Draws")
    make_grant(group=make_group("Image editors"), image_model=made)
    return made


@pytest.fixture
def author(model: ImageModel, client: Client) -> Client:
    groups = ["Template authors", "Image reviewers"]
    client.force_login(make_user("ann", groups=groups, is_staff=True))
    return client


@pytest.fixture
def editor(model: ImageModel, client: Client) -> Client:
    client.force_login(make_user("eve", groups=["Image editors"], is_staff=True))
    return client


def kit(**content: Any) -> BrandKit:
    palette = [{"name": "Ink blue", "code": "#1c4b8f"}]
    return make_brand_kit(slug="house", **{"palette": palette, **content}).kit


def sent(**values: str) -> dict[str, str]:
    return {"name": "House", "slug": "house", "style_words": "soft daylight", **values}


def shown(client: Client, address: str) -> str:
    return unescape(client.get(address).content.decode())


def final_prompt(page: str) -> str:
    return re.sub(r"\s+", " ", page[page.index("imagegen-final") : page.index("imagegen-bar")])


def test_an_author_writes_a_kit_and_finds_it_again(author: Client) -> None:
    asset = make_asset()
    author.post(
        reverse(ADD),
        sent(
            palette_name_1="Ink blue",
            palette_code_1="#1C4B8F",
            palette_name_20="Sand",
            palette_code_20="#d8c8a8",
            negative_words="text, blur",
            seed="7",
            loras="ink=0.5",
            reference_0=str(asset.pk),
        ),
    )

    made = BrandKit.objects.get()
    assert made.current is not None
    assert made.current.palette == [
        {"name": "Ink blue", "code": "#1c4b8f"},
        {"name": "Sand", "code": "#d8c8a8"},
    ]
    assert (made.current.seed, made.current.references) == (7, [str(asset.pk)])
    page = reverse(CHANGE, args=[made.pk])
    form = author.get(page).context["adminform"].form
    again = {name: str(form[name].value() or "") for name in form.fields if name != "palette"}
    colours = {f"palette_name_{n}": c["name"] for n, c in enumerate(made.current.palette, 1)}
    colours |= {f"palette_code_{n}": c["code"] for n, c in enumerate(made.current.palette, 1)}
    author.post(page, {**again, **colours})
    assert made.versions.count() == 1
    author.post(page, {**again, **colours, "style_words": "dark"})
    assert made.versions.count() == 2
    assert "Ink blue" in shown(author, reverse("admin:imagegen_brandkit_changelist"))


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"palette_name_1": "Ink", "palette_code_1": "black"}, "palette", "needs a code"),
        ({"palette_code_1": "#101820"}, "palette", "needs a name"),
        ({"seed": "9999999999999"}, "seed", "between 0"),
        ({"loras": "ink=many"}, "loras", "name=weight"),
        ({"style_words": "x" * 2001}, "style_words", "2000"),
        ({"reference_0": "x"}, "reference_0", "not a valid UUID"),
    ],
)
def test_a_mistake_is_shown_where_it_is_and_what_was_written_stays(
    author: Client, values: dict[str, str], field: str, reason: str
) -> None:
    response = author.post(reverse(ADD), sent(**values))

    assert not BrandKit.objects.exists()
    errors = response.context["adminform"].form.errors
    assert list(errors) == [field]
    assert reason in str(errors[field])
    for value in values.values():
        assert value[:40] in unescape(response.content.decode())


def test_a_kit_tells_which_models_take_it_and_who_inherits_it(
    author: Client, model: ImageModel
) -> None:
    made = kit(negative_words="text")
    make_image_model(
        name="Plain", provider=model.provider, capabilities={"supports_negative_prompt": False}
    )
    template = make_template(brand_kit=made).template

    page = shown(author, reverse(CHANGE, args=[made.pk]))

    assert re.search(r"<td>Draws</td><td>takes all of it", page)
    assert re.search(r"<td>Plain</td><td>[^<]*negative prompt", page)
    assert template.name in page


def test_a_version_is_shown_with_its_digest_and_jobs(author: Client) -> None:
    made = kit(seed=7)
    assert made.current is not None

    page = shown(author, reverse("admin:imagegen_brandkitversion_change", args=[made.current.pk]))

    assert "Ink blue" in page
    assert f"brand_kit_version={made.current.pk}" in page
    assert re.search(r"[0-9a-f]{64}", page)


def test_who_may_only_read_sees_what_a_kit_says(editor: Client) -> None:
    made = kit(negative_words="blur")

    page = shown(editor, reverse(CHANGE, args=[made.pk]))

    assert "soft daylight" in page
    assert "blur" in page
    assert 'name="style_words"' not in page


def test_a_template_inherits_a_kit_by_its_form(author: Client, model: ImageModel) -> None:
    kit()
    data = {
        "name": "Mugs",
        "slug": "mugs",
        "body": "A mug",
        "operation": "generate",
        "size": "512x512",
        "count": "1",
        "seed_strategy": "random",
        "brand_kit": "house",
    }

    author.post(reverse("admin:imagegen_prompttemplate_add"), data)

    version = PromptTemplate.objects.get(slug="mugs").current
    assert version is not None
    assert str(version.brand_kit) == str(BrandKit.objects.get())
    page = shown(author, reverse("admin:imagegen_templateversion_change", args=[version.pk]))
    assert str(version.brand_kit) in page


def test_the_studio_offers_kits_and_shows_what_one_adds(editor: Client) -> None:
    made = kit(negative_words="text", seed=7)
    values = {"prompt": "A mug", "brand_kit": "house", "shown_template": "", "count": "1"}
    values["image_model"] = str(ImageModel.objects.get().pk)

    quote = unescape(editor.post(reverse("admin:imagegen_studio_quote"), values).content.decode())

    assert re.search(r'A mug<span class="imagegen-added">, soft daylight</span>', quote)
    assert (
        f"The brand kit “{made.name} v1” adds: style words; negative words: text; seed 7." in quote
    )
    editor.post(reverse(STUDIO), {**values, "generate": "1", "nonce": "n"})
    assert Job.objects.get().brand_kit_version == made.current


def test_the_studio_says_why_a_model_refuses_a_kit(editor: Client) -> None:
    kit(negative_words="text")
    use_case(audited=False)(ImageModel.objects.update)(
        capabilities={"supports_negative_prompt": False}
    )
    values = {"prompt": "A mug", "brand_kit": "house", "shown_template": "", "count": "1"}
    values["image_model"] = str(ImageModel.objects.get().pk)

    quote = unescape(editor.post(reverse("admin:imagegen_studio_quote"), values).content.decode())

    assert "does not fit this model" in quote
    assert "Choose another model, or another brand kit." in quote


def test_a_template_fixes_its_kit_and_offers_its_colours(editor: Client) -> None:
    version = make_template(body="A {{ colour }} mug", variables=[COLOUR], brand_kit=kit())
    address = f"{reverse(STUDIO)}?template={version.template.slug}"

    page = shown(editor, address)

    assert re.search(r'<select name="brand_kit"[^>]* disabled', page)
    assert '<option value="Ink blue (#1c4b8f)">' in page
    values = {
        "template": version.template.slug,
        "shown_template": version.template.slug,
        "v_colour": "Ink blue (#1c4b8f)",
        "count": "1",
        "generate": "1",
        "image_model": str(ImageModel.objects.get().pk),
    }
    editor.post(address, values)
    assert Job.objects.get().prompt == "A Ink blue (#1c4b8f) mug, soft daylight"


def test_a_batch_offers_the_colours_of_its_templates_kit(editor: Client) -> None:
    version = make_template(body="A {{ colour }} mug", variables=[COLOUR], brand_kit=kit())
    user = access.actor_for(editor.get(reverse(STUDIO)).wsgi_request.user)
    target = content_fields.target_by_path("catalog.Product.image")
    assert target is not None
    token = selections.dumps(actor=user, target=target, keys=products(1))
    session = editor.session
    session[f"imagegen-selection-{target.path}"] = token
    session.save()
    address = reverse("admin:imagegen_batch_new")

    page = shown(editor, f"{address}?target={target.path}&template={version.template.slug}")

    assert '<option value="Ink blue (#1c4b8f)">' in page


def test_a_site_without_kits_shows_no_field_for_them(editor: Client) -> None:
    assert 'name="brand_kit"' not in shown(editor, reverse(STUDIO))
