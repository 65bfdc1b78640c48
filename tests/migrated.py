"""Migrate once and copy: all test databases begin as copies of one migrated template.

Migrating costs seconds of CPU, and every test process and every site that a test starts needs a
database. A template is named by what made it, so a changed migration makes a new one. Django's
`migrate` still runs on each copy: it finds nothing to do, and says so if that is wrong.
MariaDB has no cheap copy, and is migrated each time.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

# Nothing of Django is imported at the top: pytest loads plugins before the settings are chosen.
ROOT = Path(__file__).resolve().parent.parent
#: Where templates lie; one that is made holds the lock beside it.
FOLDER = ROOT / "var" / "test-databases"
_PREFIX = "imagegen_template"
#: Unused for so long, a template is removed.
_STALE_SECONDS = 7 * 24 * 3600
#: Any number, as long as everybody takes the same one.
_ADVISORY_LOCK = 7_231_941


@functools.cache
def fingerprint() -> str:
    """Return a short name for what the tables and their first rows are made from."""
    import django  # noqa: PLC0415 - see the top
    from django.apps import apps  # noqa: PLC0415 - see the top
    from django.conf import settings  # noqa: PLC0415 - see the top

    made_from = hashlib.sha256()
    versions = (django.VERSION, sqlite3.sqlite_version, settings.INSTALLED_APPS)
    languages = [code for code, _name in settings.LANGUAGES]
    for fact in (*versions, languages, settings.LANGUAGE_CODE, getattr(settings, "SITE_ID", 0)):
        made_from.update(repr(fact).encode())
    for app in apps.get_app_configs():
        folder = Path(app.path)
        # Permissions and content types are made from models; of other packages they are released.
        ours = folder.is_relative_to(ROOT) and ".venv" not in folder.parts
        sources = [*folder.glob("migrations/*.py"), *(folder.glob("models*.py") if ours else ())]
        sources += folder.glob("models/**/*.py") if ours else ()
        for source in sorted(sources):
            made_from.update(f"{app.label}/{source.relative_to(folder)}".encode())
            made_from.update(source.read_bytes())
    return made_from.hexdigest()[:16]


def migrate() -> None:
    """Bring the site's database to the newest migration; it is missing, or on MariaDB empty."""
    from django.core.management import call_command  # noqa: PLC0415 - see the top
    from django.db import connection  # noqa: PLC0415 - see the top

    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        if not Path(name).exists():
            shutil.copyfile(sqlite_template(), name)
    elif connection.vendor == "postgresql":
        template = postgresql_template()
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    call_command("migrate", verbosity=0, interactive=False)


def sqlite_template() -> Path:
    """Return the migrated file for the apps of the settings, made if there is none."""
    template = FOLDER / f"{_PREFIX}_{fingerprint()}.sqlite3"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{template.stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go of when the file is closed
        if not template.exists():
            draft = template.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            _migrate_as(str(draft))
            with closing(sqlite3.connect(draft)) as database:
                # One file, without a log beside it.
                database.execute("PRAGMA journal_mode=DELETE")
            draft.replace(template)
            _remove_unused_files()
    os.utime(template)
    return template


def _remove_unused_files() -> None:
    oldest = time.time() - _STALE_SECONDS
    for path in FOLDER.glob(f"{_PREFIX}_*.sqlite3"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def postgresql_template() -> str:
    """Return the name of the server's migrated database, made if there is none."""
    from django.db import connection  # noqa: PLC0415 - see the top

    name = f"{_PREFIX}_{fingerprint()}"
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])  # until it is closed
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() is None:
            _remove_old_databases(cursor)
            draft = f"{name}_draft"
            cursor.execute(f'DROP DATABASE IF EXISTS "{draft}"')
            cursor.execute(f'CREATE DATABASE "{draft}"')
            _migrate_as(draft)
            cursor.execute(f"COMMENT ON DATABASE \"{draft}\" IS '{int(time.time())}'")
            cursor.execute(f'ALTER DATABASE "{draft}" RENAME TO "{name}"')
    return name


def _remove_old_databases(cursor: CursorWrapper) -> None:
    cursor.execute(
        "SELECT datname FROM pg_database WHERE datname LIKE %s"
        " AND shobj_description(oid, 'pg_database')::bigint < %s",
        [f"{_PREFIX}%", int(time.time()) - _STALE_SECONDS],
    )
    for (old,) in cursor.fetchall():
        cursor.execute(f'DROP DATABASE IF EXISTS "{old}"')


def _migrate_as(name: str) -> None:
    """Migrate a database of another name over the site's own connection, as Django's tests do."""
    from django.core.management import call_command  # noqa: PLC0415 - see the top
    from django.db import connection  # noqa: PLC0415 - see the top

    before = connection.settings_dict["NAME"]
    _disconnect()
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
    finally:
        _disconnect()
        connection.settings_dict["NAME"] = before


def _disconnect() -> None:
    from django.db import connection  # noqa: PLC0415 - see the top

    database: Any = connection  # only one of its kinds has a pool
    database.close()
    if database.vendor == "postgresql":
        database.close_pool()
