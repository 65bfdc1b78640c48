"""Have OpenAI's moderation, or a server that speaks its API, decide about prompts and images."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from imagegen_app.core.hard_categories import (
    HardCategory,
    hardest,
    read_hard_categories,
)
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import ScreenerDecision, ScreenerFailed
from imagegen_app.moderation.hosted import (
    DEFAULT_SECONDS,
    HostedScreener,
    InvalidOption,
    Thresholds,
    is_score,
    lacking,
    score_texts,
)
from imagegen_app.providers import key_probe
from imagegen_app.providers.http import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_URL: Final = "https://api.openai.com/v1"
#: A dated version: scores drift with the one that is called the latest.
DEFAULT_MODEL: Final = "omni-moderation-2024-09-26"
#: What the model judges in texts only: of an image these say nothing.
TEXT_ONLY: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "sexual/minors",
)
CATEGORIES: Final = (
    *TEXT_ONLY,
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "violence",
    "violence/graphic",
)
#: Older answers have no score for them.
_MAY_BE_NULL: Final = frozenset({"illicit", "illicit/violent"})
DEFAULT_THRESHOLD: Final = 0.5
#: Lower than for others: a miss is worse than a prompt that has to be reworded.
DEFAULT_THRESHOLDS: Final[Mapping[str, float | None]] = {"sexual/minors": 0.2}
#: These cannot be taken out by a setting.
HARD_CATEGORIES: Final[Mapping[str, HardCategory]] = {"sexual/minors": HardCategory.SEXUAL_MINORS}


class OpenAIModeration(HostedScreener):
    """A screener that asks `/moderations` about each text and image.

    `thresholds` says by category from which score on it blocks (None: never), and
    `default_threshold` does for the others; the service's own `flagged` decides nothing, except in
    a hard category, where its word is enough. `hard_categories` adds to those built in.

    :raises InvalidOption: if an option cannot be used.
    :raises InvalidHardCategory: if `hard_categories` names none.
    """

    #: Categories that say nothing about images, for checks.
    text_only_categories: ClassVar[tuple[str, ...]] = TEXT_ONLY
    #: Whether each call is billed, so that a price belongs to it.
    is_billed: ClassVar[bool] = False

    def __init__(
        self,
        *,
        connection: Connection,
        credential: str = "",
        base_url: str = DEFAULT_URL,
        model: str = DEFAULT_MODEL,
        thresholds: Mapping[str, float | None] | None = None,
        default_threshold: float | None = DEFAULT_THRESHOLD,
        hard_categories: Mapping[str, str] | None = None,
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        super().__init__(connection=connection, url=base_url, seconds=seconds)
        if not credential and base_url == DEFAULT_URL:
            raise InvalidOption("credential has to name one of IMAGEGEN['CREDENTIALS']")
        if not model:
            raise InvalidOption("model has to name a version of the moderation model")
        self._base_url = base_url
        self._url = base_url.rstrip("/") + "/moderations"
        self._model = model
        own_hard = read_hard_categories(hard_categories or {})
        self._hard = {**own_hard, **HARD_CATEGORIES}
        #: The hard categories that it finds in images, for checks.
        self.image_hard_categories = frozenset(
            category for name, category in self._hard.items() if name not in TEXT_ONLY
        )
        given = thresholds or {}
        is_own_server = base_url.rstrip("/") != DEFAULT_URL
        named = (*own_hard, *(given if isinstance(given, dict) else ()))
        for name in () if is_own_server else named:
            if name not in CATEGORIES:
                raise InvalidOption(
                    f"the model has no category {str(name)[:60]!r}; it has {', '.join(CATEGORIES)}"
                )
        # Compatible servers may have fewer categories, and others; what the site names they must have.
        self._needed = frozenset(named if is_own_server else CATEGORIES)
        self.thresholds = Thresholds.read(
            given, default=default_threshold, usual=DEFAULT_THRESHOLDS, final=self._hard
        )

    def check_key(self) -> bool:
        if self.auth is None:
            return False
        return key_probe.lists_models_for(
            self.auth, base_url=self._base_url, http=self._connection.http, seconds=self._seconds
        )

    def screen_text(self, text: str) -> ScreenerDecision:
        """Decide about a prompt by all categories.

        :raises ScreenerFailed: if no decision is possible.
        """
        return self._decide([{"type": "text", "text": text}], kind="text")

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        """Decide about an image by the categories that concern images.

        :raises ScreenerFailed: if no decision is possible.
        """
        encoded = base64.b64encode(data).decode("ascii")
        address = {"url": f"data:{media_type};base64,{encoded}"}
        return self._decide([{"type": "image_url", "image_url": address}], kind="image")

    def _decide(self, questions: list[dict[str, Any]], *, kind: str) -> ScreenerDecision:
        body = json.dumps({"model": self._model, "input": questions}).encode()
        document = self.ask(self._url, body=body)
        results = document.get("results") if isinstance(document, dict) else None
        # One list of questions is one item: more or fewer results are about something else.
        if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
            raise ScreenerFailed("the answer does not hold exactly one result", is_answered=True)
        text_only = frozenset(TEXT_ONLY if kind == "image" else ())
        scores, problem = _scores_of(results[0], needed=self._needed - text_only)
        # Of a hard category what can be read counts, though the rest of the answer is broken.
        hard = self._hard_category(results[0], scores)
        if problem and hard is None:
            raise ScreenerFailed(problem, is_answered=True)
        categories = self.thresholds.reached(scores)
        if hard is not None:
            categories = tuple(dict.fromkeys([*self._flagged_hard(results[0]), *categories]))
        return ScreenerDecision(
            outcome=VerdictOutcome.BLOCKED if categories else VerdictOutcome.PASSED,
            categories=categories,
            # Of an image the others are no judgement, and would read as one.
            scores=score_texts({n: s for n, s in scores.items() if s or n not in text_only}),
            remedy="Describe it in other words, or choose another subject." if categories else "",
            model=document["model"] if isinstance(document.get("model"), str) else self._model,
            hard_category=hard,
        )

    def _hard_category(
        self, result: Mapping[str, Any], scores: Mapping[str, float]
    ) -> HardCategory | None:
        flagged = self._flagged_hard(result)
        return hardest((*flagged, *self.thresholds.reached(scores)), self._hard)

    def _flagged_hard(self, result: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the hard categories that the service itself flags, whatever their thresholds."""
        flags = result.get("categories")
        if not isinstance(flags, dict):
            return ()
        return tuple(name for name in self._hard if flags.get(name) is True)


def _scores_of(
    result: Mapping[str, Any], *, needed: frozenset[str]
) -> tuple[dict[str, float], str]:
    """Return the scores of a result, and what is wrong with it; empty if nothing is."""
    given = result.get("category_scores")
    if not isinstance(given, dict) or not given:
        return {}, "the answer holds no scores"
    scores = {str(name): score for name, score in given.items() if is_score(score)}
    nulls = {name for name, score in given.items() if score is None and name in _MAY_BE_NULL}
    if len(scores) + len(nulls) != len(given):
        return scores, "a score is not a number from 0 to 1"
    return scores, lacking(needed - _MAY_BE_NULL, scores=scores)
