"""One result of the studio: what its page shows to whom, and what its buttons do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import AssetRating, AuditEvent, Lineage
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import (
    make_asset,
    make_grant,
    make_group,
    make_image_model,
    make_job,
    make_template,
)

if TYPE_CHECKING:
    from django.test import Client

PROMPT = "A heron in the reeds, seen from afar."


def page(asset: Any) -> str:
    return reverse("admin:imagegen_studio_result", args=[asset.pk])


@pytest.fixture
def model(people: dict[str, Any]) -> Any:
    found = make_image_model(provider_model_name="sandbox-1", name="Sandbox one")
    make_grant(group=make_group("Image editors"), image_model=found)
    return found


@pytest.fixture
def draft(people: dict[str, Any], model: Any) -> Any:
    """A pending image of the editor's own."""
    job = make_job(requester=people["Image editors"], image_model=model, prompt=PROMPT, seed=7)
    return make_asset(job=job, review_state="pending", seed=7)


def test_the_page_shows_the_image_its_facts_and_what_can_be_done(
    editor: Client, draft: Any
) -> None:
    html = editor.get(page(draft)).content.decode()

    assert PROMPT in html
    assert "Sandbox one" in html
    assert "64 \N{MULTIPLICATION SIGN} 48" in html
    assert "0.02 USD" in html
    for operation in ("vary", "edit", "inpaint", "outpaint", "upscale", "erase", "replace"):
        assert f"&amp;operation={operation}&amp;image_model={draft.job.image_model.pk}" in html
    assert f"from={draft.pk}&amp;operation=remove_background" in html
    assert reverse("admin:imagegen_studio_choose", args=[draft.pk]) in html
    assert f"recall={draft.pk}&amp;only=seed" in html
    assert "Finish · about 0.02 USD" in html
    assert "Reject this draft" in html
    assert "Copy as template" not in html


def test_an_image_of_somebody_else_is_not_there(editor: Client) -> None:
    theirs = make_asset(review_state="pending")

    assert editor.get(page(theirs)).status_code == 404
    for name in ("rate", "focal", "discard", "download"):
        address = reverse(f"admin:imagegen_studio_result_{name}", args=[theirs.pk])
        assert editor.post(address).status_code == 404
    assert not AssetRating.objects.exists()


def test_a_prompt_is_shown_to_those_who_may_read_it_and_that_is_recorded(
    client: Client, people: dict[str, Any], draft: Any
) -> None:
    client.force_login(people["Image reviewers"])
    read = client.get(page(draft)).content.decode()
    client.force_login(people["superuser"])

    assert PROMPT in read
    assert AuditEvent.objects.filter(type="asset.prompt_viewed", job_id=draft.job_id).count() == 1


def test_what_the_images_model_cannot_do_is_offered_with_one_that_can(
    editor: Client, people: dict[str, Any], model: Any
) -> None:
    alone = make_image_model(provider_model_name="sandbox-1", name="Only words")
    make_grant(group=make_group("Image editors"), image_model=alone, operations=["generate"])
    asset = make_asset(job=make_job(requester=people["Image editors"], image_model=alone))

    html = editor.get(page(asset)).content.decode()

    assert "with Sandbox one" in html
    assert f"operation=inpaint&amp;image_model={model.pk}" in html


def test_what_no_model_can_do_is_absent_with_its_reason(
    editor: Client, people: dict[str, Any]
) -> None:
    alone = make_image_model(provider_model_name="sandbox-1", name="Only words")
    make_grant(group=make_group("Image editors"), image_model=alone, operations=["vary"])
    asset = make_asset(job=make_job(requester=people["Image editors"], image_model=alone))

    html = editor.get(page(asset)).content.decode()

    assert "operation=vary" in html
    assert "operation=inpaint" not in html
    assert "“Retouch an area”: none of the models that you may use can do this." in html


def test_the_lineage_leads_to_parents_and_children_that_may_be_seen(
    editor: Client, people: dict[str, Any], draft: Any
) -> None:
    mine = {"requester": people["Image editors"]}
    parent, child, hidden = make_asset(**mine), make_asset(**mine), make_asset()
    link = use_case(audited=False)(Lineage.objects.create)
    link(child=draft, parent=parent, relationship="parentOf")
    link(child=child, parent=draft, relationship="parentOf")
    link(child=hidden, parent=draft, relationship="inputTo")

    html = editor.get(page(draft)).content.decode()

    assert page(parent) in html
    assert page(child) in html
    assert page(hidden) not in html
    assert f"a={parent.pk}&amp;b={draft.pk}" in html


def test_stars_are_given_changed_and_taken_back_without_script(
    editor: Client, people: dict[str, Any], draft: Any
) -> None:
    address = reverse("admin:imagegen_studio_result_rate", args=[draft.pk])

    for stars in ("4", "4", "2"):
        assert editor.post(address, {"stars": stars}).headers["Location"] == page(draft)
    rating = AssetRating.objects.get(asset=draft)
    html = editor.get(page(draft)).content.decode()
    wrong = editor.post(address, {"stars": "9"}, follow=True).content.decode()
    editor.post(address, {"stars": "0"})

    assert (rating.stars, rating.person) == (2, people["Image editors"])
    assert 'value="2" checked' in html
    assert "One to 5 stars can be given." in wrong
    assert not AssetRating.objects.exists()
    assert AuditEvent.objects.filter(type="asset.rated", asset_id=draft.pk).count() == 3


def test_an_own_draft_is_rejected_once(editor: Client, draft: Any) -> None:
    address = reverse("admin:imagegen_studio_result_discard", args=[draft.pk])

    first = editor.post(address, follow=True).content.decode()
    again = editor.post(address, follow=True).content.decode()

    draft.refresh_from_db()
    assert draft.review_state == "rejected"
    assert "The draft was rejected." in first
    assert "Its review state: Rejected." in again
    assert "it can be neither used nor edited" in again
    assert "operation=vary" not in again
    assert AuditEvent.objects.filter(type="asset.discarded", asset_id=draft.pk).count() == 1


def test_a_withdrawn_image_offers_nothing_to_make_of_it(
    editor: Client, people: dict[str, Any], model: Any
) -> None:
    asset = make_asset(requester=people["Image editors"], review_state="withdrawn")

    html = editor.get(page(asset)).content.decode()

    assert "This image was withdrawn" in html
    assert "operation=" not in html
    assert "Use it" not in html


def test_the_published_file_is_downloaded_and_that_is_recorded(editor: Client, draft: Any) -> None:
    address = reverse("admin:imagegen_studio_result_download", args=[draft.pk])

    sent = editor.post(address, follow=True)

    assert sent.getvalue().startswith(b"\x89PNG")
    assert sent.headers["Content-Disposition"].startswith("attachment")
    assert AuditEvent.objects.filter(type="asset.downloaded", asset_id=draft.pk).count() == 1


def test_the_focal_point_is_set_and_put_back(editor: Client, draft: Any) -> None:
    address = reverse("admin:imagegen_studio_result_focal", args=[draft.pk])

    editor.post(address, {"focal_x": "30", "focal_y": "75"})
    draft.refresh_from_db()
    chosen = (draft.focal_x, draft.focal_y)
    wrong = editor.post(address, {"focal_x": "300", "focal_y": "x"}, follow=True).content.decode()
    editor.post(address, {"middle": "1"})
    draft.refresh_from_db()

    assert chosen == (0.3, 0.75)
    assert "It must lie on the image." in wrong
    assert (draft.focal_x, draft.focal_y) == (None, None)
    assert AuditEvent.objects.filter(type="asset.focal_point_set").count() == 2


def test_a_link_of_the_page_opens_the_form_with_operation_and_model(
    editor: Client, draft: Any
) -> None:
    model = draft.job.image_model
    address = f"{reverse('admin:imagegen_studio')}?from={draft.pk}"

    form = editor.get(f"{address}&operation=inpaint&image_model={model.pk}").context["form"]
    upscaled = editor.get(f"{address}&operation=upscale&image_model={model.pk}").context["form"]

    assert form["operation"].value() == "inpaint"
    assert str(form["image_model"].value()) == str(model.pk)
    assert form["prompt"].value() == ""
    assert form.source_asset == draft
    assert upscaled["operation"].value() == "upscale"
    assert upscaled["prompt"].value() == PROMPT


def test_all_the_seed_or_the_prompt_of_a_result_is_taken_over(editor: Client, draft: Any) -> None:
    address = f"{reverse('admin:imagegen_studio')}?recall={draft.pk}"

    whole = editor.get(address).context["form"]
    seed = editor.get(f"{address}&only=seed").context["form"]
    prompt = editor.get(f"{address}&only=prompt").context["form"]
    cheap = editor.get(f"{address}&quality=draft").context["form"]

    assert (whole["prompt"].value(), whole["seed"].value()) == (PROMPT, 7)
    assert (seed["prompt"].value(), seed["seed"].value()) == ("", 7)
    assert (prompt["prompt"].value(), prompt["seed"].value()) == (PROMPT, None)
    assert cheap["quality"].value() == "draft"


def test_nothing_is_taken_over_from_an_image_of_somebody_else(editor: Client, model: Any) -> None:
    theirs = make_asset(job=make_job(image_model=model, prompt=PROMPT), review_state="pending")

    form = editor.get(f"{reverse('admin:imagegen_studio')}?recall={theirs.pk}").context["form"]

    assert form["prompt"].value() == ""


def test_a_template_begins_with_the_recipe_of_an_image(
    client: Client, people: dict[str, Any], model: Any
) -> None:
    client.force_login(people["superuser"])
    used = make_template(body="A {{ product }} on slate.", image_model=model)
    job = make_job(image_model=model, template_version=used, prompt="A mug on slate.", seed=9)
    asset, free = make_asset(job=job, seed=9), make_asset(job=make_job(prompt="Use {{ braces"))
    add = reverse("admin:imagegen_prompttemplate_add")

    form = client.get(f"{add}?from_image={asset.pk}").context["adminform"].form
    other = client.get(f"{add}?from_image={free.pk}").context["adminform"].form

    assert form["body"].value() == "A {{ product }} on slate."
    assert form["variables"].value()[0]["name"] == "product"
    assert form["image_model"].value() == model.pk
    assert form["size"].value() == "64x48"
    assert "{{" not in other["body"].value()


def test_a_draft_is_taken_back_from_review_and_sent_again(editor: Client, draft: Any) -> None:
    address = reverse("admin:imagegen_studio_result_send", args=[draft.pk])

    waiting = editor.get(page(draft)).content.decode()
    back = editor.post(address, {"withdraw": "1"}, follow=True).content.decode()
    draft.refresh_from_db()
    was_asked = draft.review_requested_at
    sent = editor.post(address, {"note": "For the spring page"}, follow=True).content.decode()
    again = editor.post(address, follow=True).content.decode()
    draft.refresh_from_db()

    assert "Take it back from the review" in waiting
    assert "The image is a draft again." in back
    assert "Send for review" in back
    assert was_asked is None
    assert "The image was sent for review." in sent
    assert "It waits for a review already." in again
    assert draft.review_requested_at is not None
    assert draft.review_request_note == "For the spring page"


def test_two_images_are_compared_by_their_parameters_and_words(
    editor: Client, people: dict[str, Any], model: Any
) -> None:
    mine = {"requester": people["Image editors"], "image_model": model}
    left = make_asset(job=make_job(**mine, prompt="A red mug on slate."), seed=1)
    right = make_asset(job=make_job(**mine, prompt="A blue mug on slate."), seed=2, size=(96, 48))
    theirs = make_asset(review_state="pending")
    address = reverse("admin:imagegen_studio_compare")

    html = editor.get(f"{address}?a={left.pk}&b={right.pk}").content.decode()

    assert "<del>red</del><ins>blue</ins> mug on slate." in html
    assert '<th scope="row">Seed</th><td data-label="A">1</td><td data-label="B">2</td>' in html
    assert "different proportions" in html
    for query in (f"a={left.pk}&b={theirs.pk}", f"a={left.pk}", "a=x&b=y"):
        assert editor.get(f"{address}?{query}").status_code == 404
