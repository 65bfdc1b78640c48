"""Ask the site's screeners about a text or an image that belongs to no job; nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.capabilities import InputRule
from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.models.labels import LABELS
from imagegen_app.services.gateways import decoding, screening, storage

if TYPE_CHECKING:
    from imagegen_app.moderation.hosted import Thresholds
    from imagegen_app.services.gateways.screening import UnsavedVerdict

#: What screeners get of an image: its pixels, not larger than most services take.
_RULE = InputRule(formats=("png", "jpeg"), max_bytes=10 * 1024 * 1024, max_side=4096)

_SHOWN = 3


class ImageNotReadable(ValueError):
    """A file is no image that can be screened; the message is a code of `InvalidImage`."""


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One score beside its threshold."""

    category: str
    score: str
    #: None where the category never blocks; empty where the screener has no thresholds.
    threshold: str | None
    is_reached: bool = False


@dataclass(frozen=True, slots=True)
class ScreenerTrial:
    """What one screener said."""

    verdict: UnsavedVerdict
    lines: tuple[ScoreLine, ...] = ()

    @property
    def notable(self) -> tuple[ScoreLine, ...]:
        """The highest scores, and all that reach their threshold."""
        return tuple(
            line for place, line in enumerate(self.lines) if place < _SHOWN or line.is_reached
        )

    @property
    def others(self) -> tuple[ScoreLine, ...]:
        """The other scores."""
        notable = self.notable
        return tuple(line for line in self.lines if line not in notable)

    @property
    def hard_category_label(self) -> str:
        """The hard category in words; empty if there is none."""
        category = self.verdict.decision.hard_category
        return "" if category is None else str(LABELS[HardCategory][category])


def pixels_of(data: bytes) -> tuple[bytes, str]:
    """Return what screeners get of an uploaded image, and its media type.

    :raises ImageNotReadable: if it is no image that we accept.
    """
    try:
        image = decoding.normalise_picture(data, rule=_RULE, patience=decoding.Patience())
    except InvalidImage as error:
        raise ImageNotReadable(str(error)) from None
    return image.data, image.media_type


def try_text(text: str) -> list[ScreenerTrial]:
    """Have every screener of prompts decide about a text."""
    return [_trial(one) for one in screening.screen_text(text, part="prompt")]


def try_image(data: bytes, *, media_type: str) -> list[ScreenerTrial]:
    """Have every screener of images decide about one, once each."""
    sha256 = storage.file_hash(data)
    found: list[ScreenerTrial] = []
    for entry in conf.get().screeners:
        stage = next((one for one in ("input", "output") if one in entry.stages), "")
        if stage:
            verdict = screening.ask_about_image(
                entry,
                data,
                media_type=media_type,
                stage=stage,
                part=f"{stage}_image:1",
                sha256=sha256,
            )
            found.append(_trial(verdict))
    return found


def price_of(*stages: str) -> Decimal:
    """Return what a trial costs by the settings; a service may report another price."""
    return sum(
        (Decimal(e.price) for e in conf.get().screeners if set(stages) & set(e.stages)),
        start=Decimal(0),
    )


def names_of(*stages: str) -> list[str]:
    """Return the names of the screeners that a trial asks."""
    return [entry.name for entry in conf.get().screeners if set(stages) & set(entry.stages)]


def _trial(verdict: UnsavedVerdict) -> ScreenerTrial:
    thresholds = _thresholds_of(verdict.screener)
    lines = tuple(
        _line(category, score, thresholds) for category, score in verdict.decision.scores.items()
    )
    return ScreenerTrial(verdict, lines)


def _line(category: str, score: str, thresholds: Thresholds | None) -> ScoreLine:
    if thresholds is None:
        return ScoreLine(category, score, "")
    limit = thresholds.by_category.get(category, thresholds.default)
    if limit is None:
        return ScoreLine(category, score, None)
    try:
        is_reached = float(score) >= limit
    except ValueError:
        is_reached = False
    return ScoreLine(category, score, f"{limit:g}", is_reached)


def _thresholds_of(name: str) -> Thresholds | None:
    entry = next(one for one in conf.get().screeners if one.name == name)
    try:
        return getattr(screening.build_screener(entry), "thresholds", None)
    except Exception:  # noqa: BLE001 - a site's own class may raise anything; the verdict says so
        return None
