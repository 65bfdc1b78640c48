"""Have a site read from a replica that never catches up: a fixture, and `-p tests.lagging_replica` for all.

The replica has the tables of other apps, and none of ours nor of tasks: to read ours from it is an error.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from tests import migrated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from django.db.models import Model

ALIAS = "replica"
#: Apps whose tables the replica lacks.
OURS = frozenset({"imagegen", "django_tasks_database"})


class ReplicaRouter:
    """Reads rows from the replica, and writes them elsewhere, as Django's documentation shows it."""

    def __init__(self, labels: Collection[str] = ()) -> None:
        #: The apps whose rows are read from the replica; all, if none is named.
        self._labels = labels

    def db_for_read(self, model: type[Model], **_hints: Any) -> str:
        """Read from the replica."""
        is_there = not self._labels or model._meta.app_label in self._labels
        return ALIAS if is_there else "default"

    def db_for_write(self, model: type[Model], **_hints: Any) -> str:
        """Write to the writer."""
        return "default"

    def allow_relation(self, *_rows: Model, **_hints: Any) -> bool:
        """Know that both databases hold the same."""
        return True

    def allow_migrate(self, db: str, *_names: str, **_hints: Any) -> bool:
        """Leave the replica's tables to the database."""
        return db == "default"


@contextmanager
def replica(folder: Path, *, labels: Collection[str] = ()) -> Iterator[None]:
    """Read the rows of these apps, or all, from a replica without our tables."""
    if connections["default"].vendor != "sqlite":
        pytest.skip("the replica is made from the template of an SQLite database")
    path = folder / "replica.sqlite3"
    shutil.copyfile(migrated.sqlite_template(), path)
    with closing(sqlite3.connect(path)) as database:
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
        # The index of words comes before the tables that it keeps itself, and takes them along.
        for (name,) in sorted(database.execute(names).fetchall()):
            if name.startswith(("imagegen_", "django_tasks_")):
                database.execute(f'DROP TABLE IF EXISTS "{name}"')
        database.commit()
    options = {**connections.settings["default"], "ENGINE": "django.db.backends.sqlite3"}
    options |= {"NAME": str(path), "OPTIONS": {}}
    with pytest.MonkeyPatch.context() as patch:
        _allow(patch)
        patch.setitem(connections.settings, ALIAS, options)
        patch.setattr(router, "routers", [ReplicaRouter(labels)])
        try:
            yield
        finally:
            connections[ALIAS].close()
            del connections[ALIAS]


def _allow(patch: pytest.MonkeyPatch) -> None:
    """Let a test read from the replica: Django's own knows only databases that were there before it."""
    usual = BaseDatabaseWrapper.ensure_connection

    def ensure_connection(self: BaseDatabaseWrapper) -> None:
        if self.alias != ALIAS:
            usual(self)
        elif self.connection is None:
            with self.wrap_database_errors:
                self.connect()

    patch.setattr(BaseDatabaseWrapper, "ensure_connection", ensure_connection)


def catch_up(*rows: Model) -> None:
    """Have the replica know these rows of the site, such as people."""
    for row in rows:
        copy = type(row)._base_manager.using("default").get(pk=row.pk)
        copy.save_base(raw=True, using=ALIAS, force_insert=True)


@pytest.fixture(autouse=True)
def lagging_replica(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Read our rows from the replica in every test of the run, and the site's where they are written."""
    if request.node.get_closest_marker("django_db") is None and "db" not in request.fixturenames:
        yield
        return
    with replica(tmp_path_factory.mktemp("replica"), labels=OURS):
        yield
