from __future__ import annotations

import json

import pytest

from imagegen_app.models import AuditEvent
from imagegen_app.services.audit import descriptions, verification_runs
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from tests.services.audit.log_tampering import SYSTEM, execute, sealed_log

pytestmark = pytest.mark.django_db


def last_event() -> AuditEvent:
    return AuditEvent.objects.latest("pk")


def test_a_verification_is_recorded_with_who_did_it_and_what_was_read() -> None:
    officer = access.actor_for(make_user("officer", permissions=["imagegen.verify_audit"]))
    sealed_log(2)

    report = verification_runs.verify_and_record(officer, since=2)

    event = last_event()
    assert (event.type, event.actor_id) == ("log.verified", officer.id)
    assert json.loads(event.body)["data"] == {"size": 2, "root": report.root, "from": 2}


@pytest.mark.usefixtures("unguarded_log")
def test_a_failed_verification_is_an_alarm_that_names_the_first_finding() -> None:
    sealed_log(3)
    execute("UPDATE imagegen_auditevent SET actor_id = 'x' WHERE type = 'log.verified'")

    report = verification_runs.verify_and_record(SYSTEM)

    event = last_event()
    data = json.loads(event.body)["data"]
    assert not report.ok
    assert (event.type, event.severity) == ("log.verification_failed", "alarm")
    assert (data["finding"], data["entry"], data["count"]) == ("changed_column", 0, 3)
    told = descriptions.describe_events([event])[0]
    assert told.sentence == "The log failed verification: a column of an event was changed."


def test_nobody_verifies_without_the_permission() -> None:
    with pytest.raises(access.NotPermitted):
        verification_runs.verify_and_record(access.actor_for(make_user("ada")))

    assert not AuditEvent.objects.exists()
