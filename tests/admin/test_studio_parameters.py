"""The studio offers the parameters of the models, and sends them with the types that they have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import ImageModel, Job
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_user

if TYPE_CHECKING:
    from django.test import Client

STUDIO = "admin:imagegen_studio"
OWN = {
    "steps": {"kind": "int", "low": 1, "high": 50, "default": 28, "help": "More is slower."},
    "safe": {"kind": "bool"},
    "anchor": {"kind": "choice", "choices": ["center", "corner"]},
}


@use_case(audited=False)
def corrected(model: ImageModel) -> ImageModel:
    ImageModel.objects.filter(pk=model.pk).update(capabilities={"parameters": OWN})
    return model


@pytest.fixture
def models(db: None, immediate: Any) -> list[ImageModel]:
    made = [make_image_model(name="Plain"), corrected(make_image_model(name="Own"))]
    for model in made:
        make_grant(group=make_group("Image editors"), image_model=model)
    return made


@pytest.fixture
def editor(models: list[ImageModel], client: Client) -> Client:
    client.force_login(make_user("edda", groups=["Image editors"], is_staff=True))
    return client


def asked(editor: Client, model: ImageModel, **parameters: str) -> Any:
    page = editor.get(reverse(STUDIO)).content.decode()
    nonce = re.search(r'name="nonce" value="([^"]+)"', page)
    assert nonce is not None
    return editor.post(
        reverse(STUDIO),
        {
            "shown_template": "",
            "nonce": nonce[1],
            "prompt": "A red mug",
            "image_model": model.pk,
            "size": "1024x1024",
            "count": "1",
            "generate": "1",
            **{f"p_{name}": value for name, value in parameters.items()},
        },
    )


def test_only_the_parameters_of_the_chosen_model_are_offered_each_with_its_help(
    editor: Client, models: list[ImageModel]
) -> None:
    own, plain = (
        editor.post(reverse(STUDIO), {"image_model": model.pk, "load": ""}).content.decode()
        for model in reversed(models)
    )

    offered = [sorted(re.findall(r'name="p_(\w+)"', page)) for page in (own, plain)]
    assert offered == [
        ["anchor", "safe", "steps", "strength", "style"],
        ["strength", "style"],
    ]
    assert "More is slower. From 1 to 50. Without a value: 28." in own
    assert '<option value="corner">corner</option>' in own
    assert '<option value="left">left</option>' not in own


def test_what_is_given_is_requested_with_its_type_and_the_rest_is_left_out(
    editor: Client, models: list[ImageModel]
) -> None:
    asked(editor, models[1], steps="30", safe="true", anchor="corner", style="", strength="0.5")

    job = Job.objects.get()
    assert job.parameters == {"steps": 30, "safe": True, "anchor": "corner", "strength": 0.5}


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"steps": "51"}, "(steps): between 1 and 50 is possible"),
        ({"steps": "many"}, "(steps): a whole number is needed"),
        ({"anchor": "left"}, "(anchor): choose one of center, corner"),
    ],
)
def test_what_the_chosen_model_does_not_take_is_refused_with_its_reason(
    editor: Client, models: list[ImageModel], parameters: dict[str, str], reason: str
) -> None:
    page = asked(editor, models[1], **parameters).content.decode()

    assert reason in page
    assert not Job.objects.exists()


def test_a_parameter_of_another_model_is_not_dropped_in_silence(
    editor: Client, models: list[ImageModel]
) -> None:
    page = asked(editor, models[0], steps="30").content.decode()

    assert "(steps): not offered" in page
    assert not Job.objects.exists()


def test_an_earlier_job_is_made_again_with_its_parameters(
    editor: Client, models: list[ImageModel]
) -> None:
    asked(editor, models[1], steps="30", anchor="corner")
    job = Job.objects.get()

    page = editor.get(reverse(STUDIO), {"again": str(job.pk)}).content.decode()

    assert re.search(r'name="p_steps" value="30"', page)
    assert '<option value="corner" selected>' in page
