"""The doctor and the pages tell of a log that is known not to verify, or is no longer guarded."""

from __future__ import annotations

import pytest
from django.db import connection

from imagegen_app.models import Checkpoint
from imagegen_app.services.audit import sealing, verification_runs
from imagegen_app.services.foundation import log_triggers
from imagegen_app.services.gateways import publication_status
from imagegen_app.services.monitoring import doctor
from imagegen_app.testing.plugin import without_triggers
from tests.services.audit.log_tampering import SYSTEM, event_at, execute, sealed_log
from tests.services.audit.test_verification import published  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("published")]


def problems() -> str:
    """Return what is told of the log."""
    return " ".join(one.message for one in publication_status.publication_problems())


def log_errors() -> list[str]:
    """Return the doctor's errors about the log."""
    found = [one for one in doctor.run_all_checks() if one.part == "log" and one.level == "error"]
    return [one.message for one in found]


def test_a_log_that_was_rolled_back_is_told_of_until_it_verifies_as_a_whole() -> None:
    sealed_log(3)
    assert "failed verification" not in problems()
    with without_triggers(connection):
        execute(
            "INSERT INTO imagegen_checkpoint (size, root, note, created_at) SELECT 9, root, note, created_at FROM imagegen_checkpoint"
        )

    assert sealing.make_checkpoint(SYSTEM, force=True) is None
    assert "The log failed verification on" in problems()
    with without_triggers(connection):
        execute("DELETE FROM imagegen_checkpoint WHERE size = 9")
    verification_runs.verify_and_record(SYSTEM, since=Checkpoint.objects.get().size)
    assert "The log failed verification on" in problems()

    assert verification_runs.verify_and_record(SYSTEM).ok
    assert "failed verification" not in problems()


def test_a_failed_verification_is_told_of() -> None:
    sealed_log(3)
    with without_triggers(connection):
        execute("UPDATE imagegen_auditevent SET severity = 'alarm' WHERE id = %s", event_at(1).pk)

    assert not verification_runs.verify_and_record(SYSTEM).ok

    assert "The log failed verification on" in problems()


@pytest.mark.usefixtures("unguarded_log")
def test_removed_triggers_are_an_error_of_the_doctor() -> None:
    assert "imagegen_auditevent_no_update" in log_triggers.missing_triggers()
    assert any("does not guard the log" in message for message in log_errors())


def test_all_triggers_are_found() -> None:
    assert log_triggers.missing_triggers() == []
    assert log_errors() == []


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="others cannot switch one off")
def test_a_trigger_that_is_switched_off_is_missing() -> None:
    execute("ALTER TABLE imagegen_auditleaf DISABLE TRIGGER imagegen_auditleaf_no_delete")
    try:
        assert log_triggers.missing_triggers() == ["imagegen_auditleaf_no_delete"]
    finally:
        execute("ALTER TABLE imagegen_auditleaf ENABLE TRIGGER imagegen_auditleaf_no_delete")
