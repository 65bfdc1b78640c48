from __future__ import annotations

from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import PASSED, ScreenerDecision


def test_passed_has_no_categories_and_no_cost_of_its_own() -> None:
    assert PASSED.outcome is VerdictOutcome.PASSED
    assert (PASSED.categories, dict(PASSED.scores), PASSED.remedy) == ((), {}, "")
    assert PASSED.cost is None


def test_two_decisions_do_not_share_their_scores() -> None:
    first = ScreenerDecision(outcome=VerdictOutcome.BLOCKED)
    second = ScreenerDecision(outcome=VerdictOutcome.BLOCKED)

    assert first.scores is not second.scores
