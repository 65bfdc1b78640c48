"""Time our lists and stock ones on the database of the settings, and print milliseconds as JSON."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import Any

TIMES = 9
#: A page that takes long is asked for less often, once it has been asked for so many seconds.
_SECONDS, _LEAST = 4.0, 3
#: Far back by the numbers of stock pages; ours are measured at the last page that they number.
DEEP = 900
#: Our lists of tables that grow with each image.
TABLES = (
    *("asset", "job", "attempt", "verdict", "auditevent"),
    *("ledgerentry", "placement", "batch", "webhookdelivery"),
)
_KEY = "0000-0000-0000-000000000123"
#: What people filter and search these lists by.
QUERIES = (
    ("asset", "needs words", "words=missing"),
    ("asset", "waiting", "review=waiting"),
    ("asset", "drafts", "review=draft"),
    ("job", "failed", "state__exact=failed"),
    ("job", "search of a key", f"q=aaaaaaaa-{_KEY}"),
    ("job", "search of a person", "q=person-7"),
    ("job", "search without a find", "q=xylophone"),
    ("attempt", "search of a reference", "q=ref-777"),
    ("attempt", "search without a find", "q=xylophone"),
    ("verdict", "held", "outcome__exact=held"),
    ("auditevent", "alarms", "severity__exact=alarm"),
    ("auditevent", "search of a kind", "q=review.approved"),
    ("auditevent", "search of an object", f"q=cccccccc-{_KEY}"),
    ("auditevent", "search without a find", "q=xylophone"),
)
STOCK_SEARCHES = (
    ("asset", "xylophone"),
    ("job", f"aaaaaaaa-{_KEY}"),
    ("attempt", "ref-777"),
    ("auditevent", f"cccccccc-{_KEY}"),
)
STOCK_TABLES = tuple(name for name, _search in STOCK_SEARCHES)
#: Words of `many_images`: in one of 100,000 images, in one of 17, and two of them.
SEARCHES = {"rare word": "zebra", "common word": "mug", "two words": "copper heron"}


def main() -> None:
    """Measure each page after a warm-up."""
    import django  # noqa: PLC0415 - here it is set up

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.parts.list_settings")
    django.setup()
    from django.contrib import admin  # noqa: PLC0415 - after the set-up
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - after the set-up
    from django.test import Client  # noqa: PLC0415 - after the set-up
    from django.urls import reverse  # noqa: PLC0415 - after the set-up

    from imagegen_app.admin import paging  # noqa: PLC0415 - after the set-up
    from imagegen_app.models import Asset  # noqa: PLC0415 - after the set-up
    from imagegen_app.services.foundation import keyset  # noqa: PLC0415 - after the set-up

    client = Client()
    client.force_login(get_user_model().objects.get(username="root"))
    library = reverse("admin:imagegen_library")
    found = {"library": _milliseconds(client, library)}
    oldest = Asset.objects.order_by("created_at", "pk")[Asset.objects.count() // 10]
    cursor = keyset.make_cursor(oldest.created_at, oldest.pk)
    found["library, deep"] = _milliseconds(client, f"{library}?after={cursor}")
    for name, text in SEARCHES.items():
        found[f"search, {name}"] = _milliseconds(client, f"{library}?q={text.replace(' ', '+')}")
    found["library, one person"] = _milliseconds(client, f"{library}?person=person-7")
    found["library, one colour"] = _milliseconds(client, f"{library}?colour=red&state=pending")
    desk = reverse("admin:imagegen_desk")
    for view in ("needs", "held", "escalated", "provenance", "mine"):
        found[f"desk, {view}"] = _milliseconds(client, f"{desk}?view={view}")
    waiting = Asset.objects.filter(review_queue__in=["waiting"]).order_by("review_requested_at")
    last = waiting[waiting.count() * 9 // 10]
    found["desk, needs, deep"] = _milliseconds(client, f"{desk}?view=needs&after={last.pk}")
    for table, name, query in QUERIES:
        address = reverse(f"admin:imagegen_{table}_changelist")
        found[f"{table}, {name}"] = _milliseconds(client, f"{address}?{query}")
    page_size = admin.site.get_model_admin(Asset).list_per_page
    for table in TABLES:
        address = reverse(f"admin:imagegen_{table}_changelist")
        found[table] = _milliseconds(client, address)
        deep = min(paging.MAX_ROWS, Asset.objects.count()) // page_size - 1
        found[f"{table}, deep"] = _milliseconds(client, f"{address}?p={deep}")
    for table in STOCK_TABLES:
        address = reverse(f"stock:imagegen_{table}_changelist")
        found[f"stock {table}"] = _milliseconds(client, address)
        deep = min(DEEP, Asset.objects.count() // page_size - 1)
        found[f"stock {table}, deep"] = _milliseconds(client, f"{address}?p={deep}")
        search = dict(STOCK_SEARCHES)[table]
        found[f"stock {table}, search"] = _milliseconds(client, f"{address}?q={search}")
    print(json.dumps(found))


def _milliseconds(client: Any, address: str) -> float:
    times = []
    for number in range(TIMES + 2):
        began = time.perf_counter()
        answer = client.get(address)
        if answer.status_code != 200:  # noqa: PLR2004 - a page that answers
            sys.exit(f"{address} answered {answer.status_code}")
        if number > 1:
            times.append((time.perf_counter() - began) * 1000)
        if sum(times) > _SECONDS * 1000 and len(times) >= _LEAST:
            break
    return statistics.median(times)


if __name__ == "__main__":
    main()
