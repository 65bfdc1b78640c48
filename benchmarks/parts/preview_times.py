"""Time the pages of a batch of many rows on the database of the settings; print seconds and CPU seconds as JSON."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from contextlib import redirect_stdout
from functools import partial
from html import unescape
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Seconds that each page took, and seconds of this process.
    Times = dict[str, tuple[float, float]]

TARGET = "catalog.Product.image"


def main() -> None:
    """Set the shop up, then go the way of a person with a table, and of one with a selection."""
    import django  # noqa: PLC0415 - here it is set up

    django.setup()
    with redirect_stdout(io.StringIO()):
        skus = _shop(int(sys.argv[1]))
    found: Times = {}
    _table(found, skus)
    _objects(found)
    print(json.dumps(found))


def _timed(found: Times, name: str, call: Callable[[], Any]) -> Any:
    began, used = time.perf_counter(), time.process_time()
    answer = call()
    found[name] = (
        round(time.perf_counter() - began, 3),
        round(time.process_time() - used, 3),
    )
    return answer


def _shop(number: int) -> list[str]:
    from decimal import Decimal  # noqa: PLC0415 - beside its use

    from django.core.management import call_command  # noqa: PLC0415 - after the set-up

    from imagegen_app.core.actors import System  # noqa: PLC0415 - after the set-up
    from imagegen_app.models import Budget  # noqa: PLC0415 - after the set-up
    from imagegen_app.services.policy import model_catalog  # noqa: PLC0415 - after the set-up
    from project import seed  # noqa: PLC0415 - after the set-up
    from project.catalog.models import Category, Product  # noqa: PLC0415 - after the set-up
    from project.demo import governance  # noqa: PLC0415 - after the set-up

    call_command("migrate", verbosity=0)
    governance.setup()
    seed.create_users()
    seed.create_catalog()
    budget = Budget.objects.get()
    budget.limit = Decimal(1_000_000)
    model_catalog.save(actor=System("benchmark"), record=budget)
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
    return [product.sku for product in made]


def _table(found: Times, skus: list[str]) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: PLC0415 - as above
    from django.urls import reverse  # noqa: PLC0415 - as above

    client = _client()
    lines = ["SKU;Product;Colour;Material", *(f"{sku};Cup {sku};red;clay" for sku in skus)]
    file = SimpleUploadedFile("spring.csv", "\n".join(lines).encode())
    address = reverse("admin:imagegen_table_new")
    went = _timed(found, "table, upload", lambda: client.post(address, {"file": file}))
    _preview(found, "table", client, str(went["Location"]))


def _objects(found: Times) -> None:
    from django.urls import reverse  # noqa: PLC0415 - after the set-up

    from imagegen_app.services.batches import selections  # noqa: PLC0415 - after the set-up
    from imagegen_app.services.gateways import content_fields  # noqa: PLC0415 - after the set-up
    from imagegen_app.services.policy import access  # noqa: PLC0415 - after the set-up
    from project.catalog.models import Product  # noqa: PLC0415 - after the set-up

    client = _client()
    target = content_fields.target_by_path(TARGET)
    if target is None:
        raise RuntimeError("the demo's target is not there")
    keys = list(Product.objects.order_by("-pk").values_list("pk", flat=True)[:10_000])
    session = client.session
    session[f"imagegen-selection-{target.path}"] = selections.dumps(
        actor=access.actor_for(_user()), target=target, keys=sorted(keys)
    )
    session.save()
    _preview(found, "objects", client, f"{reverse('admin:imagegen_batch_new')}?target={TARGET}")


def _preview(found: Times, kind: str, client: Any, address: str) -> None:
    from imagegen_app.models import Batch  # noqa: PLC0415 - after the set-up
    from imagegen_app.services.batches import row_jobs  # noqa: PLC0415 - after the set-up

    page = _timed(found, f"{kind}, first page", lambda: client.get(address))
    sent = _fields(page.content.decode())
    for name, view in (("page 100", "all:4950"), ("last page", "all:9950")):
        shown = {**sent, "view": view}
        _timed(found, f"{kind}, {name}", partial(client.post, address, shown))
    problems = {**sent, "view": "problems:0"}
    _timed(found, f"{kind}, only problems", lambda: client.post(address, problems))
    part = {**sent, "check": "", "part": "1"}
    _timed(found, f"{kind}, a part of the check", lambda: client.post(address, part))
    answer = _timed(found, f"{kind}, start", lambda: client.post(address, {**sent, "start": ""}))
    if answer.status_code != 302:  # noqa: PLR2004 - to the batch
        raise RuntimeError("the batch was not started")

    def prepare() -> None:
        while row_jobs.create_next_jobs():
            pass

    _timed(found, f"{kind}, jobs made", prepare)
    batch = Batch.objects.latest("created_at")
    if batch.job_count != batch.row_count:
        raise RuntimeError("not every row became a job")


def _fields(page: str) -> dict[str, str]:
    """Return what the page's form sends as it is."""
    found = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    found |= dict(re.findall(r'<input type="text" name="(\w+)" value="([^"]*)"', page))
    for name, options in re.findall(r'(?s)<select name="(\w+)".*?>(.*?)</select>', page):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return {name: unescape(value) for name, value in found.items()}


def _user() -> Any:
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - after the set-up

    return get_user_model().objects.get(username="admin")


def _client() -> Any:
    from django.test import Client  # noqa: PLC0415 - after the set-up

    client = Client()
    client.force_login(_user())
    return client


if __name__ == "__main__":
    main()
