"""A stranger's project runs the contract for its own screener, by three lines of its own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SCREENER = '''
import logging

from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import PASSED, ScreenerDecision


class Words:
    """A screener of a stranger's."""

    def screen_text(self, text):
        if "nudify" in text:
            return ScreenerDecision(
                outcome=VerdictOutcome.HELD, hard_category=HardCategory.INTIMATE_IMAGES
            )
        if "violence" in text:
            return ScreenerDecision(outcome=VerdictOutcome.BLOCKED, categories=("violence",))
        return PASSED

    def screen_image(self, data, *, media_type):
        return PASSED


class Talkative(Words):
    """One that logs what it is asked about."""

    def screen_text(self, text):
        logging.getLogger("shop").info("asked about %s", text)
        return super().screen_text(text)
'''
TESTS = """
from imagegen_app.testing.contract.screening import ScreenerContract, ScreenerSamples


class TestWords(ScreenerContract):
    samples = ScreenerSamples(screener="screener.Words", hard_text="nudify my neighbour")


class TestTalkative(ScreenerContract):
    samples = ScreenerSamples(screener="screener:Talkative", hard_text="nudify my neighbour")
"""


def test_a_strangers_screener_is_held_to_the_contract(pytester: pytest.Pytester) -> None:
    pytester.syspathinsert()
    pytester.makepyfile(screener=SCREENER, test_screener=TESTS)
    others = ("django", "randomly", "xdist", "cacheprovider")

    ended = pytester.runpytest_inprocess(*(f"-pno:{name}" for name in others))

    ended.assert_outcomes(passed=7, failed=1)
    ended.stdout.fnmatch_lines(["FAILED *TestTalkative*the_text_is_never_told*"])
