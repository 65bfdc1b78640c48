"""A site that reads from a replica, and whose writer is not called `default`, has the whole app."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sites.scratch_site import make_site

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

#: Django's own example: no default database. The replica never gets a table: reading from it is an error.
SETTINGS = """
DATABASES = {
    "default": {},
    "primary": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "primary.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    },
    "replica": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "replica.sqlite3"},
}
DATABASE_ROUTERS = ["mysite.routers.PrimaryReplicaRouter"]
WRITER = "primary"
"""
ROUTERS = """
class PrimaryReplicaRouter:
    # What must be seen at once after a change is not read from the replica.
    at_once = {"admin", "auth", "contenttypes", "sessions", "django_tasks_database"}

    def db_for_read(self, model, **hints):
        return "primary" if model._meta.app_label in self.at_once else "replica"

    def db_for_write(self, model, **hints):
        return "primary"

    def allow_relation(self, one, other, **hints):
        return True

    def allow_migrate(self, db, app_label, **hints):
        return db == "primary"
"""
#: A person asks for an image, and a worker's slices and sweeps make it.
MAKES_AN_IMAGE = """
import json
from decimal import Decimal
from imagegen_app.models import Budget, Job
from imagegen_app.core.actors import System
from imagegen_app.services.job_requests import composition, creation
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access, model_catalog
from imagegen_app.services.worker import driver, sweep
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_user

model = make_image_model(provider_model_name="sandbox-1")
make_grant(group=make_group("Image editors"), image_model=model)
budget = Budget(name="All", scope="site", period="month", limit=Decimal(10))
model_catalog.save(actor=System("test"), record=budget)
actor = access.actor_for(make_user("edda", groups=["Image editors"]))
values = {"prompt": "A red mug", "model": model, "size": "64x64"}
request = composition.compose(actor=actor, **values)
job = creation.request_images(actor=actor, job_request=request)
sweep.sweep()
driver.drive(seconds=60)
sweep.sweep()
errors = [str(r) for r in doctor.run_all_checks() if r.level == "error" and r.part != "worker"]
print(json.dumps([Job.objects.get().state, job.assets.count(), errors]))
"""


def test_all_works_where_rows_are_read_from_a_replica(tmp_path: Path) -> None:
    site = make_site(tmp_path, settings=SETTINGS, files={"mysite/routers.py": ROUTERS})

    met = site.crawl("/admin/")["/admin/"]
    made = json.loads(site.python(MAKES_AN_IMAGE).splitlines()[-1])
    verified = site.manage("imagegen_audit", "verify")

    assert met["failed"] == []
    assert met["studio"] == "/admin/imagegen/job/studio/"
    assert made == ["succeeded", 1, []]
    assert "unaltered" in verified
