from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from imagegen_app.models import AuditEvent, AuditLeaf, AuditPersonalText, AuditTile, Checkpoint
from imagegen_app.services.audit import sealing
from imagegen_app.testing import plugin
from tests.services.audit.log_tampering import SYSTEM, append, execute

pytestmark = pytest.mark.django_db
TABLES = (
    "imagegen_auditevent",
    "imagegen_auditleaf",
    "imagegen_auditpersonaltext",
    "imagegen_audittile",
    "imagegen_checkpoint",
)
STATEMENTS = (
    "UPDATE imagegen_auditevent SET body = body",
    "DELETE FROM imagegen_auditevent",
    "UPDATE imagegen_auditleaf SET seq = seq + 10",
    "DELETE FROM imagegen_auditleaf",
    "UPDATE imagegen_auditpersonaltext SET value = 'other'",
    "UPDATE imagegen_auditpersonaltext SET salt = ''",
    "DELETE FROM imagegen_auditpersonaltext",
    "UPDATE imagegen_audittile SET data = ''",
    "UPDATE imagegen_audittile SET level = level + 1",
    "DELETE FROM imagegen_audittile",
    "UPDATE imagegen_checkpoint SET size = size + 1",
    "UPDATE imagegen_checkpoint SET note = 'other'",
    "UPDATE imagegen_checkpoint SET note = UPPER(note)",
    "DELETE FROM imagegen_checkpoint",
)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_to_rewrite_the_log(statement: str) -> None:
    append(2, personal={"note": "a text"})
    sealing.seal()
    sealing.make_checkpoint(SYSTEM, force=True)

    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        execute(statement)

    assert list(AuditLeaf.objects.order_by("seq").values_list("seq", flat=True)) == [0, 1]
    assert AuditEvent.objects.count() == 2
    assert AuditPersonalText.objects.filter(value="a text").count() == 2
    assert (AuditTile.objects.count(), Checkpoint.objects.count()) == (1, 1)


def test_a_tile_can_only_grow() -> None:
    append(2)
    sealing.seal()
    data = bytes(AuditTile.objects.get().data)

    for other in (data[:32], data[:32] + bytes(64), bytes(64)):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            execute("UPDATE imagegen_audittile SET data = %s", other)
    append(1)
    sealing.seal()

    assert bytes(AuditTile.objects.get().data)[:64] == data


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", TABLES)
def test_the_database_refuses_to_truncate_the_log(table: str) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    append(2)
    sealing.seal()
    statement = f"TRUNCATE {table}" + (" CASCADE" if connection.vendor == "postgresql" else "")
    if connection.vendor == "mysql" and table != "imagegen_auditevent":
        pytest.skip("MySQL fires no trigger on TRUNCATE, and nothing refers to this table")

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
