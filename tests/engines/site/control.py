"""Do what the web server of the site would: one line of JSON is a call, another its answer.

Calls: {"action": "request", "count": 3}, {"action": "cancel", "jobs": ["…"]}, {"action": "wake", "delay": 2.0, "times": 200},
{"action": "batch", "count": 20}, {"action": "deliver", "token": "…", "headers": {}, "body": "…"}.
The first call, {"action": "prepare"}, makes the database and one model that anybody may use.
"""

from __future__ import annotations

import json
import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.engines.site.settings"
django.setup()

from django.conf import settings  # noqa: E402 - the apps come first
from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connections  # noqa: E402

from imagegen_app import generate  # noqa: E402
from imagegen_app.core.actors import System  # noqa: E402 - the apps come first
from imagegen_app.engines import base  # noqa: E402
from imagegen_app.models import Budget, ImageModel, Job, TemplateVersion  # noqa: E402
from imagegen_app.services.batches import lifecycle  # noqa: E402
from imagegen_app.services.foundation import wakeups  # noqa: E402
from imagegen_app.services.gateways import content_fields  # noqa: E402
from imagegen_app.services.job_requests import job_actions  # noqa: E402
from imagegen_app.services.policy import access, model_catalog  # noqa: E402
from imagegen_app.services.policy.access import ActionRefused  # noqa: E402 - the apps come first
from imagegen_app.services.worker import webhook_inbox  # noqa: E402
from imagegen_app.testing import factories  # noqa: E402
from project.catalog.models import Category, Product  # noqa: E402
from tests import migrated  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


def prepare() -> dict[str, Any]:
    """Make the database, and rows for requests; leave no connection that a test could cut."""
    migrated.migrate()
    site: Any = settings  # with names of its own
    provider = factories.make_provider(
        slug="jobs",
        adapter=site.ADAPTER,
        base_url=site.SIMULATOR + ("/v1" if site.ADAPTER == "openai" else ""),
        credential="jobs",
        max_in_flight=site.IN_FLIGHT,
        calls_per_minute=int(os.environ.get("SITE_CALLS_PER_MINUTE", "0")) or None,
        burst=int(os.environ.get("SITE_BURST", "5")),
    )
    wire = "gpt-image-2.6-flare" if site.ADAPTER == "openai" else "generic-1"
    model = factories.make_image_model(
        provider=provider, slug="generic-1", provider_model_name=wire
    )
    factories.make_user("editor", groups=["Image editors"])
    group = factories.make_group("Image editors")
    factories.make_grant(group=group, image_model=model)
    factories.make_template(slug="plain")
    budget = Budget(name="All", scope="site", period="month", limit=Decimal(100_000))
    model_catalog.save(actor=System("test"), record=budget)
    connections.close_all()
    return {}


def _waited() -> float:
    """Return the seconds that this thread waited for others: not for a processor, as on a busy machine."""
    try:
        computed, queued, _slices = Path("/proc/thread-self/schedstat").read_text().split()
    except OSError:  # Linux only
        return time.monotonic()
    return time.monotonic() - (int(computed) + int(queued)) / 1e9


def request(*, count: int, size: str = "256x256") -> dict[str, Any]:
    """Request images as an editor does; each request wakes a worker when it is committed."""
    editor = get_user_model().objects.get(username="editor")
    made, slowest = [], 0.0
    for _ in range(count):
        began = _waited()
        job = generate(
            user=editor,
            template="plain",
            variables={"product": f"mug {time.time_ns()}"},
            model="generic-1",
            size=size,
        )
        slowest = max(slowest, _waited() - began)
        made.append(str(job.pk))
    return {"jobs": made, "slowest": slowest}


def wake(*, name: str = "drive", delay: float = 0, times: int = 1) -> dict[str, Any]:
    """Enqueue a wake-up, and return how long the slowest took and what it raised."""
    raised, slowest = "", 0.0
    for _ in range(times):
        began = _waited()
        try:
            base.current().enqueue(name, delay=delay)
        except Exception as error:  # noqa: BLE001 - returned to the test
            raised = type(error).__name__
        slowest = max(slowest, _waited() - began)
    return {"raised": raised, "slowest": slowest}


def claim_wakeup_slot() -> dict[str, Any]:
    """Take the slot in which a worker would enqueue the next wake-up."""
    return {"claimed": wakeups.claim_slot("drive", seconds=3600)}


def cancel(*, jobs: list[str]) -> dict[str, Any]:
    """Cancel jobs as their requester; return how many had ended at once."""
    actor = access.actor_for(get_user_model().objects.get(username="editor"))
    ended = 0
    for job in Job.objects.filter(pk__in=jobs):
        try:
            ended += job_actions.cancel(actor=actor, job=job)
        except ActionRefused:
            continue
    return {"ended": ended}


def batch(*, count: int) -> dict[str, Any]:
    """Start a batch over so many products; a worker makes its jobs."""
    shelf = Category.objects.create(name="Mugs", slug="mugs")
    products = Product.objects.bulk_create(
        Product(category=shelf, name=f"Mug {n}", slug=f"mug-{n}", sku=f"M-{n}", price=Decimal(9))
        for n in range(count)
    )
    target = content_fields.target_by_path("catalog.Product.image")
    version = TemplateVersion.objects.get(template__slug="plain")
    if target is None:
        raise RuntimeError("the site has no target")
    made = lifecycle.start(
        actor=access.actor_for(get_user_model().objects.get(username="editor")),
        version=version,
        title="Mugs",
        keys=[str(product.pk) for product in products],
        target=target,
        mapping={"product": "name"},
        image_model=ImageModel.objects.get(slug="generic-1"),
        key="mugs",
    )
    return {"batch": str(made.pk)}


def deliver(*, token: str, headers: dict[str, str], body: str) -> dict[str, Any]:
    """Take a webhook in."""
    return {"outcome": webhook_inbox.receive(token=token, headers=headers, body=body.encode())}


ACTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "batch": batch,
    "cancel": cancel,
    "deliver": deliver,
    "prepare": prepare,
    "request": request,
    "wake": wake,
    "claim_wakeup_slot": claim_wakeup_slot,
}


def main() -> None:
    for line in sys.stdin:
        call = json.loads(line)
        sys.stdout.write(json.dumps(ACTIONS[call.pop("action")](**call)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
