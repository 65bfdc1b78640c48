"""What hosted screeners make of single answers, given by a server of the test's own."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from imagegen_app.core.hard_categories import HardCategory, InvalidHardCategory
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import ScreenerDecision, ScreenerFailed
from imagegen_app.moderation.hosted import InvalidOption, Thresholds
from imagegen_app.moderation.http_classifier import HttpClassifier
from imagegen_app.moderation.openai_moderation import CATEGORIES, OpenAIModeration
from imagegen_app.providers.http import BlockingClient, Connection
from tests.providers.samples import RawServer, answering, http_answer, raw_server


def asked(
    kind: type[OpenAIModeration | HttpClassifier],
    document: object,
    *,
    image: bytes = b"",
    **options: Any,
) -> tuple[ScreenerDecision, RawServer]:
    """Have a screener decide about a text, or an image, by this answer."""

    async def run() -> tuple[ScreenerDecision, RawServer]:
        async with raw_server(answering(http_answer(json.dumps(document).encode()))) as server:
            place = "base_url" if kind is OpenAIModeration else "url"
            connection = Connection(http=BlockingClient(trusted_origins=frozenset({server.url})))
            given: dict[str, Any] = {place: server.url, **options}
            screener: Any = kind(connection=connection, **given)
            if image:
                decided = asyncio.to_thread(screener.screen_image, image, media_type="image/png")
            else:
                decided = asyncio.to_thread(screener.screen_text, "a mug")
            return await decided, server

    return asyncio.run(run())


def moderation(scores: dict[str, Any], **result: Any) -> dict[str, Any]:
    whole = {**dict.fromkeys(CATEGORIES, 0.01), **scores}
    return {"model": "omni-3", "results": [{"category_scores": whole, **result}]}


def test_the_services_own_flag_decides_nothing() -> None:
    answer = moderation({"violence": 0.4}, flagged=True, categories={"violence": True})

    decision, _server = asked(OpenAIModeration, answer)

    assert decision.outcome is VerdictOutcome.PASSED
    assert decision.scores["violence"] == "0.4"
    assert decision.model == "omni-3"


def test_the_services_flag_of_a_hard_category_is_enough() -> None:
    answer = moderation({"sexual/minors": 0.05}, categories={"sexual/minors": True})

    decision, _server = asked(OpenAIModeration, answer, thresholds={"sexual/minors": 1.0})

    assert decision.hard_category is HardCategory.SEXUAL_MINORS
    assert decision.outcome is VerdictOutcome.BLOCKED
    assert decision.categories == ("sexual/minors",)


@pytest.mark.parametrize("nonsense", [7, -1, "high", None])
def test_a_hard_category_counts_though_the_rest_is_nonsense(nonsense: object) -> None:
    answer = moderation({"sexual/minors": 0.9, "violence": nonsense})

    decision, _server = asked(OpenAIModeration, answer)

    assert decision.hard_category is HardCategory.SEXUAL_MINORS


@pytest.mark.parametrize(
    "answer",
    [
        {"found": [*(f"mild {number}" for number in range(1_000)), "minors"]},
        {"found": [7, "minors"]},
        {"found": ["minors", None]},
    ],
    ids=["behind many others", "after nonsense", "before nonsense"],
)
def test_a_hard_category_of_a_list_counts_whatever_is_beside_it(answer: dict[str, Any]) -> None:
    decision, _server = asked(
        HttpClassifier,
        answer,
        answers={"categories": "found"},
        hard_categories={"minors": "sexual_minors"},
    )

    assert decision.hard_category is HardCategory.SEXUAL_MINORS
    assert decision.categories[0] == "minors"


def test_of_a_category_that_comes_twice_the_worse_score_counts() -> None:
    labels = [{"label": "minors", "score": 0.97}, {"label": "minors", "score": 0.01}]

    decision, _server = asked(
        HttpClassifier,
        {"labels": labels},
        answers={"scores": "labels"},
        hard_categories={"minors": "sexual_minors"},
    )

    assert decision.hard_category is HardCategory.SEXUAL_MINORS


@pytest.mark.parametrize("kind", [HttpClassifier, OpenAIModeration])
def test_an_answer_without_the_score_of_a_hard_category_is_no_decision(
    kind: type[OpenAIModeration | HttpClassifier],
) -> None:
    """Else a misspelt name would be noticed by nobody, and nothing would be closed."""
    answer = {**moderation({"violence": 0.1}), "scores": {"minors": 0.97, "violence": 0.1}}
    options: dict[str, Any] = {"answers": {"scores": "scores"}} if kind is HttpClassifier else {}

    with pytest.raises(ScreenerFailed, match=r"lacks scores: minor$"):
        asked(kind, answer, hard_categories={"minor": "sexual_minors"}, **options)


def test_a_service_that_lists_what_it_found_need_not_score_every_hard_category() -> None:
    answer = {"scores": {"violence": 0.1}, "found": []}

    decision, _server = asked(
        HttpClassifier,
        answer,
        answers={"scores": "scores", "categories": "found"},
        hard_categories={"minors": "sexual_minors"},
    )

    assert decision.outcome is VerdictOutcome.PASSED


def test_a_hard_category_that_openais_model_does_not_have_is_refused() -> None:
    connection = Connection(http=BlockingClient())

    with pytest.raises(InvalidOption, match="has no category 'minors'"):
        OpenAIModeration(
            connection=connection, credential="x", hard_categories={"minors": "sexual_minors"}
        )


def test_categories_that_may_be_null_may_be_null() -> None:
    decision, _server = asked(OpenAIModeration, moderation({"illicit": None}))

    assert decision.outcome is VerdictOutcome.PASSED
    assert "illicit" not in decision.scores


def test_an_image_is_not_said_to_be_judged_by_what_concerns_texts() -> None:
    scores = dict.fromkeys(("hate", "sexual/minors", "illicit"), 0)

    decision, _server = asked(OpenAIModeration, moderation(scores), image=b"png")

    assert not {"hate", "sexual/minors", "illicit"} & set(decision.scores)
    assert "violence" in decision.scores


def test_a_category_without_a_threshold_never_blocks() -> None:
    answer = moderation({"violence": 1})

    decision, _server = asked(OpenAIModeration, answer, thresholds={"violence": None})

    assert decision.outcome is VerdictOutcome.PASSED


def test_a_classifier_reads_a_list_of_labels() -> None:
    answer = [[{"label": "nsfw", "score": 0.98}, {"label": "normal", "score": 0.02}]]

    decision, _server = asked(
        HttpClassifier,
        answer,
        answers={"scores": "0"},
        thresholds={"nsfw": 0.9, "normal": None},
        remedy="Choose another subject.",
    )

    assert decision.categories == ("nsfw",)
    assert decision.remedy == "Choose another subject."


def test_a_classifier_reads_a_flag_categories_and_a_cost() -> None:
    answer = {"bad": True, "why": ["weapons"], "price": 0.004}

    decision, _server = asked(
        HttpClassifier, answer, answers={"flag": "bad", "categories": "why", "cost": "price"}
    )

    assert decision.outcome is VerdictOutcome.BLOCKED
    assert decision.categories == ("weapons",)
    assert decision.cost == Decimal("0.004")


@pytest.mark.parametrize(
    ("answer", "paths", "reason"),
    [
        ({"bad": "yes"}, {"flag": "bad"}, "neither true nor false"),
        ({"why": "weapons"}, {"categories": "why"}, "no list of names"),
        ({"bad": False, "price": -1}, {"flag": "bad", "cost": "price"}, "no amount"),
        ({"scores": []}, {"scores": "scores"}, "no scores"),
        (
            {"scores": [{"label": "a", "score": 0.1}, {"label": "a", "score": 0.9}]},
            {"scores": "scores"},
            "comes twice",
        ),
        ({"scores": {"nsfw": 0.1}}, {"scores": "scores"}, "lacks scores"),
    ],
)
def test_an_answer_that_says_nothing_clear_is_a_failure(
    answer: object, paths: dict[str, str], reason: str
) -> None:
    thresholds = {"violence": 0.5} if reason == "lacks scores" else {}

    with pytest.raises(ScreenerFailed, match=reason):
        asked(HttpClassifier, answer, answers=paths, thresholds=thresholds)


def test_a_body_of_the_sites_own_is_sent() -> None:
    _decision, server = asked(
        HttpClassifier,
        {"bad": False},
        answers={"flag": "bad"},
        text_body={"inputs": ["$text"], "price": "$$5", "lang": "en"},
    )

    body = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    assert body == {"inputs": ["a mug"], "price": "$5", "lang": "en"}


def test_thresholds_reject_what_is_no_score() -> None:
    for value in (True, -0.1, 1.1, "0.5", float("nan")):
        with pytest.raises(InvalidOption, match="a number from 0 to 1"):
            Thresholds.read({"violence": value}, default=0.5)


def test_a_hard_category_has_to_exist() -> None:
    with pytest.raises(InvalidHardCategory, match="sexual_minors, intimate_images"):
        asked(HttpClassifier, {}, answers={"flag": "x"}, hard_categories={"a": "terror"})


@pytest.mark.parametrize(
    ("screener", "answer"),
    [
        (OpenAIModeration, {"results": []}),
        (OpenAIModeration, {"results": [{"category_scores": {"violence": "high"}}]}),
        (HttpClassifier, {"found": 7}),
    ],
)
def test_an_answer_without_a_decision_is_told_as_one_that_was_billed(
    screener: Any, answer: dict[str, Any]
) -> None:
    options: dict[str, Any] = (
        {"answers": {"categories": "found"}} if screener is HttpClassifier else {}
    )

    with pytest.raises(ScreenerFailed) as failure:
        asked(screener, answer, **options)

    assert failure.value.is_answered
