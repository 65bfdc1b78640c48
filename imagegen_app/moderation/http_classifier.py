"""Have any moderation service with a JSON answer decide, as the site's settings describe it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core import json_templates, multipart
from imagegen_app.core.hard_categories import hardest, read_hard_categories
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.provider_text import MAX_WORD_CHARS, provider_text
from imagegen_app.core.provider_values import MAX_COST
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import ScreenerDecision, ScreenerFailed
from imagegen_app.moderation.hosted import (
    DEFAULT_SECONDS,
    HostedScreener,
    InvalidOption,
    Thresholds,
    is_number,
    is_score,
    lacking,
    score_texts,
)
from imagegen_app.providers.http import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_THRESHOLD: Final = 0.5
TEXT_BODY: Final = {"text": "$text"}
IMAGE_BODY: Final = {"image": "$image_base64", "media_type": "$media_type"}
#: What a body may have a place for.
PLACES: Final = frozenset({"text", "image_base64", "image_data_url", "media_type"})
#: Categories of one answer; a service with more is misread.
MAX_CATEGORIES: Final = 200


@dataclass(frozen=True, slots=True)
class AnswerPaths:
    """Where the service's answers say what: names and places in lists, joined by dots.

    An empty path is not looked for. One of `scores`, `flag` and `categories` is needed.
    """

    #: Scores from 0 to 1 by category, or a list of objects that hold a `label` and a `score`.
    scores: str = ""
    label: str = "label"
    score: str = "score"
    #: True where the service objects.
    flag: str = ""
    #: A list of the categories that the service objects to.
    categories: str = ""
    #: The version of its model.
    model: str = ""
    #: What the call cost, in the currency of the image models.
    cost: str = ""

    @classmethod
    def read(cls, given: object) -> AnswerPaths:
        """Read the option `answers`.

        :raises InvalidOption: if it names what is not looked for, or nothing that decides.
        """
        known = {entry.name for entry in fields(cls)}
        if not isinstance(given, dict) or not all(isinstance(p, str) for p in given.values()):
            raise InvalidOption("answers has to be a mapping of names to paths")
        unknown = sorted(set(given) - known)
        if unknown:
            raise InvalidOption(
                f"answers has no {str(unknown[0])[:60]!r}; it has {', '.join(sorted(known))}"
            )
        paths = cls(**given)
        if not (paths.scores or paths.flag or paths.categories):
            raise InvalidOption("answers needs a path to scores, flag or categories")
        return paths


@dataclass(slots=True)
class _Reading:
    """What could be read of an answer, and the first thing that is wrong with it."""

    scores: dict[str, float] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    is_flagged: bool = False
    #: None where the setting `PRICE` counts.
    cost: Decimal | None = None
    problem: str = ""


class HttpClassifier(HostedScreener):
    """A screener that posts a text or an image to a URL and reads scores, a flag or categories.

    `text_body` and `image_body` are JSON with places such as `$text` and `$image_base64`; with
    `image_field`, an image goes as a file of a multipart form under that name instead, beside
    `image_fields`. `image_url` is the address for images where it is another one. `is_billed` says
    whether calls cost money: by default they do if there is a credential.

    :raises InvalidOption: if an option cannot be used.
    :raises InvalidHardCategory: if `hard_categories` names none.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        url: str,
        answers: Mapping[str, str],
        credential: str = "",
        auth_header: str = "Authorization",
        auth_scheme: str = "Bearer",
        image_url: str = "",
        text_body: Any = None,
        image_body: Any = None,
        image_field: str = "",
        image_fields: Mapping[str, str] | None = None,
        thresholds: Mapping[str, float | None] | None = None,
        default_threshold: float | None = DEFAULT_THRESHOLD,
        hard_categories: Mapping[str, str] | None = None,
        remedy: str = "",
        is_billed: bool | None = None,
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        super().__init__(connection=connection, url=url, seconds=seconds)
        if image_url:
            super().__init__(connection=connection, url=image_url, seconds=seconds)
        self._url, self._image_url = url, image_url or url
        self.auth_header, self.auth_scheme = auth_header, auth_scheme
        self._text_body = _template(text_body, default=TEXT_BODY, name="text_body", place="text")
        self._image_field, self._image_fields = image_field, dict(image_fields or {})
        self._image_body = (
            {}
            if image_field
            else _template(image_body, default=IMAGE_BODY, name="image_body", place="image")
        )
        self._paths = AnswerPaths.read(answers)
        self._hard = read_hard_categories(hard_categories or {})
        self.thresholds = Thresholds.read(
            thresholds or {}, default=default_threshold, final=self._hard
        )
        # A name that the service does not know would never close anything. Where it also lists what
        # it found, it may have no score for the rest.
        hard = () if self._paths.categories else self._hard
        self._needed = frozenset({*(thresholds or {}), *hard} if self._paths.scores else ())
        self._remedy = remedy
        #: Whether each call is billed, so that a price belongs to it.
        self.is_billed = bool(credential) if is_billed is None else is_billed
        #: The hard categories that it finds in images, for checks.
        self.image_hard_categories = frozenset(self._hard.values())
        #: Whether the answers say what each call cost.
        self.reports_cost = bool(self._paths.cost)

    def screen_text(self, text: str) -> ScreenerDecision:
        """Decide about a prompt.

        :raises ScreenerFailed: if no decision is possible.
        """
        document = json_templates.filled(self._text_body, {"text": text})
        return self._decision(self.ask(self._url, body=json.dumps(document).encode()))

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        """Decide about an image.

        :raises ScreenerFailed: if no decision is possible.
        """
        if self._image_field:
            extension = media_type.partition("/")[2]
            file = multipart.FormFile(self._image_field, f"image.{extension}", media_type, data)
            form = multipart.encode(fields=[*self._image_fields.items()], files=[file])
            return self._decision(
                self.ask(self._image_url, body=form.body, content_type=form.content_type)
            )
        encoded = base64.b64encode(data).decode("ascii")
        values = {
            "image_base64": encoded,
            "image_data_url": f"data:{media_type};base64,{encoded}",
            "media_type": media_type,
        }
        document = json_templates.filled(self._image_body, values)
        return self._decision(self.ask(self._image_url, body=json.dumps(document).encode()))

    def _decision(self, document: object) -> ScreenerDecision:
        read = self._read(document)
        reached = self.thresholds.reached(read.scores)
        categories = tuple(dict.fromkeys([*read.categories, *reached]))
        hard = hardest(categories, self._hard)
        # Of a hard category what can be read counts, though the rest of the answer is broken.
        if read.problem and hard is None:
            raise ScreenerFailed(read.problem, is_answered=True)
        is_blocked = bool(categories) or read.is_flagged
        return ScreenerDecision(
            outcome=VerdictOutcome.BLOCKED if is_blocked else VerdictOutcome.PASSED,
            categories=categories or (("flagged",) if read.is_flagged else ()),
            scores=score_texts(read.scores),
            remedy=self._remedy if is_blocked else "",
            cost=read.cost,
            model=self._text(document, self._paths.model),
            hard_category=hard,
        )

    def _read(self, document: object) -> _Reading:
        read, paths = _Reading(), self._paths
        if paths.scores:
            read.scores, read.problem = _scores_in(value_at(document, paths.scores), paths=paths)
            read.problem = read.problem or lacking(self._needed, scores=read.scores)
        if paths.categories:
            named = value_at(document, paths.categories)
            listed = named if isinstance(named, list) else []
            names = tuple(dict.fromkeys(name for name in listed if isinstance(name, str)))
            # Hard ones first, so that none is among those left out.
            read.categories = tuple(sorted(names, key=lambda name: name not in self._hard))
            read.categories = read.categories[:MAX_CATEGORIES]
            if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
                read.problem = read.problem or "the answer's categories are no list of names"
        if paths.flag:
            flag = value_at(document, paths.flag)
            read.is_flagged = flag is True
            if not isinstance(flag, bool):
                read.problem = read.problem or "the answer's flag is neither true nor false"
        if paths.cost:
            cost = value_at(document, paths.cost)
            if is_number(cost) and 0 <= cost <= MAX_COST:
                read.cost = Decimal(str(cost))
            else:
                read.problem = read.problem or "the answer's cost is no amount"
        return read

    @staticmethod
    def _text(document: object, path: str) -> str:
        return provider_text(value_at(document, path) if path else "", max_chars=MAX_WORD_CHARS)


def _template(given: Any, *, default: Any, name: str, place: str) -> Any:
    template = default if given is None else given
    found = json_templates.placeholders(template)
    if json_templates.is_too_deep(template):
        raise InvalidOption(f"{name} is nested too deeply")
    if wrong := [*json_templates.misspelt(template), *sorted(found - PLACES)]:
        raise InvalidOption(
            f"{name} has no place {wrong[0][:60]!r}; places are "
            f"{', '.join(f'${one}' for one in sorted(PLACES))}, and $$ stands for a dollar sign"
        )
    if not any(one.startswith(place) for one in found):
        raise InvalidOption(f"{name} has no place for the {place}, such as ${place}…")
    return template


def _scores_in(given: object, *, paths: AnswerPaths) -> tuple[dict[str, float], str]:
    """Return the scores of an answer, and what is wrong with them; empty if nothing is."""
    if isinstance(given, list):
        pairs = [(value_at(one, paths.label), value_at(one, paths.score)) for one in given]
    else:
        pairs = [*given.items()] if isinstance(given, dict) else []
    if not pairs:
        return {}, "the answer holds no scores"
    scores: dict[str, float] = {}
    for name, one in pairs:
        if isinstance(name, str) and is_score(one):
            # Of a category that comes twice, the worse counts.
            scores[name] = max(one, scores.get(name, one))
    if len(scores) != len(pairs):
        return scores, "a score is not a number from 0 to 1, or a category comes twice"
    if len(scores) > MAX_CATEGORIES:
        return scores, "the answer has too many categories"
    return scores, ""
