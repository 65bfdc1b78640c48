"""A provider's sentence is found in its answer, and loses the prompt before it is stored."""

from __future__ import annotations

import pytest

from imagegen_app.core import live_secrets
from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.provider_message import (
    MAX_MESSAGE_CHARS,
    sentence_in,
    stored_message,
)

PROMPT = "A red mug on a wooden table, by the window"


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"error": {"message": "Too large.", "code": "size", "type": "x"}}, "Too large."),
        ({"error": "The model is not loaded"}, "The model is not loaded"),
        ({"code": "denied", "error": "No access here."}, "No access here."),
        ({"detail": [{"msg": "field required", "input": {"prompt": PROMPT}}]}, "field required"),
        (
            {"title": "Invalid", "detail": "The version does not exist."},
            "The version does not exist.",
        ),
        ({"name": "bad_request", "errors": ["too many pixels"]}, "too many pixels"),
        ([{"error": {"message": "Not here, not now."}}], "Not here, not now."),
        ({"error": "OutOfMemoryError", "detail": "", "errors": "no memory left"}, "no memory left"),
        ({"error": {"code": "bad_size"}}, "bad_size"),
        ({"prompt": PROMPT, "status": 400}, ""),
        ("plain words", "plain words"),
        (None, ""),
    ],
)
def test_the_sentence_is_found_where_providers_put_it(document: object, sentence: str) -> None:
    assert sentence_in(document) == sentence


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        (f"We do not draw “{PROMPT}”.", "We do not draw “[prompt]”."),
        (f"Not this: {PROMPT.upper()}!", "Not this: [prompt]!"),
        (f"Not this: {PROMPT[:25]}...", "Not this: [prompt]..."),
        ("Words of our own stay.", "Words of our own stay."),
    ],
)
def test_the_prompt_and_longer_parts_of_it_are_replaced(said: str, stored: str) -> None:
    assert stored_message(said, prompts=[PROMPT]) == stored


def test_a_short_prompt_is_replaced_where_it_stands_alone_only() -> None:
    said = "A cat is no category; not cat, not Cat."

    assert stored_message(said, prompts=["cat"]) == (
        "A [prompt] is no category; not [prompt], not [prompt]."
    )
    assert stored_message(said, prompts=["", "a"]) == said


def test_a_prompt_of_several_lines_is_known_in_one() -> None:
    assert stored_message("No: a red\nmug here.", prompts=["a red\n\n mug"]) == "No: [prompt] here."


def test_a_prompt_that_the_cut_would_split_is_replaced_first() -> None:
    said = "x" * (MAX_MESSAGE_CHARS - 20) + " " + PROMPT

    stored = stored_message(said, prompts=[PROMPT])

    assert stored.endswith(" [prompt]")
    assert len(stored) <= MAX_MESSAGE_CHARS


def test_controls_and_secrets_are_removed_and_long_texts_cut() -> None:
    live_secrets.remember("sk-test-0123456789abcdef")

    said = "Key sk-test-0123456789abcdef\x00 is\u202e wrong.\n" + "y" * 9000
    stored = stored_message(said, prompts=[])

    assert stored.startswith("Key [hidden] is wrong. yy")
    assert len(stored) == MAX_MESSAGE_CHARS


def test_a_long_hostile_message_is_searched_quickly() -> None:
    assert stored_message("ab" * 200_000, prompts=["ab" * 16_000]) == "[prompt]"


def test_no_text_of_an_error_holds_the_sentence() -> None:
    error = InvalidRequest(detail="HTTP 400")
    error.provider_message = PROMPT

    assert PROMPT not in f"{error} {error!r} {error.args} {error.detail}"
