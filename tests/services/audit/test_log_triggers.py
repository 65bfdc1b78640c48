from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from imagegen_app.models import AuditEvent, AuditLeaf
from imagegen_app.services.audit import sealing
from imagegen_app.testing import plugin
from tests.services.audit.log_tampering import append, execute

pytestmark = pytest.mark.django_db
TABLES = ("imagegen_auditevent", "imagegen_auditleaf")
STATEMENTS = (
    "UPDATE imagegen_auditevent SET body = body",
    "DELETE FROM imagegen_auditevent",
    "UPDATE imagegen_auditleaf SET seq = seq + 10",
    "DELETE FROM imagegen_auditleaf",
)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_to_rewrite_the_log(statement: str) -> None:
    append(2)
    sealing.seal()

    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        execute(statement)

    assert list(AuditLeaf.objects.order_by("seq").values_list("seq", flat=True)) == [0, 1]
    assert AuditEvent.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", TABLES)
def test_the_database_refuses_to_truncate_the_log(table: str) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    append(2)
    sealing.seal()
    statement = f"TRUNCATE {table}" + (" CASCADE" if connection.vendor == "postgresql" else "")
    if connection.vendor == "mysql" and table == "imagegen_auditleaf":
        pytest.skip("MySQL fires no trigger on TRUNCATE, and nothing refers to a leaf")

    with pytest.raises(DatabaseError), transaction.atomic():
        execute(statement)

    assert (AuditEvent.objects.count(), AuditLeaf.objects.count()) == (2, 2)


@pytest.mark.django_db(transaction=True)
def test_triggers_are_dropped_and_restored() -> None:
    append(1)

    with plugin.without_triggers(connection):
        inside = plugin.has_triggers(connection)
        changed = execute("UPDATE imagegen_auditevent SET request_id = 'r'")

    assert (inside, changed) == (False, 1)
    assert plugin.has_triggers(connection)


@pytest.mark.django_db(transaction=True)
def test_missing_triggers_are_not_restored(unguarded_log: None) -> None:
    with plugin.without_triggers(connection):
        pass

    assert not plugin.has_triggers(connection)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_a_test_that_commits_leaves_an_empty_log_and_the_triggers(turn: int) -> None:
    before = AuditEvent.objects.count()
    guarded = plugin.has_triggers(connection)

    append(turn)

    assert (before, guarded) == (0, True)
