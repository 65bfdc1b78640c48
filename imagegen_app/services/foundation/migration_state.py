"""Say whether the database has all tables of this version: whoever upgrades may forget `migrate`."""

from __future__ import annotations

from typing import Final

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext as _

from imagegen_app import database

#: The apps without whose tables nothing works.
_LABELS: Final = ("imagegen", "imagegen_djangocms", "django_tasks_database")


def unapplied_migrations() -> list[str]:
    """Return the migrations of the app that are not applied, such as `imagegen.0001_initial`.

    :raises django.db.Error: if the database does not answer.
    """
    loader = MigrationLoader(database.connection())
    applied = set(loader.applied_migrations or ())
    missing = {
        node
        for label in _LABELS
        if label in apps.app_configs
        for leaf in loader.graph.leaf_nodes(label)
        for node in loader.graph.forwards_plan(leaf)
        if node[0] in _LABELS and node not in applied
    }
    return sorted(f"{label}.{name}" for label, name in missing)


def message(missing: list[str]) -> str:
    """Return what is wrong, for people."""
    return _("The database lacks tables of this version: %(migrations)s.") % {
        "migrations": ", ".join(missing[:3])
    }


def remedy() -> str:
    """Return what to do about it."""
    alias = database.alias()
    option = "" if alias == DEFAULT_DB_ALIAS else f" --database {alias}"
    return _(
        "Run “manage.py migrate%(option)s”, then start the worker and the web server anew."
    ) % {"option": option}
