"""The demo on a database of its own, with stock tables of the same rows beside ours."""

from __future__ import annotations

import os

from project.settings.demo import *  # noqa: F403 - Django's way to build on settings
from project.settings.demo import DATABASES as DEMO_DATABASES
from project.settings.demo import IMAGEGEN as DEMO

DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.parts.list_urls"
SQLITE_FILE = os.environ.get("IMAGEGEN_LISTS_SQLITE", "")
_POSTGRESQL = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": os.environ.get("IMAGEGEN_LISTS_DATABASE", "imagegen_lists"),
    "HOST": os.environ.get("PGHOST", "127.0.0.1"),
    "PORT": os.environ.get("PGPORT", "5432"),
    "USER": os.environ.get("PGUSER", "postgres"),
    "PASSWORD": os.environ.get("PGPASSWORD", ""),
}
_SQLITE: dict[str, object] = {**DEMO_DATABASES["default"], "NAME": SQLITE_FILE}
DATABASES = {"default": _SQLITE if SQLITE_FILE else {**_POSTGRESQL}}
IMAGEGEN = {**DEMO, "ENGINE": "tests.services.silent_engine.SilentEngine"}
