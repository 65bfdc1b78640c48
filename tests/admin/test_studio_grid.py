"""Alternatives and grids in the studio: the price of all first, made at once, seen as a table with headings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils.html import escape

from imagegen_app.models import Job
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_template
from tests.admin.test_studio_models import QUOTE, STUDIO, asked, editor, models

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import ImageModel

__all__ = ["editor", "models"]


def quoted(editor: Client, model: ImageModel, **sent: Any) -> str:
    recipe = {"shown_template": "", "prompt": "A mug", "image_model": model.pk, "count": "1"}
    return editor.post(reverse(QUOTE), {**recipe, **sent}).content.decode()


def test_the_button_promises_images_jobs_and_price_of_all(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    words = quoted(editor, models["sandbox"], prompt="A {red|blue} mug", count="2")
    grid = quoted(
        editor,
        models["sandbox"],
        grid_columns="seed",
        grid_columns_values="1, 2, 3",
        grid_rows="strength",
        grid_rows_values="0.2, 0.8",
    )
    plain = quoted(editor, models["sandbox"], prompt=r"A \{red|blue\} mug")

    assert "Generate 4 in 2 jobs · about 0.08 USD" in words
    assert "Generate 6 in 6 jobs · about 0.12 USD" in grid
    assert "Generate 1 · about 0.02 USD" in plain
    assert "A {red|blue} mug" in plain


def test_a_grid_is_made_at_once_and_shown_with_headings(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    answer = asked(
        editor,
        models["sandbox"],
        prompt="A {red|blue} mug",
        grid_columns="seed",
        grid_columns_values="11, 22, 33",
        nonce="page-1",
    )

    driver.drive(seconds=30)
    stage = editor.get(answer.url).content.decode()
    table = stage.partition('<div class="imagegen-compared"')[2].partition("</table>")[0]
    headings = re.findall(r'<th scope="(\w+)" dir="auto">([^<]*)</th>', table)
    assert Job.objects.count() == 6
    assert headings == [
        ("col", "red"),
        ("col", "blue"),
        ("row", "11"),
        ("row", "22"),
        ("row", "33"),
    ]
    assert "<caption>Words \N{MULTIPLICATION SIGN} Seed</caption>" in table
    assert table.count("<img ") == 6
    assert 'alt="blue, 33"' in table
    assert stage.count('<article class="imagegen-turn') == 1
    assert "sent=set" in answer.url


def test_models_are_compared_side_by_side(editor: Client, models: dict[str, ImageModel]) -> None:
    other = make_image_model(name="Other", provider=models["sandbox"].provider)
    make_grant(group=make_group("Image editors"), image_model=other)
    sent = {"grid_columns": "model", "grid_models": [models["sandbox"].pk, other.pk]}

    price = quoted(editor, models["sandbox"], **sent)
    too_few = quoted(editor, models["sandbox"], grid_columns="model", grid_models=[other.pk])
    answer = asked(editor, models["sandbox"], **sent)

    assert "Generate 2 in 2 jobs" in price
    assert "Too few models are chosen" in too_few
    page = editor.get(answer.url).content.decode()
    assert '<th scope="col" dir="auto">Other</th>' in page


def test_values_of_a_template_have_alternatives_and_its_own_braces_do_not(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    version = make_template(
        body="A {{ what }} {on|by} a table",
        variables=[{"name": "what"}],
        image_model=models["sandbox"],
    )
    slug = version.template.slug

    asked(
        editor,
        models["sandbox"],
        template=slug,
        shown_template=slug,
        v_what="{mug|jug}",
        prompt="",
    )

    prompts = sorted(Job.objects.values_list("prompt", flat=True))
    assert prompts == ["A jug {on|by} a table", "A mug {on|by} a table"]


def test_an_earlier_prompt_with_braces_is_offered_as_it_was(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    asked(editor, models["sandbox"], prompt=r"A \{red|blue\} mug")
    job = Job.objects.get()

    page = editor.get(f"{reverse(STUDIO)}?again={job.pk}").content.decode()

    assert job.prompt == "A {red|blue} mug"
    assert escape(r"A \{red\|blue\} mug") in page


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"prompt": "{a|b|c|d|e|f|g}{a|b|c|d|e|f|g}"}, "These are 49 combinations; at most 36"),
        ({"grid_columns": "seed", "grid_columns_values": "1, x"}, "“x” is no seed."),
        ({"grid_columns": "strength"}, "“Strength” has no values to compare."),
        ({"grid_columns": "mood", "grid_columns_values": "1"}, "“mood” is nothing that a grid"),
        ({"grid_columns": "strength", "grid_columns_values": "0.5, 9"}, "(strength)"),
    ],
)
def test_what_makes_no_grid_is_said_and_nothing_is_requested(
    editor: Client, models: dict[str, ImageModel], sent: dict[str, str], reason: str
) -> None:
    answer = quoted(editor, models["sandbox"], **sent)
    page = asked(editor, models["sandbox"], **sent)

    assert reason in answer
    assert page.status_code == 422
    assert not Job.objects.exists()


def test_a_count_that_is_none_is_no_error_where_a_form_is_shown_again(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    # Of another template: what was typed is kept, and not judged.
    page = quoted(editor, models["sandbox"], shown_template="other", count="99999-99-99")

    assert "imagegen-generate" in page
