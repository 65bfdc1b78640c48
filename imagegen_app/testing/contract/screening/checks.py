"""Check what every screener has to keep: each check begins with the sentence that must hold."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import ScreenerFailed
from imagegen_app.testing.contract.bench import KEY, ContractBroken, require
from imagegen_app.testing.contract.screening.bench import (
    TEXT_MARK,
    ScreenerBench,
    all_said,
)
from imagegen_app.testing.simulator import moderation

if TYPE_CHECKING:
    from imagegen_app.testing.contract.screening.samples import ScreenerSamples
    from imagegen_app.testing.simulator.process import SimulatorProcess

Run = Callable[[ScreenerBench], None]
Applies = Callable[["ScreenerSamples"], bool]
#: Failures of a service that answers, with the further values of each fault.
_FAILURES: Final[tuple[tuple[str, dict[str, object]], ...]] = (
    ("status", {"status": 500, "times": None}),
    ("status", {"status": 401}),
    ("status", {"status": 400}),
    ("html", {}),
    ("not_json", {}),
    ("half_answer", {}),
    ("error_in_200", {}),
    ("missing_data", {}),
    ("unknown_coding", {}),
    ("disconnect", {}),
    ("disconnect_early", {}),
    ("redirect", {}),
)
#: One call, and another after a 429 or 5xx.
MAX_CALLS: Final = 2


@dataclass(frozen=True, slots=True)
class ScreenerCheck:
    """One thing that every screener has to keep."""

    run: Run
    applies: Applies

    @property
    def name(self) -> str:
        """Its name in tests and tables."""
        return self.run.__name__

    @property
    def sentence(self) -> str:
        """What must hold."""
        return (inspect.getdoc(self.run) or "").split("\n\n", maxsplit=1)[0]


_CHECKS: list[ScreenerCheck] = []


def _check(applies: Applies) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        _CHECKS.append(ScreenerCheck(run, applies))
        return run

    return add


def _always(samples: ScreenerSamples) -> bool:
    del samples
    return True


def _hosted(samples: ScreenerSamples) -> bool:
    return bool(samples.protocol)


@_check(_always)
def harmless_content_passes(bench: ScreenerBench) -> None:
    """A harmless text and a harmless image pass."""
    decision = bench.text(bench.samples.passing_text)
    require(decision.outcome is VerdictOutcome.PASSED, "a harmless text did not pass")
    decision = bench.image(bench.samples.passing_image)
    require(decision.outcome is VerdictOutcome.PASSED, "a harmless image did not pass")


@_check(_always)
def what_it_objects_to_is_blocked(bench: ScreenerBench) -> None:
    """A text that it objects to is blocked, and the category named."""
    decision = bench.text(bench.samples.blocked_text)
    require(decision.outcome is VerdictOutcome.BLOCKED, "the text was not blocked")
    require(decision.categories, "the decision names no category")
    require(decision.hard_category is None, "the text is in no hard category")


@_check(lambda samples: bool(samples.blocked_image))
def an_image_it_objects_to_is_blocked(bench: ScreenerBench) -> None:
    """An image that it objects to is blocked, and the category named."""
    decision = bench.image(bench.samples.blocked_image)
    require(decision.outcome is VerdictOutcome.BLOCKED, "the image was not blocked")
    require(decision.categories, "the decision names no category")


@_check(lambda samples: bool(samples.borderline_text))
def thresholds_of_the_site_decide(bench: ScreenerBench) -> None:
    """The site's thresholds decide, and not only those of the service."""
    text = bench.samples.borderline_text
    usual = bench.text(text)
    require(usual.outcome is VerdictOutcome.PASSED, "the text should pass by the usual thresholds")
    strict = bench.text(text, screener=bench.build(**bench.samples.strict_options))
    require(strict.outcome is VerdictOutcome.BLOCKED, "a lower threshold did not block")


@_check(lambda samples: samples.has_scores)
def scores_and_model_are_kept(bench: ScreenerBench) -> None:
    """A decision keeps the raw scores, from 0 to 1, and the version of the model."""
    for decision in (
        bench.text(bench.samples.passing_text),
        bench.text(bench.samples.blocked_text),
    ):
        require(decision.scores, "the decision has no scores")
        require(
            all(0 <= float(score) <= 1 for score in decision.scores.values()),
            "a score is not from 0 to 1",
        )
        require(decision.model, "the decision does not name the model")


@_check(lambda samples: bool(samples.hard_text))
def a_hard_category_is_named(bench: ScreenerBench) -> None:
    """A text in a hard category is blocked as such, so that nobody can release it."""
    decision = bench.text(bench.samples.hard_text)
    require(decision.outcome is VerdictOutcome.BLOCKED, "the text was not blocked")
    require(decision.hard_category is not None, "the decision does not name the hard category")


@_check(lambda samples: bool(samples.opening_options))
def no_option_opens_a_hard_category(bench: ScreenerBench) -> None:
    """No option opens a hard category: it is refused, or changes nothing."""
    for options in bench.samples.opening_options:
        try:
            screener = bench.build(**options)
        except ValueError:
            continue
        decision = bench.text(bench.samples.hard_text, screener=screener)
        require(decision.hard_category is not None, "an option opened the hard category")


@_check(_hosted)
def nonsense_is_no_decision(bench: ScreenerBench) -> None:
    """An answer with nonsense for scores, or with none, or with results too many, is a failure."""
    for code in moderation.STRANGE:
        bench.simulator.reset()
        bench.simulator.fail("strange_scores", on="moderations", code=code)
        failure = bench.fails(lambda: bench.text(bench.samples.passing_text))
        # What a protocol cannot spoil in this way, its answer is whole.
        is_spoilt = code != "two_results" or bench.samples.protocol == "openai_moderation"
        require(failure is not None or not is_spoilt, f"it decided on nonsense: {code}")


@_check(_hosted)
def a_broken_service_is_no_decision(bench: ScreenerBench) -> None:
    """An error, a page of HTML, half an answer or none at all is a failure, and raises nothing else."""
    for kind, values in _FAILURES:
        bench.simulator.reset()
        bench.simulator.fail(kind, on="moderations", **values)
        failure = bench.fails(lambda: bench.text(bench.samples.passing_text))
        require(failure is not None, f"it decided on a broken answer: {kind}")
    require(not bench.simulator.elsewhere(), "it followed a redirect")


@_check(_hosted)
def silence_ends_in_time(bench: ScreenerBench) -> None:
    """A service that says nothing, or stops in the middle, is a failure within the time limit."""
    limit, grace = bench.samples.limit_seconds, bench.samples.grace_seconds
    screener = bench.build(seconds=limit)
    for kind in ("silence", "slow_body"):
        bench.simulator.reset()
        bench.simulator.fail(kind, on="moderations", seconds=limit + 2 * grace)
        failure = bench.fails(lambda: bench.text(bench.samples.passing_text, screener=screener))
        require(failure is not None, f"it decided without an answer: {kind}")
        require(bench.seconds < limit + grace, "it waited beyond its time limit")


@_check(_hosted)
def a_busy_service_is_asked_at_most_twice(bench: ScreenerBench) -> None:
    """A service that is busy is asked once more, and one that recovers decides."""
    bench.simulator.fail("status", on="moderations", status=429, times=None, retry_after="0")
    failure = bench.fails(lambda: bench.text(bench.samples.passing_text))
    require(failure is not None, "it decided while the service was busy")
    require(bench.call_count() <= MAX_CALLS, "it asked more than twice")
    bench.simulator.reset()
    bench.simulator.fail("status", on="moderations", status=503, retry_after="0")
    decision = bench.text(bench.samples.passing_text)
    require(decision.outcome is VerdictOutcome.PASSED, "one busy moment counts as a failure")


@_check(_always)
def the_text_is_never_told(bench: ScreenerBench) -> None:
    """Neither a log nor an error holds the text or the key, also where the service repeats them."""
    for text in (bench.samples.passing_text, bench.samples.blocked_text):
        bench.text(text)
    said: list[str] = []
    if bench.samples.protocol:
        bench.simulator.script(echo="plain")
        for kind, values in _FAILURES:
            bench.simulator.fail(kind, on="moderations", **{**values, "times": MAX_CALLS})
            failure = bench.fails(lambda: bench.text(bench.samples.passing_text))
            said += [] if failure is None else [all_said(failure)]
            bench.simulator.script(clear=True)
    for shown in (*said, *bench.logged):
        require(TEXT_MARK not in shown, "the text stands in a log or an error")
        require(KEY not in shown, "the key stands in a log or an error")


@_check(lambda samples: bool(samples.protocol and samples.blocked_image))
def only_the_image_is_sent(bench: ScreenerBench) -> None:
    """What arrives of an image is its file as it was given, and nothing beside it."""
    bench.image(bench.samples.passing_image)
    arrived = bench.simulator.received()
    require(len(arrived) == 1, "the service received no image, or several")
    require(arrived[0].data == bench.samples.passing_image, "another file arrived")


def all_screener_checks() -> tuple[ScreenerCheck, ...]:
    """Return every check, in the order in which they are declared."""
    return tuple(_CHECKS)


def screener_checks_for(samples: ScreenerSamples) -> tuple[ScreenerCheck, ...]:
    """Return the checks that concern a screener."""
    return tuple(one for one in _CHECKS if one.applies(samples))


def run_screener_check(
    one: ScreenerCheck, samples: ScreenerSamples, *, simulator: SimulatorProcess | None
) -> None:
    """Run one check.

    :raises ContractBroken: if the screener does not keep it.
    """
    if simulator is not None:
        simulator.reset()
    bench = ScreenerBench(samples, simulator=simulator)
    with bench.watched():
        try:
            one.run(bench)
        except ScreenerFailed as failure:
            raise ContractBroken(f"it failed where it should decide: {failure}") from failure
