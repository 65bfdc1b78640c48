"""The demo on PostgreSQL, without its worker's wake-up."""

from __future__ import annotations

import os

from project.settings.demo import *  # noqa: F403 - Django's way to build on settings
from project.settings.demo import IMAGEGEN as DEMO

DEBUG = False
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("IMAGEGEN_BENCHMARK_DATABASE", "imagegen_benchmark"),
        "HOST": os.environ.get("PGHOST", "127.0.0.1"),
        "PORT": os.environ.get("PGPORT", "5432"),
        "USER": os.environ.get("PGUSER", "postgres"),
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
    }
}
IMAGEGEN = {**DEMO, "ENGINE": "tests.services.silent_engine.SilentEngine"}
