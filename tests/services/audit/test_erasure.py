from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.states import JobState
from imagegen_app.models import AuditEvent, AuditPersonalText, Job
from imagegen_app.services.audit import erasure, sealing, verification
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_job, make_user
from tests.services.audit.log_tampering import SYSTEM, append

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Person:
    return access.actor_for(make_user("ada"))


@pytest.fixture
def officer() -> Person:
    return access.actor_for(make_user("officer", permissions=["imagegen.erase_personal_data"]))


@use_case()
def record_prompt(actor: Person, job: Job, prompt: str) -> None:
    event_log.record(actor, "job.requested", subject=job, job=job, personal={"prompt": prompt})
    event_log.record(
        SYSTEM, "moderation.decided", subject=job, job=job, personal={"text": f"about {prompt}"}
    )


def job_of(actor: Person, *, prompt: str, state: JobState = JobState.SUCCEEDED) -> Job:
    """Make a job of this person, and the events that repeat its prompt."""
    job = make_job(requester=actor.user, prompt=prompt, state=state)
    record_prompt(actor, job, prompt)
    return job


def last_event() -> AuditEvent:
    return AuditEvent.objects.latest("pk")


def test_after_erasing_a_persons_texts_and_prompts_the_log_still_verifies(
    ada: Person, officer: Person
) -> None:
    job = job_of(ada, prompt="Ada's garden")
    append(2, actor=ada, personal={"note": "by Ada"})
    sealing.seal_all()

    count = erasure.erase_person(officer, subject=f"person:{ada.id}", reason="letter of 3 May")
    sealing.seal_all()
    report = verification.verify()

    job.refresh_from_db()
    # Two of the request, one of the verdict, two of each note.
    assert count == 7
    assert (job.prompt, job.negative_prompt, job.variables) == ("", "", {})
    assert (job.fingerprint, job.request_digest) == ("", "")
    assert job.prompt_erased_at is not None
    assert not AuditPersonalText.objects.filter(subject=f"person:{ada.id}").exists()
    assert not AuditPersonalText.objects.filter(value__contains="Ada").exists()
    assert (report.ok, report.erased, report.erased_recorded) == (True, 7, 7)


def test_the_erasure_is_recorded_with_its_reason_beside_the_log(
    ada: Person, officer: Person
) -> None:
    append(1, actor=ada)

    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="letter of 3 May")

    event = last_event()
    data = json.loads(event.body)["data"]
    assert (event.type, event.actor_id) == ("privacy.erased", officer.id)
    assert (data["count"], data["jobs"], data["subject"]) == (1, 0, f"person:{ada.id}")
    assert "letter" not in event.body
    assert event.personal_texts.get(field="reason").value == "letter of 3 May"


def test_other_peoples_texts_are_not_erased(ada: Person, officer: Person) -> None:
    bob = access.actor_for(make_user("bob"))
    job = job_of(bob, prompt="Bob's boat")
    append(1, actor=ada)

    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")

    job.refresh_from_db()
    assert job.prompt == "Bob's boat"
    assert AuditPersonalText.objects.filter(value__contains="Bob's boat").count() == 2


def test_erasing_a_second_time_erases_and_records_nothing(ada: Person, officer: Person) -> None:
    job_of(ada, prompt="Ada's garden")
    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")
    first = last_event()

    count = erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")

    assert count == 0
    assert last_event() == first


def test_erasing_a_prompt_keeps_the_name_of_its_requester(ada: Person, officer: Person) -> None:
    job = job_of(ada, prompt="Ada's garden")
    other = job_of(ada, prompt="Ada's house")
    sealing.seal_all()

    count = erasure.erase_prompt(officer, job=job, reason="names a neighbour")

    other.refresh_from_db()
    assert count == 2
    assert (job.prompt, other.prompt) == ("", "Ada's house")
    assert AuditPersonalText.objects.filter(field="actor_label", value="ada").count() == 2
    assert last_event().job_id == job.pk
    report = verification.verify()
    assert (report.ok, report.erased) == (True, 2)


def test_nobody_erases_without_the_permission(ada: Person) -> None:
    job = job_of(ada, prompt="Ada's garden")

    with pytest.raises(access.NotPermitted):
        erasure.erase_person(ada, subject=f"person:{ada.id}", reason="mine")
    with pytest.raises(access.NotPermitted):
        erasure.erase_prompt(ada, job=job, reason="mine")

    job.refresh_from_db()
    assert job.prompt == "Ada's garden"


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_an_erasure_needs_a_reason(ada: Person, officer: Person, reason: str) -> None:
    job = job_of(ada, prompt="Ada's garden")

    with pytest.raises(erasure.CannotErase, match="reason"):
        erasure.erase_person(officer, subject=f"person:{ada.id}", reason=reason)
    with pytest.raises(erasure.CannotErase, match="reason"):
        erasure.erase_prompt(officer, job=job, reason=reason)

    assert AuditPersonalText.objects.filter(field="prompt").count() == 1


@pytest.mark.parametrize("subject", ["", "ada", "person:", "system:worker"])
def test_a_subject_that_is_not_a_person_is_refused(officer: Person, subject: str) -> None:
    append(1, actor=officer)

    with pytest.raises(erasure.CannotErase, match="does not identify a person"):
        erasure.erase_person(officer, subject=subject, reason="asked")

    assert AuditPersonalText.objects.exists()


def test_a_prompt_that_may_still_be_sent_is_not_erased(ada: Person, officer: Person) -> None:
    job = job_of(ada, prompt="Ada's garden", state=JobState.QUEUED)

    with pytest.raises(erasure.CannotErase, match="not finished"):
        erasure.erase_prompt(officer, job=job, reason="asked")
    with pytest.raises(erasure.CannotErase, match="not finished"):
        erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")

    job.refresh_from_db()
    assert job.prompt == "Ada's garden"
    assert AuditPersonalText.objects.filter(field="prompt").exists()
