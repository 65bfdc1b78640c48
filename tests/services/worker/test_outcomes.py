"""A call whose answer was lost stays open: it is neither sent again blindly nor failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.errors import OutcomeUnknown
from imagegen_app.models import BudgetPeriod, LedgerEntry
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.worker import _outcomes

if TYPE_CHECKING:
    from tests.services.conftest import Site


def test_a_lost_answer_leaves_the_call_open_and_its_money_reserved(site: Site) -> None:
    site.request()
    (job,) = leases.claim(limit=1, owner="me")
    attempt = transitions.start_attempt(job, digest=leases.digest_of(job))
    transitions.mark_sent(job, attempt)
    reserved = BudgetPeriod.objects.get().reserved

    _outcomes.handle_error(job, attempt, OutcomeUnknown())

    job.refresh_from_db()
    assert job.state in {"submitting", "uncertain"}
    assert job.attempts.get().live_job_id == job.pk
    assert BudgetPeriod.objects.get().reserved == reserved > 0
    assert list(LedgerEntry.objects.values_list("kind", flat=True)) == ["reservation"]
