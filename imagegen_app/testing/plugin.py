"""Let a site's tests empty the audit log, which its database otherwise refuses.

Add `pytest_plugins = ["imagegen_app.testing.plugin"]` to the top `conftest.py`. Tests that commit
(`transactional_db`, `live_server`) flush all tables when they end: the triggers are removed for that
moment and installed again. For tests that tamper with the log there is the fixture `unguarded_log`.
"""

from __future__ import annotations

import functools
import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

# Nothing of Django is imported at the top: pytest loads plugins before the settings are chosen.
_MIGRATION = "imagegen_app.migrations.0001_initial"
_COUNT = {
    "sqlite": "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name = %s",
    "postgresql": "SELECT COUNT(*) FROM pg_trigger WHERE tgname = %s AND NOT tgisinternal",
    "mysql": (
        "SELECT COUNT(*) FROM information_schema.triggers"
        " WHERE trigger_name = %s AND trigger_schema = DATABASE()"
    ),
}


def has_triggers(connection: BaseDatabaseWrapper) -> bool:
    """Return whether all triggers that guard the log are in place."""
    if connection.vendor not in _COUNT:
        return False
    with connection.cursor() as cursor:
        for name, _table, _action in importlib.import_module(_MIGRATION).names(connection.vendor):
            cursor.execute(_COUNT[connection.vendor], [name])
            if not cursor.fetchone()[0]:
                return False
    return True


def remove_triggers(connection: BaseDatabaseWrapper) -> None:
    """Remove the triggers that guard the log."""
    _run(connection, importlib.import_module(_MIGRATION).remove_statements(connection.vendor))


def install_triggers(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers that guard the log."""
    _run(connection, importlib.import_module(_MIGRATION).install_statements(connection.vendor))


@contextmanager
def without_triggers(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Take the triggers away inside the block; where there were none, none come back."""
    if not has_triggers(connection):
        yield
        return
    remove_triggers(connection)
    try:
        yield
    finally:
        install_triggers(connection)


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(autouse=True, scope="session")
def _flush_past_the_triggers() -> Iterator[None]:
    """Remove the triggers whenever Django empties the tables after a test that committed."""
    from django.db import connections  # noqa: PLC0415 - see the top
    from django.test import TransactionTestCase  # noqa: PLC0415 - see the top

    flush: Any = getattr(TransactionTestCase, "_fixture_teardown")  # noqa: B009 - untyped, and the only place to step in

    @functools.wraps(flush)
    def teardown(case: Any) -> None:
        with _all_without_triggers([connections[name] for name in _databases(case)]):
            flush(case)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield


def _databases(case: Any) -> list[str]:
    """Return the databases that the test's end empties."""
    return list(case._databases_names(include_mirrors=False))  # noqa: SLF001 - as its teardown does


@contextmanager
def _all_without_triggers(connections: list[BaseDatabaseWrapper]) -> Iterator[None]:
    if not connections:
        yield
        return
    with without_triggers(connections[0]), _all_without_triggers(connections[1:]):
        yield


@pytest.fixture
def unguarded_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take the log's triggers away for one test, as an administrator could."""
    from django.db import connection  # noqa: PLC0415 - see the top

    request.getfixturevalue("db")
    with without_triggers(connection):
        yield
