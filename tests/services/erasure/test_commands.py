from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.source_types import GENERATED
from imagegen_app.core.states import JobState
from imagegen_app.imaging.ingredients import IngredientFacts
from imagegen_app.models import AuditEvent, AuditPersonalText, Job, JobInput
from imagegen_app.services.audit import sealing, verification
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.policy import access
from imagegen_app.services.policy.storage_refusals import StorageUnavailable
from imagegen_app.testing.factories import make_job, make_user
from tests.services.audit.log_tampering import SYSTEM, append

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from tests.failing_storage import FailingStorage

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
    job = make_job(requester=actor.user, prompt=prompt, variables={"subject": prompt}, state=state)
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


def job_with_upload(person: Person, *, original: bytes, store: bytes) -> Job:
    """Make a job of an upload that is kept as it came, and has a manifest of its signer's."""
    job = job_of(person, prompt="Ada's garden")
    kept = storage.put("inputs", original, extension="jpg")[0]
    manifest = storage.put("manifests", store, extension="c2pa")[0]
    sent, sha256 = storage.put("inputs", original + b" upright", extension="jpg")
    facts = IngredientFacts(
        sha256=sha256,
        media_type="image/jpeg",
        state="valid",
        title="Ada at home",
        signer="Ada",
        issuer="Ada Ltd",
        claim_generator="Ada's camera",
        digital_source_type=GENERATED,
    )
    use_case(audited=False)(
        lambda: JobInput.objects.create(
            job=job,
            role="image",
            sha256=sha256,
            storage_key=sent,
            original_storage_key=kept,
            media_type="image/jpeg",
            width=1,
            height=1,
            ingredient_facts=facts.as_dict(),
            manifest_key=manifest,
            found_at="https://shop.example.org/ada/portrait.jpg",
        )
    )()
    return job


def test_with_the_prompt_go_the_original_of_an_upload_and_its_manifest(
    ada: Person, officer: Person
) -> None:
    job = job_with_upload(ada, original=b"Ada's photograph", store=b"by Ada")
    before = job.inputs.get()

    erasure.erase_prompt(officer, job=job, reason="asked")

    entry = job.inputs.get()
    assert (entry.original_storage_key, entry.manifest_key) == ("", "")
    assert entry.found_at == ""
    for key in (before.original_storage_key, before.manifest_key):
        with pytest.raises(storage.FileMissing):
            storage.get(key)
    assert "Ada" not in json.dumps(entry.ingredient_facts)
    # What was sent, its hash and its mark stay, as the image that was made of it does.
    assert storage.get(entry.storage_key)
    assert entry.ingredient_facts["sha256"] == before.sha256
    assert entry.ingredient_facts["state"] == "valid"
    assert entry.ingredient_facts["digital_source_type"] == GENERATED


def test_files_that_another_persons_job_has_as_well_stay(ada: Person, officer: Person) -> None:
    files = {"original": b"a stock photograph", "store": b"by its agency"}
    job_with_upload(ada, **files)
    other = job_with_upload(access.actor_for(make_user("bob")), **files).inputs.get()

    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")

    other.refresh_from_db()
    assert storage.get(other.original_storage_key) == files["original"]
    assert storage.get(other.manifest_key) == files["store"]
    assert other.ingredient_facts["title"]


def test_nothing_is_erased_while_the_storage_cannot_delete(
    ada: Person, officer: Person, failing_storage: type[FailingStorage]
) -> None:
    job = job_with_upload(ada, original=b"Ada's face", store=b"by Ada again")
    failing_storage.failing = {"delete"}

    with pytest.raises(StorageUnavailable):
        erasure.erase_prompt(officer, job=job, reason="asked")

    job.refresh_from_db()
    assert job.prompt == "Ada's garden"
    assert job.inputs.get().original_storage_key
