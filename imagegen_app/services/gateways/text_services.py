"""Ask a service that the settings name for a text, within a limit of time, and say what it cost.

Whatever goes wrong, the caller goes on without the text: what the service raised may repeat what was
sent, so only its kind is logged.
"""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from imagegen_app.core.pricing import PriceUnknown, parse_cost
from imagegen_app.core.provider_text import (
    MAX_LINE_CHARS,
    MAX_WORD_CHARS,
    provider_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.services.gateways.configured_objects import TimeLimit

_log: Final = logging.getLogger("imagegen.texts")


class ServiceSettings(Protocol):
    """The part of a service's settings that is needed here."""

    @property
    def backend(self) -> str:
        """Dotted path of its class; empty for none."""

    @property
    def name(self) -> str:
        """What it is called in the log."""

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for the class."""

    @property
    def price(self) -> str:
        """What budgets reserve for one call."""

    @property
    def seconds(self) -> int:
        """After how long a call is given up."""


class GivenText(Protocol):
    """What a service answered."""

    @property
    def text(self) -> str:
        """The text, which is a stranger's."""

    @property
    def cost(self) -> Decimal | None:
        """What the call cost; None: the setting counts."""

    @property
    def model(self) -> str:
        """The version of the model; empty if it is unknown."""


@dataclass(frozen=True, slots=True)
class ServiceText:
    """The text of a service, or none, and what the call cost."""

    text: str = ""
    #: The service's name; empty if nothing was asked or paid for.
    service: str = ""
    cost: Decimal = Decimal(0)
    #: The version of its model; empty if it is unknown.
    model: str = ""


def lacks_price(entry: ServiceSettings, service: object) -> bool:
    """Return whether calls of a service are billed and budgets reserve nothing for them."""
    return bool(getattr(service, "is_billed", False)) and not Decimal(entry.price)


def text_of(
    entry: ServiceSettings,
    service: Any,
    ask: Callable[[Any], GivenText],
    *,
    limit: TimeLimit,
    failure: type[Exception],
    max_chars: int,
) -> ServiceText:
    """Return what a service answers; without text if it fails or does not answer in time.

    `failure` is the class of its own errors, whose text may be logged and which may have a `cost`.
    """
    if lacks_price(entry, service):
        _log.warning("%s is billed and has no PRICE; it is not asked.", entry.name)
        return ServiceText()
    try:
        given = limit.call(entry.seconds, partial(ask, service))
        cost = Decimal(entry.price) if given.cost is None else parse_cost(given.cost)
        text = provider_text(given.text, max_chars=max_chars)
        model = provider_text(given.model, max_chars=MAX_WORD_CHARS)
    except failure as error:
        reason = provider_text(str(error), max_chars=MAX_LINE_CHARS)
        _log.warning("%s has no suggestion: %s", entry.name, reason)
        return _failed(error, entry)
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        log_failure(entry, error)
        return ServiceText()
    return ServiceText(text, entry.name, cost, model)


def log_failure(entry: ServiceSettings, error: Exception) -> None:
    """Log an unexpected error of a service: where and not what, since its text may repeat a prompt."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    _log.error(
        "%s failed: %s in %s, line %s.",
        *(entry.name, type(error).__name__, place.filename, place.lineno),
    )


def _failed(error: Exception, entry: ServiceSettings) -> ServiceText:
    told = getattr(error, "cost", None)
    try:
        cost = Decimal(0) if told is None else parse_cost(told)
    except PriceUnknown:
        return ServiceText()
    return ServiceText(service=entry.name, cost=cost) if cost else ServiceText()
