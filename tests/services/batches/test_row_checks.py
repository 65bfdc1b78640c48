"""All rows of a planned batch are checked, a part at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from imagegen_app.services.batches import planning, row_checks
from imagegen_app.services.batches.row_checks import RowCheck
from imagegen_app.services.batches.row_sources import RowValues
from tests.services.batches.test_lifecycle import version  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.batches.planning import BatchPlan
    from tests.services.conftest import Site


@pytest.fixture
def parts(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> object:
    """Plan ten rows, every third of which has a problem, three at a time."""
    monkeypatch.setattr(row_checks, "CHUNK_SIZE", 3)
    rows = [
        RowValues(str(n), str(n), {"product": "" if n % 3 == 2 else f"cup {n}"}) for n in range(10)
    ]

    def plan_part(start: int, stop: int) -> BatchPlan:
        return planning.plan_rows(actor=site.actor, version=version, rows=rows[start:stop])

    return plan_part


def test_a_check_continues_where_the_last_request_ended(parts: row_checks.PlanPart) -> None:
    first = row_checks.continue_check(RowCheck(), total=10, plan_part=parts, seconds=0)
    again = row_checks.from_token(first.as_token("abc"), "abc")
    done = row_checks.continue_check(again, total=10, plan_part=parts, seconds=60)

    assert (first.checked, first.problems, first.is_complete(10)) == (3, 1, False)
    assert (done.checked, done.problems, done.ready, done.is_complete(10)) == (10, 3, 7, True)
    assert done.cost == 7 * (first.cost / 2) > 0
    assert first.estimated_cost(10, each=Decimal(1)) == first.cost + 7


def test_what_was_checked_of_other_values_does_not_count() -> None:
    token = RowCheck(checked=5).as_token("abc")
    assert row_checks.from_token(token, "other") == RowCheck()
    assert row_checks.from_token("forged", "abc") == RowCheck()


def test_problem_rows_are_found_page_by_page(parts: row_checks.PlanPart) -> None:
    first = row_checks.find_problems(start=0, total=10, most=2, plan_part=parts, seconds=60)
    assert ([row.key for row in first.rows], first.following) == (["2", "5"], 8)
    second = row_checks.find_problems(start=8, total=10, most=2, plan_part=parts, seconds=60)
    assert ([row.key for row in second.rows], second.following) == (["8"], None)


def test_a_search_for_problems_ends_in_time(parts: row_checks.PlanPart) -> None:
    found = row_checks.find_problems(start=0, total=10, most=9, plan_part=parts, seconds=0)
    assert ([row.key for row in found.rows], found.following) == (["2"], 3)
