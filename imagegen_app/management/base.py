"""Base of our commands: a forgotten `migrate` is told in a sentence."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from imagegen_app.services.foundation import migration_state


class DatabaseCommand(BaseCommand):
    """A command that reads or writes our tables."""

    def execute(self, *arguments: Any, **options: Any) -> str | None:
        """Run the command.

        :raises CommandError: if it fails because the database lacks tables of this version.
        """
        try:
            return super().execute(*arguments, **options)
        except DatabaseError as error:
            require_migrations(cause=error)
            raise


def require_migrations(*, cause: Exception | None = None) -> None:
    """Require that the database has all tables of this version.

    :raises CommandError: if a migration is not applied.
    :raises django.db.Error: if the database does not answer, unless `cause` says that already.
    """
    try:
        missing = migration_state.unapplied_migrations()
    except DatabaseError:
        if cause is None:
            raise
        return
    if missing:
        raise CommandError(
            f"{migration_state.message(missing)} {migration_state.remedy()}"
        ) from cause
