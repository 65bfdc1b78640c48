"""The list of models in the studio: price for this request, usual time, badges, and who may not use which."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils.html import escape

from imagegen_app.models import Job
from imagegen_app.services.foundation import clock
from imagegen_app.testing.factories import make_image_model, make_job, make_template
from tests.admin.test_studio_models import QUOTE, STUDIO, asked, editor, models
from tests.changed_rows import change

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import ImageModel

__all__ = ["editor", "models"]


def quoted(editor: Client, model: ImageModel, **sent: Any) -> str:
    recipe = {"shown_template": "", "prompt": "A mug", "image_model": model.pk, "count": "2"}
    return editor.post(reverse(QUOTE), {**recipe, **sent}).content.decode()


def facts(answer: str, model: ImageModel) -> str:
    found = re.search(rf'<template data-facts="{model.pk}">([^<]*)</template>', answer)
    assert found is not None
    return found[1].strip()


def test_beside_each_model_stand_its_price_for_this_request_its_time_and_badges(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    now = clock.now()
    make_job(image_model=models["openai"], started_at=now - timedelta(seconds=9), finished_at=now)
    change(models["gemini"], lifecycle="deprecated", retires_on=date(2030, 5, 1))

    page = editor.get(reverse(STUDIO)).content.decode()
    answer = quoted(editor, models["sandbox"])

    badges = {
        name: re.findall(
            r"imagegen-chip[^>]*>([^<]+)",
            page.partition(f'value="{models[name].pk}"')[2].partition("</label>")[0],
        )
        for name in ("sandbox", "gemini")
    }
    assert facts(answer, models["sandbox"]) == "0.04 USD"
    assert facts(answer, models["openai"]) == "0.04 USD · about 9 s"
    assert facts(answer, models["stability"]) == "“Generate” is not offered by this model"
    assert facts(answer, models["gemini"]) == "only one image is possible"
    assert badges["sandbox"] == ["Reproducible", "Edits", "Mask"]
    assert badges["gemini"][0].startswith("Until ")


def test_models_that_may_not_be_used_come_on_demand_with_the_reason_and_cannot_be_chosen(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    strange = make_image_model(name="Strange & new")

    page = editor.get(reverse(STUDIO)).content.decode()
    shown = editor.post(
        reverse(STUDIO),
        {"shown_template": "", "prompt": "Kept", "image_model": models["sandbox"].pk}
        | {"load": "refused"},
    ).content.decode()
    fragment = quoted(editor, models["sandbox"], load="refused")
    refused = asked(editor, strange)

    reason = escape("Your groups have no grant for “Strange & new”.")
    assert 'value="refused"' in page
    assert reason not in page
    assert reason in shown
    assert re.search(r">\s*Kept</textarea>", shown)
    assert reason in fragment
    assert f'name="image_model" id="id_image_model_0" value="{strange.pk}"' not in shown
    assert refused.status_code == 200
    assert not Job.objects.exists()


def test_a_template_for_one_model_says_so_of_the_others(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    version = make_template(image_model=models["openai"])

    shown = editor.post(
        f"{reverse(STUDIO)}",
        {"template": version.template.slug, "shown_template": version.template.slug}
        | {"load": "refused"},
    ).content.decode()

    assert shown.count("The template is made for another model.") == len(models) - 1


@pytest.mark.parametrize("count", ["1", "2"])
def test_the_price_in_the_list_is_the_price_on_the_button(
    editor: Client, models: dict[str, ImageModel], count: str
) -> None:
    answer = quoted(editor, models["openai"], count=count)

    price = facts(answer, models["openai"]).partition(" · ")[0]
    assert f"Generate {count} · about {price}" in answer
