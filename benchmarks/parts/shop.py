"""A governed shop with as many products as a benchmark wants; on an empty database of its own."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command

from imagegen_app.core.actors import System
from imagegen_app.models import Batch, Budget
from imagegen_app.services.batches import lifecycle, row_jobs
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import composition, creation
from imagegen_app.services.policy import access, model_catalog, template_access
from project import seed
from project.catalog.models import Category, Product
from project.demo import governance

if TYPE_CHECKING:
    from collections.abc import Sequence

TARGET = "catalog.Product.image"
TEMPLATE = "product-still-life"
MAPPING = {"product": "name", "colour": "colour", "material": "material"}


def _fresh_database() -> None:
    entry = settings.DATABASES["default"]
    with psycopg.connect(
        host=entry["HOST"], port=entry["PORT"], user=entry["USER"], password=entry["PASSWORD"],
        dbname="postgres", autocommit=True,
    ) as connection:  # fmt: skip
        connection.execute(f'DROP DATABASE IF EXISTS "{entry["NAME"]}"')
        connection.execute(f'CREATE DATABASE "{entry["NAME"]}"')
    call_command("migrate", verbosity=0)
    governance.setup()
    seed.create_users()
    seed.create_catalog()
    budget = Budget.objects.get()
    budget.limit = Decimal(1_000_000)
    model_catalog.save(actor=System("benchmark"), record=budget)


_fresh_database()
EDITOR = access.actor_for(get_user_model().objects.get(username="editor"))


def products(number: int) -> list[str]:
    """Make products and return their keys."""
    shelf = Category.objects.order_by("pk")[0]
    made = Product.objects.bulk_create(
        [
            Product(
                category=shelf, name=f"Cup {n}", slug=uuid4().hex, sku=uuid4().hex[:16], price=1,
                colour="red", material="clay",
            )
            for n in range(number)
        ],
        batch_size=1000,
    )  # fmt: skip
    return [str(product.pk) for product in made]


def start(keys: Sequence[str]) -> Batch:
    """Request a batch, as the admin's page does."""
    version, target = (
        template_access.usable_version(EDITOR, TEMPLATE),
        content_fields.target_by_path(TARGET),
    )
    if version is None or target is None:
        raise RuntimeError("the demo's template or target is not there")
    return lifecycle.start(
        actor=EDITOR,
        version=version,
        title="Benchmark",
        keys=keys,
        target=target,
        mapping=MAPPING,
        key=uuid4().hex,
    )


def prepare() -> None:
    """Make all waiting jobs, as a worker does between its other steps."""
    while row_jobs.create_next_jobs():
        pass


def one_by_one(number: int) -> float:
    """Make jobs by a request each, and return how many seconds it took."""
    began = time.perf_counter()
    for n in range(number):
        job_request = composition.compose(
            actor=EDITOR, template=TEMPLATE, variables={"product": f"Cup {n}"}
        )
        creation.request_images(actor=EDITOR, job_request=job_request)
    return time.perf_counter() - began
