"""A personal text that is gone without an erasure is found, and the database refuses to take it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, connection, transaction

from imagegen_app.models import AuditEvent, AuditPersonalText
from imagegen_app.services.audit import descriptions, sealing, verification
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from tests.services.audit.log_tampering import append, event_at, execute, kinds

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

# Each commits: MySQL ends a transaction where the triggers are taken away.
pytestmark = pytest.mark.django_db(transaction=True)

_BLANK = (
    "UPDATE imagegen_auditpersonaltext SET value = '', salt = %s, subject = '', erased_by = %s "
    "WHERE field = 'note'"
)


@pytest.fixture
def ada() -> Person:
    return access.actor_for(make_user("ada"))


@pytest.fixture
def officer() -> Person:
    return access.actor_for(make_user("officer", permissions=["imagegen.erase_personal_data"]))


def stored_uid(event: AuditEvent) -> str | uuid.UUID:
    """Return the identifier as the database's driver takes it."""
    field = AuditPersonalText._meta.get_field("erased_by")
    value: str | uuid.UUID = field.get_db_prep_value(event.uid, connection)
    return value


def test_a_deleted_text_without_an_erasure_fails_the_verification(
    ada: Person, unguarded_log: None
) -> None:
    append(3, actor=ada, personal={"note": "by Ada"})
    sealing.seal_all()
    execute(
        "DELETE FROM imagegen_auditpersonaltext WHERE event_id = %s AND field = 'note'",
        event_at(1).pk,
    )

    report = verification.verify()

    assert kinds(report) == ["missing_text"]
    assert report.first is not None
    assert report.first.seq == 1
    assert "note" in report.first.message


def test_all_secrets_deleted_fail_the_verification(ada: Person, unguarded_log: None) -> None:
    append(2, actor=ada)
    sealing.seal_all()
    execute("DELETE FROM imagegen_auditpersonaltext")

    assert kinds(verification.verify()) == ["missing_text", "missing_text"]


def test_texts_blanked_under_an_invented_erasure_fail_the_verification(
    ada: Person, unguarded_log: None
) -> None:
    append(1, actor=ada, personal={"note": "by Ada"})
    sealing.seal_all()
    row = AuditEvent(uid=uuid.uuid4())
    execute(_BLANK, b"", stored_uid(row))

    report = verification.verify()

    assert kinds(report) == ["unrecorded_erasure"]
    assert str(row.uid) in report.findings[0].message


def test_texts_blanked_under_another_erasure_fail_the_verification(
    ada: Person, officer: Person, unguarded_log: None
) -> None:
    append(1, actor=ada)
    append(1, personal={"note": "about somebody"})
    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")
    sealing.seal_all()
    assert verification.verify().ok
    erased = AuditEvent.objects.get(type="privacy.erased")
    execute(_BLANK, b"", stored_uid(erased))

    report = verification.verify()

    assert kinds(report) == ["unrecorded_erasure"]
    assert (report.erased, report.erased_recorded) == (2, 1)
    assert str(erased.uid) in report.findings[0].message


def test_an_erased_text_that_holds_something_again_fails_the_verification(
    ada: Person, officer: Person, unguarded_log: None
) -> None:
    append(1, actor=ada)
    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")
    sealing.seal_all()
    execute("UPDATE imagegen_auditpersonaltext SET value = 'Eve' WHERE erased_by IS NOT NULL")

    assert kinds(verification.verify()) == ["changed_text"]


def test_the_erasure_of_a_person_takes_a_text_that_was_stored_as_that_of_another(
    ada: Person, officer: Person, unguarded_log: None
) -> None:
    append(1, actor=ada, personal={"note": "by Ada"})
    sealing.seal_all()
    execute("UPDATE imagegen_auditpersonaltext SET subject = 'person:999' WHERE field = 'note'")

    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")

    assert AuditPersonalText.objects.get(field="note").value == ""
    assert verification.verify().ok


def test_an_erased_text_that_still_names_a_person_fails_the_verification(
    ada: Person, officer: Person, unguarded_log: None
) -> None:
    append(1, actor=ada)
    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")
    sealing.seal_all()
    execute("UPDATE imagegen_auditpersonaltext SET subject = 'Ada' WHERE erased_by IS NOT NULL")

    assert kinds(verification.verify()) == ["changed_text"]


def test_an_erasure_that_waits_to_be_sealed_is_no_finding(ada: Person, officer: Person) -> None:
    append(1, actor=ada)
    sealing.seal_all()
    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")

    report = verification.verify()

    assert (report.ok, report.erased, report.unsealed) == (True, 1, 1)


def test_the_database_refuses_an_erasure_without_its_event(ada: Person) -> None:
    append(1, actor=ada, personal={"note": "by Ada"})

    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        execute(_BLANK, b"", stored_uid(AuditEvent(uid=uuid.uuid4())))

    assert AuditPersonalText.objects.get(field="note").value == "by Ada"


def test_the_database_refuses_to_blame_a_past_erasure(ada: Person, officer: Person) -> None:
    append(1, actor=ada)
    append(1, personal={"note": "about somebody"})
    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")
    sealing.seal_all()
    erased = AuditEvent.objects.get(type="privacy.erased")

    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        execute(_BLANK, b"", stored_uid(erased))

    assert AuditPersonalText.objects.get(field="note").value == "about somebody"


def test_an_erased_text_is_named_as_erased_where_the_event_is_described(
    ada: Person, officer: Person
) -> None:
    append(1, actor=ada, personal={"note": "by Ada"})
    erasure.erase_person(officer, subject=f"person:{ada.id}", reason="asked")

    told = descriptions.describe_events(AuditEvent.objects.filter(type="log.verified"))

    assert told[0].erased == ("actor_label", "note")
    assert "Ada" not in str(told[0].facts)
