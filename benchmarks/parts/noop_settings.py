"""The settings of the site whose tasks do next to nothing."""

from __future__ import annotations

import os
from typing import Any

host, _, port = os.environ["NOOP_POSTGRESQL"].rpartition(":")
SECRET_KEY = "only-for-benchmarks"  # noqa: S105 - of no site
INSTALLED_APPS: list[str] = []
USE_TZ = True
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["NOOP_DATABASE"],
        "USER": "postgres",
        "HOST": host,
        "PORT": port,
        # As the recipe says: a pool makes cheap what Celery's closing costs under threads.
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 12}} if os.environ["NOOP_SHIPPED"] else {},
    }
}
