"""Plant faults in screeners, and see that the contract catches each."""

from __future__ import annotations

import io
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, ClassVar

from PIL import Image, PngImagePlugin

from imagegen_app.moderation.base import PASSED, ScreenerDecision, ScreenerFailed
from imagegen_app.testing.contract.screening.checks import screener_checks_for
from imagegen_app.testing.contract.screening.samples import ScreenerSamples

_HERE = __name__
_LONG_SECONDS = 30.0
_logger = logging.getLogger("imagegen.moderation")


class NoScreenerFault:
    """A screener whose questions all pass one place, where faults are planted."""

    #: Options that are not handed on.
    dropped: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **options: Any) -> None:
        kept = {name: value for name, value in options.items() if name not in self.dropped}
        super().__init__(**kept)

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        """Return the answer to a question; the text of an image is empty."""
        del text
        return ask()

    def screen_text(self, text: str) -> ScreenerDecision:
        return self.asked(text, lambda: super(NoScreenerFault, self).screen_text(text))  # type: ignore[misc]

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        return self.asked(
            "",
            lambda: super(NoScreenerFault, self).screen_image(  # type: ignore[misc]
                self.changed(data), media_type=media_type
            ),
        )

    def changed(self, data: bytes) -> bytes:
        """Return what is sent instead of an image."""
        return data


class FailsOpen(NoScreenerFault):
    """Lets pass what it could not decide about."""

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        try:
            return super().asked(text, ask)
        except ScreenerFailed:
            return PASSED


class SwallowsTimeouts(NoScreenerFault):
    """Lets pass where no answer came in time."""

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        try:
            return super().asked(text, ask)
        except ScreenerFailed as failure:
            if "time" in str(failure) or "silence" in str(failure):
                return PASSED
            raise


class WaitsOn(NoScreenerFault):
    """Waits far beyond its time limit."""

    dropped = frozenset({"seconds"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._seconds = _LONG_SECONDS


class RaisesForeignErrors(NoScreenerFault):
    """Raises whatever goes wrong as it comes."""

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        try:
            return super().asked(text, ask)
        except ScreenerFailed:
            raise KeyError("results") from None


class LogsTheText(NoScreenerFault):
    """Logs what it was asked about."""

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        _logger.debug("Screening %r", text)
        return super().asked(text, ask)


class TellsTheText(NoScreenerFault):
    """Repeats in its error what it was asked about."""

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        try:
            return super().asked(text, ask)
        except ScreenerFailed as failure:
            raise ScreenerFailed(f"{failure}: {text}") from None


class IgnoresThresholds(NoScreenerFault):
    """Decides by its own thresholds."""

    dropped = frozenset({"thresholds", "default_threshold"})


class AcceptsNonsense(NoScreenerFault):
    """Takes every score that is none for a low one, and the first of several results."""

    def ask(self, *args: Any, **more: Any) -> Any:
        document = super().ask(*args, **more)  # type: ignore[misc]
        return _repaired(document)


class DropsHardCategories(NoScreenerFault):
    """Blocks what is in a hard category as anything else."""

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        return replace(super().asked(text, ask), hard_category=None)


class DropsScores(NoScreenerFault):
    """Keeps the outcome only."""

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        return replace(super().asked(text, ask), scores={}, model="")


class AsksAgainAndAgain(NoScreenerFault):
    """Asks a busy service five times."""

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        for _ in range(4):
            try:
                return super().asked(text, ask)
            except ScreenerFailed:
                time.sleep(0.01)
        return super().asked(text, ask)


class SendsMetadata(NoScreenerFault):
    """Sends an image with words about where it comes from."""

    def changed(self, data: bytes) -> bytes:
        chunks = PngImagePlugin.PngInfo()
        chunks.add_text("Author", "edda@example.org")
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            image.save(buffer, "PNG", pnginfo=chunks)
        return buffer.getvalue()


class BlocksAll(NoScreenerFault):
    """Takes the word of a failure for that of a verdict."""

    def asked(self, text: str, ask: Callable[[], ScreenerDecision]) -> ScreenerDecision:
        decision = super().asked(text, ask)
        return replace(decision, outcome=type(decision.outcome).BLOCKED)


@dataclass(frozen=True, slots=True)
class ScreenerFault:
    """A fault, and the check that has to catch it."""

    kind: type[NoScreenerFault]
    caught_by: str

    @property
    def name(self) -> str:
        """What it does, as a sentence."""
        return (self.kind.__doc__ or "").strip()


SCREENER_FAULTS = (
    ScreenerFault(BlocksAll, "harmless_content_passes"),
    ScreenerFault(FailsOpen, "a_broken_service_is_no_decision"),
    ScreenerFault(AcceptsNonsense, "nonsense_is_no_decision"),
    ScreenerFault(SwallowsTimeouts, "silence_ends_in_time"),
    ScreenerFault(WaitsOn, "silence_ends_in_time"),
    ScreenerFault(RaisesForeignErrors, "a_broken_service_is_no_decision"),
    ScreenerFault(LogsTheText, "the_text_is_never_told"),
    ScreenerFault(TellsTheText, "the_text_is_never_told"),
    ScreenerFault(IgnoresThresholds, "thresholds_of_the_site_decide"),
    ScreenerFault(DropsScores, "scores_and_model_are_kept"),
    ScreenerFault(DropsHardCategories, "a_hard_category_is_named"),
    ScreenerFault(AsksAgainAndAgain, "a_busy_service_is_asked_at_most_twice"),
    ScreenerFault(SendsMetadata, "only_the_image_is_sent"),
)


def planted_in(samples: ScreenerSamples, fault: type[NoScreenerFault]) -> ScreenerSamples:
    """Return the samples of the same screener with a fault planted in it."""
    module, _dot, name = samples.screener.rpartition(".")
    sick = type(f"{fault.__name__}{name}", (fault, getattr(import_module(module), name)), {})
    # The bench imports a class by its path.
    globals()[sick.__name__] = sick
    return replace(samples, screener=f"{_HERE}.{sick.__name__}")


def plantable_faults(
    all_samples: Mapping[str, ScreenerSamples],
) -> list[tuple[str, ScreenerFault]]:
    """Return each fault beside the name of each samples whose contract has the check for it."""
    return [
        (name, fault)
        for name, samples in all_samples.items()
        for fault in SCREENER_FAULTS
        if fault.caught_by in {one.name for one in screener_checks_for(samples)}
        and (samples.protocol or fault.kind is not TellsTheText)
    ]


def fault_table(all_samples: Mapping[str, ScreenerSamples]) -> str:
    """Return the Markdown table of which check catches which fault in which screener."""
    where = {(name, fault.name) for name, fault in plantable_faults(all_samples)}
    lines = [f"| fault | {' | '.join(f'`{name}`' for name in all_samples)} | caught by |"]
    lines.append(f"|---{'|---' * len(all_samples)}|---|")
    for fault in SCREENER_FAULTS:
        cells = [
            "caught" if (name, fault.name) in where else "makes no calls" for name in all_samples
        ]
        lines.append(f"| {fault.name} | {' | '.join(cells)} | `{fault.caught_by}` |")
    return "\n".join(lines) + "\n"


def _repaired(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        repaired = {key: _repaired(one, key) for key, one in value.items()}
        if name in {"category_scores", "scores"}:
            return {key: _score(one) for key, one in value.items()} | {"violence": 0.0}
        return repaired
    if isinstance(value, list) and name == "results":
        return [_repaired(one) for one in value[:1]]
    return value


def _score(value: Any) -> float:
    is_score = isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1
    return float(value) if is_score else 0.0
