from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.core import live_secrets
from imagegen_app.core.errors import BadResponse, ContentBlocked
from imagegen_app.core.provider_text import (
    Characters,
    provider_facts,
    provider_names,
    provider_text,
)
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.core.types import ProviderImage, ProviderResult, Submission, SubmissionStatus
from imagegen_app.moderation.base import ScreenerDecision
from imagegen_app.providers.base import WebhookNotice

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-echoed-0123456789abcdef"


@pytest.fixture(autouse=True)
def _live_key() -> Iterator[None]:
    live_secrets.remember(KEY)
    yield
    live_secrets.forget_all()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (17, ""),
        (["a"], ""),
        ("req\x00_1\r\nSet-Cookie: a=b", "req_1 Set-Cookie: a=b"),
        ("req \u202egnp.exe\u202c \ud800", "req gnp.exe"),
        ("x" * 500, "x" * 40),
        ("à la carte – 試験 😀", "à la carte – 試験 😀"),  # noqa: RUF001 - a dash
        (f"for {KEY} and {KEY.upper()}", "for [hidden] and [hidden]"),
        ("x" * 30 + KEY, "x" * 30 + "[hidden]"),
    ],
)
def test_a_line_is_visible_short_and_without_secrets(value: object, shown: str) -> None:
    assert provider_text(value, max_chars=40) == shown


def test_a_word_with_other_characters_is_no_word() -> None:
    def word(text: str) -> str:
        return provider_text(text, max_chars=20, allowed=Characters.WORD)

    assert word("content_policy.v2/x") == "content_policy.v2/x"
    assert word("two words") == ""
    assert word("a\nb") == ""
    assert word("<b>") == ""
    assert word(KEY) == "[hidden]"


def test_lines_are_kept_where_the_text_may_have_some() -> None:
    text = provider_text("a\r\nb\x00\u202e\tc\n", max_chars=20, allowed=Characters.TEXT)

    assert text == "a\nb\tc"


def test_names_and_facts_are_cleaned_and_few() -> None:
    assert provider_names(["violence", 3, "", KEY, *map(str, range(40))])[:2] == (
        "violence",
        "[hidden]",
    )
    assert len(provider_names(map(str, range(40)))) == 20
    assert provider_facts({"size": "1x1", KEY: "x", "y": 3, "z": KEY}) == {
        "size": "1x1",
        "[hidden]": "x",
        "y": "3",
        "z": "[hidden]",
    }


def test_what_an_adapter_or_screener_hands_in_is_clean_from_its_first_moment() -> None:
    error = ContentBlocked(KEY, detail=f"x {KEY}", request_id=KEY, categories=("a", KEY))
    submission = Submission(SubmissionStatus.ACCEPTED, ref=f"job_{KEY}", request_id=f"{KEY}\x00")
    image = ProviderImage(data=b"", claimed_media_type=KEY, revised_prompt=f"a\n{KEY}")
    result = ProviderResult(images=(image,), model_version=KEY, resolved={"size": KEY})
    notice = WebhookNotice(delivery_id=KEY, ref=KEY, status=KEY)
    decision = ScreenerDecision(
        VerdictOutcome.BLOCKED, categories=(KEY,), scores={KEY: KEY}, remedy=KEY
    )

    everything = [
        str(error),
        error.detail,
        error.request_id,
        *error.categories,
        repr(submission),
        repr(image),
        image.revised_prompt,
        repr(result),
        repr(notice),
        repr(decision),
    ]
    assert all("[hidden]" in text or text == "a" or text.startswith("Prov") for text in everything)
    assert not any("0123456789" in text or "\x00" in text for text in everything)
    assert str(BadResponse()) != ""
