"""Ask a moderation service over HTTP: one guarded client, one limit of time, and errors without text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from imagegen_app.core.errors import ProviderError
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.moderation.base import ScreenerFailed
from imagegen_app.providers.http import Auth, Connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


#: How long a service may take over one text or image, its second call included.
DEFAULT_SECONDS: Final = 10.0
#: An editor waits for the check of a prompt.
MAX_SECONDS: Final = 60.0
#: A service's answer holds names and numbers.
MAX_ANSWER_BYTES: Final = 256 * 1024
_MIN_SECONDS = 0.1
#: A call is made once more after 429 and 5xx.
_RETRIES = 1


class InvalidOption(ValueError):
    """An option of a screener cannot be used; the message names it and says what would do."""


class HostedScreener:
    """The base of screeners that ask a service.

    The class attribute `needs_connection` has the site build it with a `connection` for each
    question, so that a key that was replaced or revoked counts at once.
    """

    needs_connection: ClassVar[bool] = True
    #: What the service's key travels in.
    auth_header: str = "Authorization"
    auth_scheme: str = "Bearer"

    def __init__(
        self, *, connection: Connection, url: str, seconds: float = DEFAULT_SECONDS
    ) -> None:
        if not connection.http.can_call(str(url)):
            raise InvalidOption(
                "the URL has to begin with https://, or be of an origin that "
                "IMAGEGEN['TRUSTED_ORIGINS'] lists"
            )
        if not is_number(seconds) or not _MIN_SECONDS <= seconds <= MAX_SECONDS:
            raise InvalidOption(
                f"seconds has to be a number from {_MIN_SECONDS} to {MAX_SECONDS:g}"
            )
        self._connection, self._seconds = connection, float(seconds)

    @property
    def auth(self) -> Auth | None:
        """How the service's key is sent; None without one."""
        credential = self._connection.credential
        if credential is None:
            return None
        return Auth(credential, header=self.auth_header, scheme=self.auth_scheme)

    def check_key(self) -> bool:
        """Ask, free of charge, whether the key is valid; False where that cannot be asked.

        :raises AuthenticationFailed: if the service refuses the key.
        :raises ProviderError: if it cannot tell now.
        """
        return False

    def ask(self, url: str, *, body: bytes, content_type: str = "application/json") -> Any:
        """Send a question and return the answer's JSON document.

        :raises ScreenerFailed: if no answer comes in time, or one that is no JSON.
        """
        try:
            reply = self._connection.http.send(
                "POST",
                url,
                seconds=self._seconds,
                retries=_RETRIES,
                body=body,
                content_type=content_type,
                auth=self.auth,
                limit=MAX_ANSWER_BYTES,
            )
        except ProviderError as error:
            # Its detail is in our own words, without what was sent.
            raise ScreenerFailed(error.detail or type(error).__name__) from None
        if not reply.ok:
            # Not the body: services repeat there what they were sent.
            raise ScreenerFailed(f"the service answered with the status {reply.status}")
        try:
            return load_json(reply.body)
        except InvalidJson:
            raise ScreenerFailed("the answer is not JSON", is_answered=True) from None


def is_number(value: object) -> bool:
    """Return whether a value is a number, and neither a truth value, NaN nor infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def is_score(value: object) -> bool:
    """Return whether a value of an answer is a score from 0 to 1."""
    return is_number(value) and 0 <= value <= 1  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which score on each category of a service blocks."""

    #: By category; None: it never blocks.
    by_category: Mapping[str, float | None]
    #: For categories that are not named.
    default: float | None

    @classmethod
    def read(
        cls,
        given: object,
        *,
        default: object,
        usual: Mapping[str, float | None] | None = None,
        final: Iterable[str] = (),
    ) -> Thresholds:
        """Read the options `thresholds` and `default_threshold`.

        `usual` holds those that count where `given` has none. Categories that are `final`, since
        they are hard ones, cannot be left out.

        :raises InvalidOption: if one is no number from 0 to 1, or leaves a hard category out.
        """
        if not isinstance(given, dict):
            raise InvalidOption("thresholds has to be a mapping of categories to numbers")
        merged = {**(usual or {}), **{str(name): value for name, value in given.items()}}
        for name, value in (*merged.items(), ("default_threshold", default)):
            if value is not None and not is_score(value):
                raise InvalidOption(
                    f"the threshold of {name[:60]!r} has to be a number from 0 to 1"
                )
        final = set(final)
        for name in final:
            if merged.get(name, default) is None:
                raise InvalidOption(
                    f"the threshold of {name[:60]!r} cannot be left out: it is a hard category"
                )
        return cls(merged, default)  # type: ignore[arg-type]

    def reached(self, scores: Mapping[str, float]) -> tuple[str, ...]:
        """Return the categories whose score is at their threshold or above, the worst first."""
        found = [
            (score, name)
            for name, score in scores.items()
            if (limit := self.by_category.get(name, self.default)) is not None and score >= limit
        ]
        return tuple(name for _score, name in sorted(found, key=lambda one: -one[0]))


def score_texts(scores: Mapping[str, float]) -> dict[str, str]:
    """Return the raw scores as text, the highest first: a verdict keeps about twenty."""
    ordered = sorted(scores.items(), key=lambda one: -one[1])
    return {name: repr(score) for name, score in ordered}


def lacking(needed: Iterable[str], *, scores: Mapping[str, float]) -> str:
    """Return what is wrong where an answer has no score of a category; empty if it has all of them."""
    missing = sorted(set(needed) - set(scores))
    # Their names are ours: the service left them out.
    return f"the answer lacks scores: {', '.join(missing)}" if missing else ""
