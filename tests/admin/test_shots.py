"""Shots are written in the template's form, chosen for a batch and in the studio, and named everywhere."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from imagegen_app.admin.pages.shot_fields import with_usual_places
from imagegen_app.core.actors import System
from imagegen_app.core.shots import Shot
from imagegen_app.models import Asset, Batch, Job, Placement, PromptTemplate
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import template_drafts, template_publishing
from imagegen_app.services.library import recipes, summary
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from project.catalog.models import Product
from tests.admin.test_batch_pages import browser, choose, preview, status
from tests.admin.test_review_grid import fields
from tests.admin.test_studio import edda, recipe, shop
from tests.admin.test_template_editor import ADD, CHECK, author, sent, signed_in

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import TemplateVersion

__all__ = ["author", "browser", "edda", "shop", "signed_in"]
pytestmark = pytest.mark.django_db

SHOTS = [
    Shot("front", "Front", "seen from the front"),
    Shot("back", "Back", "seen from behind", "4:5"),
    Shot("detail", "Detail", "a detail"),
]
PRODUCT = {"name": "product"}
FRONT = {"label": "Front", "text": "seen from the front"}
BACK = {"label": "Back side", "text": "the back of the {{ product }}", "size": "4:5"}


def shot_rows(*rows: dict[str, str], **changes: str) -> dict[str, str]:
    data = {"shots-total": str(len(rows))}
    for number, row in enumerate(rows):
        data |= {f"shots-{number}-{cell}": value for cell, value in row.items()}
    return {**data, **changes}


@pytest.fixture
def version(shop: Any) -> TemplateVersion:
    """The template of the demo's products, with three shots."""
    del shop
    template = PromptTemplate.objects.get(slug="product-still-life")
    draft = template_drafts.draft_of(template.current)  # type: ignore[arg-type]  # published
    draft = replace(draft, shots=SHOTS)
    return template_publishing.publish(actor=System("test"), template=template, draft=draft)


def test_shots_are_written_as_rows_and_stored_in_their_order(signed_in: Client) -> None:
    rows = shot_rows(
        {**FRONT, "order": "2"}, {**BACK, "order": "1"}, {"label": "Gone", "remove": "on"}, {}
    )
    answer = signed_in.post(reverse(ADD), sent(PRODUCT, body="A {{ product }}, {{ shot }}", **rows))

    assert answer.status_code == 302
    template = PromptTemplate.objects.get()
    assert template.current is not None
    assert template.current.shots == [
        {"key": "back-side", "label": "Back side", "text": BACK["text"], "size": "4:5"},
        {"key": "front", "label": "Front", "text": FRONT["text"], "size": ""},
    ]
    page = reverse("admin:imagegen_prompttemplate_change", args=[template.pk])
    form = signed_in.get(page).context["adminform"].form
    again = shot_rows(*form["shots"].value())
    signed_in.post(page, sent(PRODUCT, body="A {{ product }}, {{ shot }}", **again))
    assert template.versions.count() == 1


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([FRONT, FRONT], "The shot “front” is there twice."),
        ([{"label": "Front"}], "The shot “Front” has no text: say what the picture shows."),
        ([{"label": "正面", "text": "x"}], "“” is not a valid short name of a shot"),
        ([{**FRONT, "size": "big"}], "“big” is not a size for the shot “Front”"),
        ([{**FRONT, "text": "{{ chair }}"}], "Front: The variable “chair” is not defined"),
        (
            [{"label": f"Shot {n}", "text": "x"} for n in range(31)],
            "A template has 30 shots at most, not 31.",
        ),
    ],
)
def test_what_is_wrong_with_a_shot_is_told_beside_it(
    signed_in: Client,
    rows: list[dict[str, str]],
    told: str,
) -> None:
    data = sent(PRODUCT, body="A {{ product }} {{ shot }}", **shot_rows(*rows))
    page = signed_in.post(reverse(ADD), data).content.decode()

    assert told in page
    assert "it has none" not in page
    assert not PromptTemplate.objects.exists()


def test_shots_of_an_operation_without_words_are_refused(signed_in: Client) -> None:
    data = sent(PRODUCT, operation="upscale", **shot_rows(FRONT))
    page = signed_in.post(reverse(ADD), data).content.decode()

    assert "this operation takes no words" in page
    assert not PromptTemplate.objects.exists()


def test_a_name_with_markup_is_shown_as_text(signed_in: Client) -> None:
    rows = shot_rows({"label": "<b>x</b>", "key": "x", "text": "<script>alert(1)</script>"})
    page = signed_in.post(reverse(CHECK), sent(PRODUCT, **rows)).content.decode()

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_preview_shows_the_chosen_shot(signed_in: Client) -> None:
    data = sent(
        PRODUCT,
        body="A {{ product }}, {{ shot }}",
        alt_pattern="{{ product }}: {{ shot }}",
        **shot_rows(FRONT, BACK),
    )
    first = signed_in.post(reverse(CHECK), data).content.decode()
    second = signed_in.post(reverse(CHECK), {**data, "preview_shot": "back-side"}).content.decode()

    assert "seen from the front" in first
    assert "the back of the Product" in second
    assert "Product: Back side" in second
    assert '<option value="back-side" selected>Back side</option>' in second


def test_a_button_without_script_asks_for_one_more_row(signed_in: Client) -> None:
    data = sent(PRODUCT, **shot_rows(FRONT), _add_shot="")
    page = signed_in.post(reverse(ADD), data).content.decode()

    assert 'name="shots-1-label"' in page
    assert not PromptTemplate.objects.exists()


def boxes(**changes: str) -> dict[str, str]:
    return {
        "shot_front": "on",
        "shot_back": "on",
        "shot_detail": "on",
        "place_front": "image",
        "place_back": "image_back",
        "place_detail": "",
        **changes,
    }


def test_a_batch_offers_the_shots_and_shows_each_with_its_prompt_and_the_total(
    browser: Client,
    version: TemplateVersion,
) -> None:
    address, plan = choose(browser)
    first = browser.get(address).content.decode()
    shown = browser.post(address, {**plan, **boxes(), "preview": ""}).content.decode()
    fewer = browser.post(address, {**plan, "shot_back": "on", "preview": ""}).content.decode()

    assert first.count('type="checkbox" name="shot_') == 3
    assert re.search(r'name="shot_detail"[^>]* checked', first)
    assert '<option value="image_back" selected>Second image</option>' in first
    assert "3 rows \N{MULTIPLICATION SIGN} 3 shots = 9 images." in shown
    assert "Generate 9 images" in shown
    assert shown.count("seen from behind") == 3
    assert "<small>Detail</small>" in shown
    assert "Generate 3 images" in fewer
    assert "seen from the front" not in fewer


def test_a_batch_of_few_rows_and_many_images_begins_with_a_pilot(
    browser: Client,
    version: TemplateVersion,
) -> None:
    address, _plan = choose(browser, 20)
    page = browser.get(address).content.decode()

    assert re.search(r'name="pilot_rows" value="3"', page)
    assert "First a pilot of 3 rows is made" in page


def test_objects_that_were_chosen_since_the_page_was_shown_get_the_usual_places(
    version: TemplateVersion,
) -> None:
    target = content_fields.target_by_path("catalog.Product.image")
    sent_of_page = {"shot_front": "on", "place_back": ""}

    assert with_usual_places(sent_of_page, version, target) == {
        **sent_of_page,
        "place_front": "image",
        "place_detail": "",
    }
    assert with_usual_places(sent_of_page, version, None) is sent_of_page


def test_a_choice_of_shots_that_cannot_be_is_told_in_the_form(
    browser: Client,
    version: TemplateVersion,
) -> None:
    address, plan = choose(browser)
    none = browser.post(address, {**plan, "preview": ""}).content.decode()
    same = browser.post(
        address, {**plan, **boxes(place_back="image"), "preview": ""}
    ).content.decode()

    assert "Choose at least one shot." in none
    assert "“Front” is to be placed there, too: choose another field." in same


def test_the_whole_way_of_a_batch_with_shots(
    browser: Client,
    admin_client: Client,
    version: TemplateVersion,
) -> None:
    address, plan = choose(browser)
    asked = preview(browser, address, {**plan, **boxes()})
    changed = browser.post(address, {**asked, "shot_detail": "", "start": ""}).content.decode()
    went = browser.post(address, {**asked, "start": ""})
    batch = Batch.objects.get()
    driver.drive(seconds=60)

    assert "not those that were shown" in changed
    assert went.status_code == 302
    assert batch.shot_fields == {"front": "image", "back": "image_back", "detail": ""}
    told = browser.get(reverse("admin:imagegen_batch_change", args=[batch.pk])).content.decode()
    assert "<dt>Detail</dt><dd><bdi>not placed: stays in the library" in told
    run = status(browser, batch)
    assert "Back (3)" in run
    narrowed = browser.get(
        reverse("admin:imagegen_batch_status", args=[batch.pk]), {"shot": "back"}
    ).content.decode()
    assert narrowed.count("data-key=") < run.count("data-key=")
    assert "Re-run" in run

    review = reverse("admin:imagegen_batch_review", args=[batch.pk])
    page = admin_client.get(review).content.decode()
    order = re.findall(r'<span class="imagegen-chip">(Front|Back|Detail)</span>', page)
    assert order == ["Front", "Back", "Detail"] * 3
    assert page.count("stays in the library") == 3
    assert page.count("→ Second image") == 3
    decisions = {f"decision-{key}": "approve" for key in Asset.objects.values_list("pk", flat=True)}
    admin_client.post(review, {**fields(page), **decisions, "place": "1"})
    placed = {
        (one.object_id, one.field, one.asset.job.shot)
        for one in Placement.objects.active().select_related("asset__job")
    }
    keys = [str(key) for key in batch.rows]
    assert placed == {
        (key, field, shot)
        for key in keys
        for field, shot in (("image", "front"), ("image_back", "back"))
    }
    # What stays in the library does not wait to be placed.
    assert "Place " not in admin_client.get(f"{review}?show=approved").content.decode()
    product = Product.objects.get(pk=keys[0])
    assert product.image.name != product.image_back.name


def test_the_studio_makes_one_shot_or_all_as_one_set(
    edda: Client,
    version: TemplateVersion,
) -> None:
    page = edda.get(reverse("admin:imagegen_studio"), {"template": "product-still-life"})
    edda.post(reverse("admin:imagegen_studio"), recipe(shot="back", size="", count="1"))
    one = Job.objects.get()
    edda.post(reverse("admin:imagegen_studio"), recipe(shot="*", size="", count="1", nonce="all"))
    every = Job.objects.exclude(pk=one.pk).order_by("grid_cell")

    assert "All 3 shots, one job each" in page.content.decode()
    assert one.shot == "back"
    assert one.width / one.height == pytest.approx(0.8, rel=0.02)
    assert [job.shot for job in every] == ["front", "back", "detail"]
    assert len({job.grid for job in every}) == 1
    stage = edda.get(reverse("admin:imagegen_studio")).content.decode()
    assert "Detail" in stage
    actor = access.actor_for(one.requester)
    again = recipes.recipe_of(actor, one)
    assert (again.shot, again.size) == ("back", "")
    driver.drive(seconds=60)
    sentences = summary.summarize(actor, Asset.objects.filter(job__shot="back").first())  # type: ignore[arg-type]  # there is one
    assert any("shot “Back”" in one for one in sentences)


def test_a_jobs_page_names_its_shot(
    edda: Client,
    admin_client: Client,
    version: TemplateVersion,
) -> None:
    edda.post(reverse("admin:imagegen_studio"), recipe(shot="detail", size="", count="1"))
    job = Job.objects.get()
    page = admin_client.get(reverse("admin:imagegen_job_change", args=[job.pk])).content.decode()

    assert "<dt>Shot</dt><dd><bdi>Detail" in page
    version_page = reverse("admin:imagegen_templateversion_change", args=[version.pk])
    assert "seen from behind" in admin_client.get(version_page).content.decode()


def test_two_versions_differ_in_the_shots_by_name(
    admin_client: Client, version: TemplateVersion
) -> None:
    template = version.template
    fewer = replace(
        template_drafts.draft_of(version),
        shots=[SHOTS[2], replace(SHOTS[0], text="from the front")],
    )
    template_publishing.publish(actor=System("test"), template=template, draft=fewer)
    page = admin_client.get(
        reverse("admin:imagegen_prompttemplate_versions", args=[template.pk]),
        {"left": version.number, "right": version.number + 1},
    ).content.decode()

    assert "Shot “front”" in page
    assert "Order of the shots" in page


def test_the_command_makes_the_named_shot_and_refuses_an_unknown_one(
    version: TemplateVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [f"{one}=x" for one in ("product", "material", "setting")]
    options: dict[str, Any] = {
        "template": "product-still-life",
        "var": [*values, "colour=red"],
        "user": "editor",
    }
    with pytest.raises(CommandError, match="has no shot “side”"):
        call_command("imagegen_generate", shot="side", **options)
    capsys.readouterr()
