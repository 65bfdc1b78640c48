"""A forgotten `migrate` is told in a sentence by each command that touches the database."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from imagegen_app.management import commands
from imagegen_app.management.base import DatabaseCommand

#: One looks for missing tables itself, the other has no database.
OTHERS = {"imagegen_doctor", "imagegen_simulator"}


def test_every_command_that_touches_the_database_names_a_forgotten_migration() -> None:
    folder = Path(next(iter(commands.__path__)))
    names = {path.stem for path in folder.glob("imagegen_*.py")}

    plain = {
        name
        for name in names
        if not issubclass(import_module(f"{commands.__name__}.{name}").Command, DatabaseCommand)
    }

    assert plain == OTHERS
