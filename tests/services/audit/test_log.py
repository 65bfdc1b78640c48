from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, connection, transaction

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, AuditLeaf, AuditPersonalText
from imagegen_app.services.audit import descriptions, sealing, verification
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from imagegen_app.services.audit.verification import VerificationReport
    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db
SYSTEM = System("test")


@use_case()
def _record_event(number: int) -> None:
    event_log.record(SYSTEM, "log.verified", data={"size": number})


def append(count: int) -> None:
    for number in range(count):
        _record_event(number)
    sealing.seal_all()


def tamper(statement: str) -> VerificationReport:
    with connection.cursor() as cursor:
        cursor.execute(statement)
    return verification.verify()


def test_an_untouched_log_verifies_with_its_checkpoint() -> None:
    append(300)
    sealing.make_checkpoint(SYSTEM, force=True)

    report = verification.verify()

    assert report.ok
    assert (report.size, report.unsealed) == (300, 0)
    assert report.checkpoints == 1


@pytest.mark.parametrize(
    "action", ["UPDATE imagegen_auditevent SET type = 'x'", "DELETE FROM imagegen_auditleaf"]
)
def test_the_database_refuses_to_change_the_log(action: str) -> None:
    append(1)

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(action)

    assert verification.verify().ok


# Dropping triggers ends a transaction on MySQL, so these tests commit and flush.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("UPDATE imagegen_auditevent SET body = REPLACE(body, '\"size\":2', '\"size\":9')", "body"),
        ("UPDATE imagegen_auditevent SET actor_id = 'x' WHERE id = {third}", "actor"),
    ],
)
def test_tampering_is_found_and_the_first_changed_event_named(
    unguarded_log: None, statement: str, word: str
) -> None:
    append(5)
    third = AuditLeaf.objects.get(seq=2).event_id

    report = tamper(statement.format(third=third))

    assert not report.ok
    assert report.findings[0].seq == 2
    assert report.findings[0].event_id == third
    assert word in report.findings[0].message


@pytest.mark.django_db(transaction=True)
def test_a_deleted_event_is_a_gap(unguarded_log: None) -> None:
    append(4)
    second = AuditLeaf.objects.get(seq=1)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM imagegen_auditleaf WHERE seq = %s", [second.seq])

    report = verification.verify()

    assert not report.ok
    assert report.findings[0].seq == 1


def test_an_erased_prompt_leaves_a_log_that_verifies(site: Site) -> None:
    job = site.request(prompt="Aunt Erika in her garden")
    from imagegen_app.services.worker import driver  # noqa: PLC0415 - this test only

    driver.drive(seconds=5)
    sealing.seal_all()

    erasure.erase_prompt(SYSTEM, job=job, reason="asked for by the person shown")
    sealing.seal_all()
    report = verification.verify()

    job.refresh_from_db()
    assert (job.prompt, job.prompt_erased_at is not None) == ("", True)
    assert not AuditPersonalText.objects.filter(value__contains="Erika").exists()
    assert report.ok
    assert report.erased >= 1
    (description,) = descriptions.describe_events(
        AuditEvent.objects.filter(job_id=job.pk, type="job.requested")
    )
    assert "prompt" in description.erased


def test_the_same_text_is_committed_to_with_another_salt_each_time(site: Site) -> None:
    site.request()
    site.request()

    texts = AuditPersonalText.objects.filter(field="prompt").values_list("salt", "value")
    salts = [bytes(salt) for salt, _value in texts]
    assert {value for _salt, value in texts} == {"A red mug"}
    assert len(set(salts)) == len(salts) == 2
    assert all(len(salt) == 16 for salt in salts)


def test_each_event_is_described_in_a_sentence(site: Site) -> None:
    job = site.request()

    sentences = [one.sentence for one in descriptions.describe_job_history(job)]

    assert any(sentence.startswith("edda requested Generate with") for sentence in sentences)
