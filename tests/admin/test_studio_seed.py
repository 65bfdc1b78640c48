"""The seed in the studio: kept for the next requests, drawn, or random again; and the length of a prompt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from imagegen_app.models import Job
from imagegen_app.providers.sandbox import CAPABILITIES
from tests.admin.test_studio_models import QUOTE, STUDIO, asked, editor, models

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import ImageModel

__all__ = ["editor", "models"]


def next_form(editor: Client, answer: Any) -> tuple[str, bool]:
    """Return the seed of the form after a request, and whether it is kept."""
    page = editor.get(answer.url).content.decode()
    field = re.search(r'<input[^>]*name="seed"[^>]*>', page)
    lock = re.search(r'<input[^>]*name="seed_lock"[^>]*>', page)
    assert field is not None
    assert lock is not None
    value = re.search(r'value="(\d*)"', field[0])
    return ("" if value is None else value[1], "checked" in lock[0])


def test_a_seed_is_kept_for_the_next_requests_or_random_again(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    kept = asked(editor, models["sandbox"], seed="4711", seed_lock="on")
    once = asked(editor, models["sandbox"], seed="4712")

    assert next_form(editor, kept) == ("4711", True)
    assert next_form(editor, once) == ("", False)


def test_keeping_without_a_number_draws_one_which_a_second_press_does_not_change(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    first = asked(editor, models["sandbox"], seed_lock="on", nonce="page-1")
    asked(editor, models["sandbox"], seed_lock="on", nonce="page-1")
    asked(editor, models["sandbox"], seed_lock="on", nonce="page-2")

    seeds = list(Job.objects.order_by("created_at").values_list("seed", flat=True))
    assert len(seeds) == 2
    assert None not in seeds
    assert seeds[0] != seeds[1]
    assert next_form(editor, first) == (str(seeds[0]), True)


def test_a_model_without_a_seed_draws_none(editor: Client, models: dict[str, ImageModel]) -> None:
    asked(editor, models["openai"], seed_lock="on")

    assert Job.objects.get().seed is None


def test_the_length_of_the_prompt_stands_beside_what_the_model_takes(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    sent = {"shown_template": "", "prompt": "A mug", "image_model": models["sandbox"].pk}

    answer = editor.post(reverse(QUOTE), sent).content.decode()
    page = editor.post(reverse(STUDIO), {**sent, "load": ""}).content.decode()

    most = CAPABILITIES.max_prompt_chars
    assert f"5 of at most {most} characters" in answer
    assert f'data-prompt-limit="{most}"' in page


def test_a_prompt_that_is_too_long_is_refused_before_any_call(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    page = asked(editor, models["sandbox"], prompt="a" * (CAPABILITIES.max_prompt_chars + 1))

    assert f"at most {CAPABILITIES.max_prompt_chars} characters" in page.content.decode()
    assert not Job.objects.exists()
