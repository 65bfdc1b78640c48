"""A sweep costs one transaction where there is nothing to do, and else does all of its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.models import AuditPending, PeriodicRun
from imagegen_app.services.foundation import db_session
from imagegen_app.services.worker.sweep import sweep
from tests.services.silent_engine import SilentEngine

if TYPE_CHECKING:
    from tests.services.conftest import Site


def transactions(statements: list[str]) -> int:
    """Count transactions; a statement outside of them is one too."""
    count, is_inside = 0, False
    for statement in statements:
        if statement.startswith("BEGIN"):
            is_inside = True
        elif statement.startswith(("COMMIT", "ROLLBACK")):
            is_inside = False
            count += 1
        elif not is_inside:
            count += 1
    return count


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_finds_nothing_is_one_transaction() -> None:
    sweep()
    PeriodicRun.objects.get(pk="clearing")
    swept_at = PeriodicRun.objects.get(pk="sweep").last_run_at

    with CaptureQueriesContext(connection) as asked:
        found = sweep()

    statements = [query["sql"] for query in asked.captured_queries]
    assert (found, transactions(statements)) == (0, 1), statements
    assert PeriodicRun.objects.get(pk="sweep").last_run_at > swept_at


def test_a_sweep_wakes_a_worker_for_due_work_and_seals_the_log(site: Site) -> None:
    site.request()
    SilentEngine.rung.clear()

    due = sweep()

    assert (due, SilentEngine.rung) == (1, ["drive"])
    assert not AuditPending.objects.exists()
    assert PeriodicRun.objects.filter(pk="sweep").exists()


@pytest.mark.django_db(transaction=True)
def test_the_limit_of_idle_transactions_is_set_once_in_a_session() -> None:
    db_session.limit_idle_transactions()

    with CaptureQueriesContext(connection) as asked:
        db_session.limit_idle_transactions()

    assert len(asked) == 0
