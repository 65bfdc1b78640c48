"""The site's settings; `SITE_*` variables choose its folder, its database and its broker."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# A hundred processes start with these settings: let them search for no garbage while they import,
# and leave out the command line of httpx, which brings a library of colours.
gc.set_threshold(50_000)
_MODULES: dict[str, Any] = sys.modules
_MODULES.setdefault("httpx._main", None)

BASE_DIR = Path(os.environ["SITE_DIR"])
ENGINE = os.environ["SITE_ENGINE"]
#: Every site has queues and keys of its own.
NAME = os.environ["SITE_NAME"]
BROKER = os.environ.get("SITE_BROKER", "")
SIMULATOR = os.environ.get("SITE_SIMULATOR", "http://127.0.0.1:9")
ADAPTER = os.environ.get("SITE_ADAPTER", "generic_jobs")
IN_FLIGHT = int(os.environ.get("SITE_IN_FLIGHT", "64"))

SECRET_KEY = "only-for-tests"
USE_TZ = True
ROOT_URLCONF = "tests.engines.site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "imagegen_app",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "project.catalog",
]
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "site.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
if os.environ.get("SITE_POSTGRESQL"):
    host, _, port = os.environ["SITE_POSTGRESQL"].rpartition(":")
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": NAME,
        "USER": "postgres",
        "HOST": host,
        "PORT": port,
        # Celery closes the connection round every task; a pool makes that cheap under threads.
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 8}} if ENGINE == "celery" else {},
    }
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": BASE_DIR / "media"},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "imagegen": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": BASE_DIR / "imagegen", "allow_overwrite": True},
    },
}
ENGINES = {
    "django_tasks": "imagegen_app.engines.django_tasks.DjangoTasksEngine",
    "celery": "imagegen_app.engines.celery.CeleryEngine",
    "rq": "imagegen_app.engines.rq.RqEngine",
}
IMAGEGEN = {
    "ENGINE": ENGINES[ENGINE],
    "QUEUE": NAME,
    "STATE_DIR": BASE_DIR / "state",
    "CREDENTIALS": {
        "jobs": {
            "source": "env:SITE_KEY",
            "hosts": [urlsplit(SIMULATOR).hostname],
            "webhook_source": "env:SITE_WEBHOOK_SECRET",
        }
    },
    "PUBLIC_URL": os.environ.get("SITE_PUBLIC_URL", ""),
    "TARGETS": {"catalog.Product.image": {"template": "plain", "variables": {"product": "name"}}},
    "TRUSTED_ORIGINS": [SIMULATOR],
    "RENDITIONS": {"widths": [64], "formats": ["webp"]},
    # Short, so that a killed worker's job is soon taken over; longer than a heartbeat.
    "LEASE_SECONDS": int(os.environ.get("SITE_LEASE_SECONDS", "5")),
    "MAX_IN_FLIGHT": IN_FLIGHT,
    "SPOOL": {"MIN_FREE_BYTES": int(os.environ.get("SITE_MIN_FREE_BYTES", "0"))},
}

# The harness takes webhooks in on this machine, without TLS.
SILENCED_SYSTEM_CHECKS = ["imagegen.E006"]
if os.environ.get("SITE_CERTIFICATE") == "files":
    IMAGEGEN["C2PA"] = {
        "certificate": str(BASE_DIR / "chain.pem"),
        "private_key": str(BASE_DIR / "key.pem"),
    }
if os.environ.get("SITE_STORAGE") == "flaky":
    STORAGES["imagegen"]["BACKEND"] = "tests.engines.site.flaky.Flaky"
if os.environ.get("SITE_S3"):
    from botocore.config import Config  # costly, and of one outage alone

    STORAGES["imagegen"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": "images",
            "endpoint_url": os.environ["SITE_S3"],
            "access_key": "test",
            "secret_key": "test",
            "region_name": "us-east-1",
            "file_overwrite": True,
            "client_config": Config(
                connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}
            ),
        },
    }
if os.environ.get("SITE_MUTATION"):
    INSTALLED_APPS += ["tests.engines.site.planted_faults.PlantedFaults"]
if ENGINE == "django_tasks":
    INSTALLED_APPS += ["django_tasks_db"]
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": [NAME]}}
if ENGINE == "celery":
    CELERY_BROKER_URL = BROKER
    CELERY_TASK_ACKS_LATE = True
    CELERY_WORKER_PREFETCH_MULTIPLIER = 1
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    if BROKER.startswith("redis"):
        CELERY_BROKER_TRANSPORT_OPTIONS = {
            "global_keyprefix": f"{NAME}:",
            "visibility_timeout": 3600,
        }
if ENGINE == "rq":
    INSTALLED_APPS += ["django_rq"]
    RQ_QUEUES = {NAME: {"URL": BROKER}}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(name)s %(levelname)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": os.environ.get("SITE_LOG", "WARNING")},
}
