"""Prepare a demo whose provider is the simulator, and request images; run by the fault tests.

Usage: many_requests.py NUMBER, with IMAGEGEN_DEMO_DIR, OPENAI_API_KEY and OPENAI_BASE_URL set.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings.demo"

import django

django.setup()

from django.contrib.auth.models import Group  # noqa: E402 - the apps come first

from imagegen_app.core.actors import System  # noqa: E402 - the apps come first
from imagegen_app.models import Grant, ImageModel, Provider  # noqa: E402 - the apps come first
from imagegen_app.services.policy import catalog  # noqa: E402 - the apps come first
from project import seed  # noqa: E402 - the apps come first
from project.demo import governance, main_job  # noqa: E402 - the apps come first
from tests import migrated  # noqa: E402 - the apps come first


def main(number: int) -> None:
    """Migrate, seed, govern and request."""
    migrated.migrate()
    governance.setup()
    seed.users()
    seed.catalog()
    parts = urlsplit(os.environ["OPENAI_BASE_URL"])
    provider = Provider(
        slug="jobs",
        name="Job protocol",
        adapter="generic_jobs",
        base_url=f"{parts.scheme}://{parts.netloc}",
        credential="openai",
    )
    actor = System("test")
    catalog.save(actor=actor, record=provider)
    model = ImageModel(
        provider=provider,
        slug="generic-1",
        name="Generic",
        provider_model_name="generic-1",
        version="1",
        lifecycle="active",
        price_list={"currency": "USD", "per_image": [{"amount": "0.02"}]},
    )
    catalog.save(actor=actor, record=model)
    group = Group.objects.get(name="Image editors")
    grant = Grant(group=group, image_model=model, operations=["generate"])
    catalog.save(actor=actor, record=grant)
    main_job.request_all(count=number, model="generic-1")


if __name__ == "__main__":
    main(int(sys.argv[1]))
