"""Time our lists and stock ones on the database of the settings, and print milliseconds as JSON."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import Any

TIMES = 9
#: Far back by the numbers of pages; a list that has fewer shows its last.
DEEP = 900
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
    page_size = admin.site.get_model_admin(Asset).list_per_page
    for table in ("asset", "job", "attempt", "auditevent"):
        for prefix, site in (("", "admin"), ("stock ", "stock")):
            address = reverse(f"{site}:imagegen_{table}_changelist")
            found[f"{prefix}{table}"] = _milliseconds(client, address)
            most = paging.MAX_ROWS if site == "admin" else Asset.objects.count()
            deep = min(DEEP, most // page_size, Asset.objects.count() // page_size - 1)
            found[f"{prefix}{table}, deep"] = _milliseconds(client, f"{address}?p={deep}")
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
    return statistics.median(times)


if __name__ == "__main__":
    main()
