"""A small site with the app installed, whose engine and database the environment chooses."""

from __future__ import annotations

import os

if os.environ.get("SITE_ENGINE") == "celery":
    # As Celery's own guide has it: the app is there whenever Django starts.
    from tests.engines.site.celery import app as celery_app

    __all__ = ["celery_app"]
