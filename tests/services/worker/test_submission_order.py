"""The database knows that a call is sent before its first byte can leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.models import Attempt
from imagegen_app.services.worker import driver
from imagegen_app.services.worker._job_steps import JobSteps

if TYPE_CHECKING:
    import pytest

    from tests.services.conftest import Site


def test_an_attempt_is_sent_before_its_call_starts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, states = JobSteps._call, []

    def start_call(self: Any, kind: str, job: Any, attempt: Any, *more: Any) -> None:
        states.append((kind, Attempt.objects.get(pk=attempt.pk).state))
        start(self, kind, job, attempt, *more)

    monkeypatch.setattr(JobSteps, "_call", start_call)
    job = site.request()
    driver.drive(seconds=10)
    job.refresh_from_db()

    assert job.state == "succeeded"
    assert states == [("submit", "sent")]
