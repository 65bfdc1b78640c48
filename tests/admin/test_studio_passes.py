"""An editor chooses follow-up passes in the studio; none chosen means none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import Grant, ImageModel, Job
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image_model,
    make_provider,
    make_template,
    make_user,
)

if TYPE_CHECKING:
    from django.test import Client

STUDIO = "admin:imagegen_studio"
QUOTE = "admin:imagegen_studio_quote"
FIX = "Correct the spelling"
NONE = {f"pass_{number}": "" for number in range(3)} | {f"pass_text_{n}": "" for n in range(3)}


@pytest.fixture
def model(db: None, immediate: Any) -> ImageModel:
    made = make_image_model(slug="draws", name="Draws")
    make_grant(group=make_group("Image editors"), image_model=made)
    return made


@pytest.fixture
def editor(model: ImageModel, client: Client) -> Client:
    client.force_login(make_user("edda", groups=["Image editors"], is_staff=True))
    return client


def sent(model: ImageModel, **more: str) -> dict[str, str]:
    return {
        "shown_template": "",
        "prompt": "A red mug",
        "image_model": str(model.pk),
        "size": "1:1",
        "count": "1",
        **more,
    }


def asked(editor: Client, model: ImageModel, **more: str) -> Any:
    return editor.post(reverse(STUDIO), sent(model, generate="1", **{**NONE, **more}))


def offered(page: str) -> list[str]:
    (select,) = re.findall(r'<select name="pass_0".*?</select>', page, flags=re.DOTALL)
    return re.findall(r'<option value="([^"]+)"', select)


def chained() -> list[str]:
    return [job.operation for job in Job.objects.exclude(root=None).order_by("created_at", "pk")]


def stored(*texts: str) -> list[dict[str, Any]]:
    found = []
    for text in texts:
        operation, factor = text.split(":")[:2] if ":" in text else (text, "1")
        found.append({"operation": operation, "model": "draws", "factor": int(factor)})
    return found


def test_passes_are_chosen_in_order_and_priced(editor: Client, model: ImageModel) -> None:
    chosen = {"pass_0": "upscale:2:draws", "pass_2": "edit:draws", "pass_text_2": FIX}

    plain, priced = (
        editor.post(reverse(QUOTE), sent(model, **more)).content.decode() for more in ({}, chosen)
    )
    answer = asked(editor, model, **chosen)

    assert "about 0.02 USD" in plain
    assert "about 0.06 USD" in priced
    assert answer.status_code == 302
    root = Job.objects.get(root=None)
    assert [one["operation"] for one in root.passes] == ["upscale", "edit"]
    assert chained() == ["upscale", "edit"]
    assert Job.objects.get(operation="edit").prompt == FIX


def test_on_offer_is_what_models_can_and_grants_cover(editor: Client, model: ImageModel) -> None:
    plain = make_provider(adapter="openai")
    granted = make_image_model(slug="plain", provider=plain, provider_model_name="gpt-image-2")
    make_image_model(
        slug="strange", provider=make_provider(adapter="openai"), provider_model_name="gpt-image-2"
    )
    make_grant(group=make_group("Image editors"), image_model=granted, operations=["generate"])

    before = offered(editor.get(reverse(STUDIO)).content.decode())
    use_case(audited=False)(Grant.objects.filter(image_model=granted).update)(operations=["edit"])
    after = offered(editor.get(reverse(STUDIO)).content.decode())

    own = {"upscale:2:draws", "remove_background:draws", "restore_faces:draws", "edit:draws"}
    assert own <= set(before)
    assert set(after) - set(before) == {"edit:plain"}
    assert not any("strange" in value for value in after)


@pytest.mark.parametrize(
    ("chosen", "field", "reason"),
    [
        ({"pass_1": "edit:draws"}, "pass_text_1", "needs an instruction"),
        (
            {"pass_0": "upscale:2:draws", "pass_text_0": FIX},
            "pass_text_0",
            "Only an edit takes an instruction.",
        ),
        ({"pass_text_2": FIX}, "pass_text_2", "Only an edit takes an instruction."),
        ({"pass_2": "upscale:9:draws"}, "pass_2", "supports these factors"),
        ({"pass_1": "remove_background:nowhere"}, "pass_1", "is not a valid model"),
        ({"pass_1": "remove_background:other"}, "pass_1", "no grant for “Other”"),
        (
            {"pass_0": "upscale:2:draws", "pass_2": "upscale:2:draws"},
            "pass_2",
            "no side may be longer",
        ),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    editor: Client, model: ImageModel, chosen: dict[str, str], field: str, reason: str
) -> None:
    make_image_model(slug="other", name="Other")

    answer = asked(editor, model, **chosen)

    errors = answer.context["form"].errors
    assert list(errors) == [field]
    assert reason in errors[field][0]
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Job.objects.exists()


def test_none_means_none_also_where_the_template_has_some(
    editor: Client, model: ImageModel
) -> None:
    version = make_template(
        slug="cut", image_model=model, passes=stored("upscale:2", "remove_background")
    )
    page = editor.get(reverse(STUDIO), {"template": "cut"})
    begun = {name: page.context["form"][name].value() for name in ("pass_0", "pass_1", "pass_2")}
    of_template = {
        **sent(model, template="cut", shown_template="cut", v_product="mug", generate="1"),
    }
    del of_template["prompt"]

    editor.post(reverse(STUDIO), of_template | NONE)
    none = chained()
    editor.post(reverse(STUDIO), of_template)

    assert list(begun.values()) == ["upscale:2:draws", "remove_background:draws", ""]
    assert page.context["sections"].are_passes_open
    assert none == []
    # A form that does not know of passes asks for what the template says.
    assert chained() == ["upscale", "remove_background"]
    assert Job.objects.first().template_version == version  # type: ignore[union-attr]  # it was made


def test_another_template_brings_its_own_passes_unless_others_were_chosen(
    editor: Client, model: ImageModel
) -> None:
    make_template(slug="cut", passes=stored("remove_background"))
    make_template(slug="large", passes=stored("upscale:2"))
    switch = {**sent(model), "template": "large", "shown_template": "cut", "load": ""}

    def begun(**chosen: str) -> Any:
        return editor.post(reverse(STUDIO), switch | NONE | chosen).context["form"]

    assert begun(pass_0="remove_background:draws")["pass_0"].value() == "upscale:2:draws"
    assert begun(pass_0="restore_faces:draws")["pass_0"].value() == "restore_faces:draws"


def test_passes_stay_when_another_model_is_chosen(editor: Client, model: ImageModel) -> None:
    chosen = {"pass_0": "edit:draws", "pass_text_0": FIX}

    form = editor.post(reverse(STUDIO), sent(model, load="", **NONE | chosen)).context["form"]

    assert (form["pass_0"].value(), form["pass_text_0"].value()) == ("edit:draws", FIX)


def test_a_pass_that_is_not_granted_any_more_is_left_out_and_that_is_said(
    editor: Client, model: ImageModel
) -> None:
    asked(editor, model, pass_0="upscale:2:draws", pass_1="edit:draws", pass_text_1=FIX)
    root = Job.objects.get(root=None)
    use_case(audited=False)(Grant.objects.update)(operations=["generate", "edit"])

    form = editor.get(reverse(STUDIO), {"again": str(root.pk)}).context["form"]

    assert [form[f"pass_{n}"].value() for n in range(3)] == ["edit:draws", "", ""]
    assert form.changes == [
        "You cannot use this follow-up pass now: “Upscale 2 times with Draws” was left out."
    ]


def test_an_image_that_is_changed_does_not_go_through_its_passes_again(
    editor: Client, model: ImageModel
) -> None:
    asked(editor, model, pass_0="upscale:2:draws")
    driver.drive(seconds=20)
    final = Job.objects.get(operation="upscale").assets.get()

    form = editor.get(reverse(STUDIO), {"from": str(final.pk)}).context["form"]

    assert form["pass_0"].value() == ""
    assert form.changes == ["Follow-up passes are not made again: Upscale 2 times with Draws."]
