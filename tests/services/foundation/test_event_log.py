from __future__ import annotations

from imagegen_app.core.actors import System
from imagegen_app.core.errors import BadResponse
from imagegen_app.models import Attempt, AuditEvent, AuditPersonalText, Job
from imagegen_app.providers.credentials import Secret
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import transitions
from imagegen_app.testing.factories import make_attempt, make_job

KEY = "sk-came-in-by-any-way-4711"


@use_case()
def _record(job: Job) -> None:
    data = {"error": f"x {KEY}", "detail": KEY.upper(), "categories": [KEY[:14], "fine"]}
    event_log.record(
        System("test"), "job.failed", subject=job, job=job, data=data, personal={"reason": KEY}
    )


def test_a_live_secret_is_not_written_to_the_log(db: None) -> None:
    job = make_job()
    Secret(KEY)

    _record(job)

    event = AuditEvent.objects.get(type="job.failed")
    texts = AuditPersonalText.objects.filter(event=event).values_list("value", flat=True)
    assert KEY[:12] not in event.body.lower()
    assert '"detail":"[hidden]"' in event.body
    assert '"categories":["[hidden]","fine"]' in event.body
    assert list(texts) == ["[hidden]"]


def test_a_live_secret_that_an_error_carries_is_on_no_job_and_attempt(db: None) -> None:
    job = make_job(state="submitting")
    attempt = make_attempt(job=job, state="sent")
    error = BadResponse("The answer cannot be used.")
    # Set afterwards, past the error's own door, as an adapter of a stranger may do.
    error.detail = f"x {KEY}"
    error.request_id = KEY
    Secret(KEY)

    transitions.fail(job, attempt, error=error)

    stored = Attempt.objects.values().get(), Job.objects.values().get()
    assert KEY[:12] not in str(stored)
    assert Attempt.objects.get().error_detail == "x [hidden]"
    assert Attempt.objects.get().provider_request_id == "[hidden]"
