"""What is changed begins with the whole recipe that it was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from imagegen_app.models import Asset, AuditEvent, Grant, ImageModel, Job
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import composition, creation
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import (
    make_asset,
    make_grant,
    make_group,
    make_image,
    make_image_model,
    make_job,
    make_provider,
    make_user,
)
from tests.admin.test_studio import STUDIO, edda, model_pk, recipe, shop  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.usefixtures("shop")
FREE = {
    "template": "",
    "shown_template": "",
    "prompt": "A bud vase",
    "size": "1536x864",
    "count": "2",
    "seed": "4711",
    "negative": "flowers",
    "generate": "1",
}


def made(browser: Client, *, query: str = "", **sent: Any) -> Job:
    answer = browser.post(reverse(STUDIO) + query, {**sent, "image_model": str(model_pk())})
    assert answer.status_code == 302, answer.context["form"].errors
    driver.drive(seconds=20)
    return Job.objects.latest("created_at")


def form_of(browser: Client, **query: object) -> Any:
    return browser.get(reverse(STUDIO), {k: str(v) for k, v in query.items()}).context["form"]


def values(form: Any) -> dict[str, Any]:
    return {field.name: field.value() for field in form}


def test_change_and_generate_more_carries_the_whole_recipe(edda: Client) -> None:  # noqa: F811 - the fixture
    job = made(edda, **FREE)
    page = edda.get(reverse("admin:imagegen_studio_job", args=[job.pk]))

    offered = values(edda.get(page.context["again"]).context["form"])

    expected = {k: FREE[k] for k in ("prompt", "size", "count", "negative")}
    assert {**offered, **expected} == offered
    assert (offered["seed"], offered["image_model"]) == (4711, job.image_model_id)
    assert "bud" not in page.context["again"]


def test_a_template_is_carried_with_its_values(edda: Client) -> None:  # noqa: F811 - the fixture
    job = made(edda, **recipe(size="1536x1024", v_product="jug"))

    offered = values(form_of(edda, again=job.pk))

    assert (offered["template"], offered["v_product"]) == ("product-still-life", "jug")
    assert (offered["size"], offered["count"]) == ("1536x1024", "2")


def test_an_edit_of_an_image_that_a_template_made_begins_with_its_words(edda: Client) -> None:  # noqa: F811 - the fixture
    job = made(edda, **recipe(v_product="jug"))

    offered = values(form_of(edda, **{"from": str(job.assets.earliest("position").pk)}))

    assert "v_product" not in offered
    assert (offered["template"], "jug" in offered["prompt"]) == ("", True)


def test_the_source_images_are_used_again_and_can_be_left_out(edda: Client) -> None:  # noqa: F811 - the fixture
    upload = SimpleUploadedFile("cup.png", make_image(size=(160, 90)), "image/png")
    free: dict[str, Any] = {**FREE, "size": "source", "starts": upload}
    job = made(edda, **free)
    offered = values(form_of(edda, again=job.pk))
    sent = {k: v for k, v in offered.items() if v not in (None, "")}
    del sent["image_model"]

    again = made(
        edda,
        query=f"?again={job.pk}",
        **{**sent, "shown_template": "", "seed": "4712", "generate": "1"},
    )

    assert (job.operation, again.operation) == ("edit", "edit")
    assert again.inputs.get().sha256 == job.inputs.get().sha256
    assert (again.width, again.height) == (job.width, job.height)
    assert not values(form_of(edda, again=job.pk, without=1))["inputs_of"]


def test_changing_an_image_keeps_its_recipe_and_its_proportions(edda: Client) -> None:  # noqa: F811 - the fixture
    made(edda, **FREE)
    asset = Asset.objects.earliest("position", "pk")
    offered = values(form_of(edda, **{"from": asset.pk}))
    sent = {k: v for k, v in offered.items() if v not in (None, "")}
    del sent["image_model"]

    edited = made(edda, **{**sent, "asset": str(asset.pk), "shown_template": "", "generate": "1"})

    assert (offered["prompt"], offered["negative"], offered["seed"]) == (
        "A bud vase",
        "flowers",
        4711,
    )
    assert (edited.operation, edited.inputs.get().asset) == ("edit", asset)
    assert (edited.width, edited.height) == (1536, 864)


def with_passes(**more: Any) -> Job:
    actor = access.actor_for(get_user_model().objects.get(username="editor"))
    model = ImageModel.objects.get(pk=model_pk())
    cut = f"edit:{model.slug}:Leave out Ms Miller"
    request = composition.compose(
        actor=actor, prompt="A bud vase", size="1024x1024", model=model, passes=[cut], **more
    )
    return creation.request_images(actor=actor, job_request=request)


@use_case(audited=False)
def grant_only(model: ImageModel) -> None:
    Grant.objects.all().delete()
    make_grant(group=make_group("Image editors"), image_model=model)


def test_background_format_and_follow_up_passes_are_kept(edda: Client) -> None:  # noqa: F811 - the fixture
    job = with_passes(background="transparent", output_format="webp", parameters={"strength": 0.5})
    page = edda.get(reverse(STUDIO), {"again": str(job.pk)})
    offered = {k: v for k, v in values(page.context["form"]).items() if v not in (None, "")}
    del offered["image_model"]

    made(edda, **{**offered, "shown_template": "", "generate": "1"})

    again = Job.objects.filter(root=None).latest("created_at")
    assert (again.background, again.output_format) == ("transparent", "webp")
    assert again.parameters == {"strength": 0.5}
    assert 'name="background"' in page.content.decode()
    assert (again.passes, page.context["form"].changes) == (job.passes, [])
    assert again.passes[0]["instruction"] == "Leave out Ms Miller"


def test_what_another_model_than_the_earlier_one_does_not_take_is_said(edda: Client) -> None:  # noqa: F811 - the fixture
    job = with_passes(
        background="transparent", output_format="webp", seed=7, parameters={"strength": 0.5}
    )
    other = make_image_model(
        name="Other",
        provider=make_provider(adapter="gemini"),
        provider_model_name="gemini-nano-banana-2.1",
    )
    grant_only(other)

    form = form_of(edda, again=job.pk)
    posted = edda.post(
        reverse(STUDIO) + f"?again={job.pk}", {"shown_template": "", "generate": "1"}
    )

    assert values(form)["image_model"] == other.pk
    assert (values(form)["background"], values(form)["output_format"]) == ("", "")
    assert (
        form.changes[0]
        == f"“{job.image_model.name}” cannot be chosen here; “Other” is used instead."
    )
    for part in ("(Background): “transparent”", "(Format): “webp”", "(Strength): “0.5”"):
        assert f"“Other” does not take this {part} was left out." in form.changes
    # Whoever sends the form has read it.
    assert posted.context["form"].changes == []


def test_what_nobody_chose_stays_automatic(edda: Client) -> None:  # noqa: F811 - the fixture
    free, templated = made(edda, **{**FREE, "size": ""}), made(edda, **recipe(size=""))

    begun = [values(form_of(edda, again=job.pk))["size"] for job in (free, templated)]

    assert begun == ["", ""]


def test_source_images_that_may_not_be_used_are_said_to_be_left_out(edda: Client) -> None:  # noqa: F811 - the fixture
    upload = SimpleUploadedFile("cup.png", make_image(size=(160, 90)), "image/png")
    free: dict[str, Any] = {**FREE, "size": "source", "starts": upload}
    job = made(edda, **free)
    admin = make_user("reader", groups=["Image editors"], is_staff=True)
    admin.user_permissions.add(Permission.objects.get(codename="view_job"))
    edda.force_login(admin)

    form = form_of(edda, again=job.pk)
    without = form_of(edda, again=job.pk, without=1)

    assert values(form)["inputs_of"] is None
    said = "You may not use the source images of the earlier job: they were left out."
    assert (said in form.changes, said in without.changes) == (True, False)


def test_an_instruction_that_may_not_be_read_is_not_shown(edda: Client) -> None:  # noqa: F811 - the fixture
    job = with_passes()
    admin = make_user("reader", groups=["Image editors"], is_staff=True)
    admin.user_permissions.add(Permission.objects.get(codename="view_job"))
    edda.force_login(admin)

    page = edda.get(reverse(STUDIO), {"again": str(job.pk)})

    form = page.context["form"]
    assert "Miller" not in page.content.decode()
    assert (form["pass_0"].value()[:5], form["pass_text_0"].value()) == ("edit:", "")
    assert form.changes == [
        "The instruction of a follow-up edit is not shown to you: write your own."
    ]


def test_the_recipe_of_a_stranger_is_not_read(edda: Client) -> None:  # noqa: F811 - the fixture
    strangers = make_job(requester=make_user("stranger"), prompt="Their secret")
    shared = make_asset(job=strangers)

    for query in ({"again": strangers.pk}, {"from": shared.pk}, {"again": "x"}, {"from": "x"}):
        page = edda.get(reverse(STUDIO), {k: str(v) for k, v in query.items()})
        assert "Their secret" not in page.content.decode()
    assert not AuditEvent.objects.filter(type="asset.prompt_viewed").exists()


def test_the_source_images_of_a_stranger_cannot_be_named(edda: Client) -> None:  # noqa: F811 - the fixture
    strangers = make_job(requester=make_user("stranger"))

    answer = edda.post(
        reverse(STUDIO),
        {**FREE, "image_model": str(model_pk()), "inputs_of": str(strangers.pk)},
    )

    assert answer.status_code == 200
    assert not Job.objects.filter(requester__username="editor").exists()
