"""The suite's settings; the database is chosen by `IMAGEGEN_TEST_DATABASE`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from project.settings.test_folder import test_folder

os.environ["IMAGEGEN_DEMO_DIR"] = test_folder()

from project.settings.base import *  # noqa: F403 - Django's way to build on settings
from project.settings.base import SQLITE_OPTIONS, VAR_DIR

DEBUG = False
SECRET_KEY = "only-for-tests"  # noqa: S105 - no secret
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

_SQLITE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": VAR_DIR / "tests.sqlite3",
    "OPTIONS": SQLITE_OPTIONS,
    # A file, since worker processes and threads open it too.
    "TEST": {"NAME": str(Path(VAR_DIR) / "tests-run.sqlite3")},
}
#: A run inside of a run has a database of its own.
_NAME = os.environ.get("IMAGEGEN_TEST_DATABASE_NAME", "test_imagegen")
_POSTGRESQL: dict[str, Any] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "imagegen",
    "USER": "postgres",
    "HOST": "127.0.0.1",
    "PORT": "5432",
    "TEST": {"NAME": _NAME},
}
_MYSQL: dict[str, Any] = {
    "ENGINE": "django.db.backends.mysql",
    "NAME": "imagegen",
    "USER": "root",
    "PASSWORD": "",
    "HOST": "127.0.0.1",
    "PORT": "3306",
    "TEST": {"NAME": _NAME},
    "OPTIONS": {"charset": "utf8mb4", "isolation_level": "read committed"},
}
DATABASES = {
    "default": {"sqlite": _SQLITE, "postgresql": _POSTGRESQL, "mysql": _MYSQL}[
        os.environ.get("IMAGEGEN_TEST_DATABASE", "sqlite")
    ]
}
