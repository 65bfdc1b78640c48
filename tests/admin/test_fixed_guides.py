"""Authors fix control images in a template; editors see them, and why one cannot be used any more."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, ImageModel, Job, PromptTemplate
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import (
    make_asset,
    make_grant,
    make_group,
    make_image_model,
    make_template,
    make_user,
)

if TYPE_CHECKING:
    from django.test import Client

STUDIO = "admin:imagegen_studio"


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


def sent(model: ImageModel, **values: str) -> dict[str, str]:
    return {
        "name": "Mugs",
        "slug": "mugs",
        "body": "A mug",
        "operation": "generate",
        "size": "512x512",
        "count": "1",
        "seed_strategy": "random",
        "image_model": str(model.pk),
        **values,
    }


def stored(asset: Asset) -> dict[str, Any]:
    return {"asset": str(asset.pk), "kind": "depth", "weight": 0.8, "start": 0.0, "end": 1.0}


def test_an_author_fixes_a_guide_and_finds_it_again(author: Client, model: ImageModel) -> None:
    asset = make_asset()
    values = {"guide_0_asset": str(asset.pk), "guide_0_kind": "depth", "guide_0_weight": "0.8"}

    author.post(reverse("admin:imagegen_prompttemplate_add"), sent(model, **values))

    version = PromptTemplate.objects.get(slug="mugs").current
    assert version is not None
    assert version.guides == [stored(asset)]
    page = reverse("admin:imagegen_prompttemplate_change", args=[version.template_id])
    form = author.get(page).context["adminform"].form
    begun = {
        name: str(form[name].value() or "") for name in form.fields if name.startswith("guide_")
    }
    author.post(page, sent(model, **begun))
    assert version.template.versions.count() == 1
    shown = author.get(reverse("admin:imagegen_templateversion_change", args=[version.pk]))
    assert "depth, weight 0.8, from 0 to 1" in shown.content.decode()
    assert reverse("admin:imagegen_asset_change", args=[asset.pk]) in shown.content.decode()


def test_a_wrong_guide_is_said_at_its_field(author: Client, model: ImageModel) -> None:
    add = reverse("admin:imagegen_prompttemplate_add")
    asset, waiting = make_asset(), make_asset(review_state=ReviewState.PENDING)
    wrong = {
        "not available to you": {"guide_0_asset": str(waiting.pk)},
        "Choose the image of this guide": {"guide_0_kind": "depth"},
        "choose": {"guide_0_asset": str(asset.pk), "guide_0_kind": "smell"},
    }

    said = {
        reason: author.post(add, sent(model, **values))
        .context["adminform"]
        .form.errors["guide_0_asset"][0]
        for reason, values in wrong.items()
    }

    assert all(reason in text for reason, text in said.items()), said
    assert not PromptTemplate.objects.exists()


def test_the_window_of_a_guide_lists_approved_images_only(author: Client) -> None:
    approved, waiting = make_asset(), make_asset(review_state=ReviewState.PENDING)
    page = author.get(reverse("admin:imagegen_prompttemplate_add")).content.decode()
    found = re.search(r'href="([^"]+)"[^>]*id="lookup_id_guide_0_asset"', page)
    assert found is not None

    shown = author.get(f"{unescape(found[1])}&_popup=1").content.decode()

    assert str(approved.pk) in shown
    assert str(waiting.pk) not in shown


def test_an_author_who_may_not_see_images_cannot_choose_them(
    client: Client, model: ImageModel
) -> None:
    client.force_login(make_user("bob", groups=["Template authors"], is_staff=True))
    values = sent(model, guide_0_asset=str(make_asset().pk))

    answer = client.post(reverse("admin:imagegen_prompttemplate_add"), values)

    errors = answer.context["adminform"].form.errors
    assert "not available to you" in errors["guide_0_asset"][0]


def test_an_editor_sees_a_fixed_guide_and_each_job_has_it(
    client: Client, model: ImageModel
) -> None:
    client.force_login(make_user("edda", groups=["Image editors"], is_staff=True))
    asset = make_asset()
    make_template(slug="mugs", image_model=model, guides=[stored(asset)])
    values = {
        "template": "mugs",
        "shown_template": "mugs",
        "v_product": "mug",
        "image_model": str(model.pk),
        "count": "1",
        "generate": "1",
    }

    html = client.get(reverse(STUDIO), {"template": "mugs"}).content.decode()
    client.post(reverse(STUDIO), values)
    use_case(audited=False)(Asset.objects.filter(pk=asset.pk).update)(
        review_state=ReviewState.WITHDRAWN.value
    )
    later = client.get(reverse(STUDIO), {"template": "mugs"}).content.decode()
    refused = client.post(reverse(STUDIO), values).content.decode()

    assert "depth, weight 0.8, from 0 to 1" in html
    assert "Fixed by the template." in html
    (job,) = Job.objects.exclude(pk=asset.job_id)
    assert [one.asset_id for one in job.inputs.all()] == [asset.pk]
    assert "It is not approved; its review state: Withdrawn." in later
    assert "The template fixes guide 1" in refused


def test_the_picture_of_a_chosen_guide_is_beside_it(author: Client, model: ImageModel) -> None:
    asset = make_asset()
    values = {"guide_0_asset": str(asset.pk)}
    author.post(reverse("admin:imagegen_prompttemplate_add"), sent(model, **values))
    template = PromptTemplate.objects.get(slug="mugs")

    page = author.get(reverse("admin:imagegen_prompttemplate_change", args=[template.pk]))

    picture = reverse("admin:imagegen_prompttemplate_guide", args=[asset.pk])
    assert page.content.decode().count(f'src="{picture}"') == 1
    found: Any = author.get(picture)
    assert (found.status_code, "/files/signed/" in found.url) == (302, True)


@pytest.mark.parametrize("state", [ReviewState.PENDING, ReviewState.REJECTED])
def test_no_picture_of_an_image_that_may_not_guide_is_shown(
    author: Client, model: ImageModel, state: ReviewState
) -> None:
    asset = make_asset(review_state=state)

    found = author.get(reverse("admin:imagegen_prompttemplate_guide", args=[asset.pk]))

    assert found.status_code == 404


def test_nobody_without_rights_to_images_is_shown_a_guide(
    client: Client, model: ImageModel
) -> None:
    asset = make_asset()
    client.force_login(make_user("nobody", is_staff=True))

    found = client.get(reverse("admin:imagegen_prompttemplate_guide", args=[asset.pk]))

    assert found.status_code == 404
