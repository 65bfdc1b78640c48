"""A stranger's project runs the contract for its own adapter, by three lines of its own."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

ADAPTER = '''
from imagegen_app.providers.generic_jobs import GenericJobs


class Mine(GenericJobs):
    """An adapter of a stranger's."""

    name = "mine"


class Careless(Mine):
    """One that swallows whatever goes wrong with a query."""

    async def poll(self, *args, **more):
        try:
            return await super().poll(*args, **more)
        except Exception:
            raise KeyError("status") from None
'''
SAMPLES = """
from dataclasses import replace

from imagegen_app.core.types import Operation, Size
from imagegen_app.testing.contract import Samples, sample_requests

MINE = Samples(
    adapter="adapter:Mine",
    model="generic-1",
    requests=sample_requests(Operation, model="generic-1", size=Size(128, 128)),
    protocol="generic_jobs",
    has_jobs=True,
    can_cancel=True,
    has_addresses=True,
)
CARELESS = replace(MINE, adapter="adapter:Careless")
"""
TESTS = """
from imagegen_app.testing.contract import AdapterContract
from samples import CARELESS, MINE


class TestMine(AdapterContract):
    samples = MINE


class TestCareless(AdapterContract):
    samples = CARELESS
"""


def test_a_strangers_adapter_is_held_to_the_contract(pytester: pytest.Pytester) -> None:
    pytester.syspathinsert()
    pytester.makepyfile(adapter=ADAPTER, samples=SAMPLES, test_adapter=TESTS)
    others = ("django", "randomly", "xdist", "cacheprovider")

    ended = pytester.runpytest_inprocess(
        *(f"-pno:{name}" for name in others), "-k", "a_query_that or late_webhook"
    )

    ended.assert_outcomes(passed=3, failed=1)
    ended.stdout.fnmatch_lines(["FAILED *TestCareless*a_query_that_fails*"])
