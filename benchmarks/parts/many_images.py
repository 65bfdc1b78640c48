"""Fill a database with images by the million: `python -m benchmarks.parts.many_images NUMBER`.

Each has a job, an attempt, words to be searched, a verdict, two events of the log, an entry of the ledger, a
placement, a batch and a webhook. One of each is made first; the others are copies of it that one statement a
table makes, with keys, times, states, people and words of their own. Files are shared: what is looked at are
lists.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = [
    "red",
    "blue",
    "green",
    "amber",
    "violet",
    "white",
    "black",
    "silver",
    "copper",
    "olive",
    "mug",
    "vase",
    "lamp",
    "chair",
    "table",
    "bowl",
    "bottle",
    "clock",
    "mirror",
    "basket",
    "linen",
    "velvet",
    "oak",
    "glass",
    "marble",
    "brass",
    "paper",
    "stone",
    "wool",
    "cork",
    "dawn",
    "noon",
    "dusk",
    "rain",
    "snow",
    "fog",
    "harbour",
    "forest",
    "meadow",
    "street",
    "fox",
    "heron",
    "otter",
    "hare",
    "owl",
    "plum",
    "lemon",
    "tulip",
    "fern",
    "moss",
]
#: One image in so many has a word that no other kind has.
RARE = {"zebra": 100_000, "quetzal": 1_000}
_MODELS, _TEMPLATES, _PEOPLE = 5, 20, 20
_SECONDS_APART = 25
#: One image in so many waits for a second reviewer, or was sent back to its author; one job failed.
_ESCALATED, _SENT_BACK, _FAILED = 32, 32, 20
#: Of the first thousand as many as fill a page; of the others few, which a list must not look for.
_FEW = "(n % 8000 = {1} or n <= 1000 and n % {0} = {1})"


def fill(number: int) -> None:
    """Add rows until there are so many images."""
    from django.db import connection  # noqa: PLC0415 - Django is set up by the caller

    from imagegen_app.models import Asset  # noqa: PLC0415 - as above

    first = Asset.objects.count()
    if first == 0:
        _make_first()
        first = 1
    began = time.perf_counter()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA synchronous = OFF")
            cursor.execute("PRAGMA cache_size = -400000")
        for table, changes in _copies(connection.vendor, number):
            cursor.execute(_statement(cursor, table, changes, range(first + 1, number + 1)))
            print(f"{table}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            # What autovacuum does on a site that runs for a while.
            cursor.execute("VACUUM")


def _make_first() -> None:
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - as above
    from django.contrib.contenttypes.models import ContentType  # noqa: PLC0415 - as above
    from django.utils import timezone  # noqa: PLC0415 - as above

    from imagegen_app import models as tables  # noqa: PLC0415 - as above
    from imagegen_app.core.actors import System  # noqa: PLC0415 - as above
    from imagegen_app.services.foundation import event_log  # noqa: PLC0415 - as above
    from imagegen_app.services.foundation.unit import use_case  # noqa: PLC0415 - as above
    from imagegen_app.testing import factories  # noqa: PLC0415 - as above

    provider = factories.make_provider(name="Sandbox")
    models = [
        factories.make_image_model(provider=provider, provider_model_name=f"sandbox-{n}")
        for n in range(_MODELS)
    ]
    versions = [factories.make_template() for _ in range(_TEMPLATES)]
    for number in range(_PEOPLE):
        get_user_model().objects.create(username=f"person-{number}", is_staff=True)
    get_user_model().objects.create_superuser("root", password="benchmark")  # noqa: S106 - a benchmark's own
    asset = factories.make_asset(
        job=factories.make_job(image_model=models[0], template_version=versions[0]), widths=(320,)
    )

    @use_case()
    def write() -> None:
        tables.Verdict.objects.create(
            job=asset.job, asset=asset, stage="output", screener="c", outcome="passed"
        )
        budget = tables.Budget.objects.create(name="All", scope="site", limit=1_000_000)
        period = tables.BudgetPeriod.objects.create(
            budget=budget, starts_on=timezone.localdate(), limit=budget.limit
        )
        tables.LedgerEntry.objects.create(
            period=period, job=asset.job, attempt=asset.attempt, kind="charge", amount=1
        )
        tables.Placement.objects.create(
            asset=asset,
            content_type=ContentType.objects.get_for_model(tables.Provider),
            object_id=str(provider.pk),
            field="image",
            object_label="Product",
        )
        tables.Batch.objects.create(
            template_version=versions[0],
            image_model=models[0],
            title="Batch",
            actor_kind="system",
            actor_id="benchmark",
            idempotency_key="0",
        )
        tables.WebhookDelivery.objects.create(
            provider=provider, delivery_id="0", body_sha256="0" * 64, outcome="applied"
        )
        for kind in ("asset.created", "review.approved"):
            event_log.record(System("benchmark"), kind, subject=asset, job=asset.job, asset=asset)

    write()


def _copies(vendor: str, total: int) -> list[tuple[str, Mapping[str, str]]]:
    """Return the tables in the order of their references, and which columns are no copies."""
    if vendor == "postgresql":
        key = "('{0}' || lpad(to_hex(n), 24, '0'))::uuid".format
        at = f"now() - ({total} - n) * interval '{_SECONDS_APART} second'"
        digits = "lpad(to_hex(n), 56, '0')"
        pick = "(array[{1}])[1 + {0}]".format
    else:
        key = "('{0}' || printf('%024x', n))".format
        at = f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (({total} - n) * {_SECONDS_APART}) || ' seconds')"
        digits = "printf('%056x', n)"
        pick = "(select value from json_each(json_array({1})) where key = {0})".format
    when = "case when {} then {} end".format
    text = "cast({} as varchar(40))".format
    held, unfinished = _FEW.format(32, 10), _FEW.format(16, 1)
    job, attempt, asset = key("aaaaaaaa"), key("bbbbbbbb"), key("cccccccc")
    words = ", ".join(f"'{word}'" for word in WORDS)
    several = " || ' ' || ".join(
        pick(f"(n / {len(WORDS) ** power}) % {len(WORDS)}", words) for power in range(3)
    )
    rare = "".join(
        f" || case when n % {each} = 7 then ' {word}' else '' end" for word, each in RARE.items()
    )
    title = f"'Image ' || {several}{rare}"
    states, colours = (
        "'approved', 'approved', 'pending', 'rejected'",
        "'red', 'blue', 'grey', 'green'",
    )
    one_of_four = "(n % 4)"
    model, version = (
        _numbered("imagegen_imagemodel", _MODELS),
        _numbered("imagegen_templateversion", _TEMPLATES),
    )
    person = _numbered("auth_user", _PEOPLE)
    event = {"id": "", "uid": "", "at": at, "job_id": job, "asset_id": asset}
    return [
        (
            "imagegen_job",
            {
                "id": job,
                "created_at": at,
                "finished_at": at,
                "image_model_id": model,
                "template_version_id": version,
                "requester_id": person,
                "prompt": f"'A picture of ' || {several}",
                "row_key": "case when n % 2 = 1 then 'row-' || n else '' end",
                "state": f"case when n % {_FAILED} = 3 then 'failed' else 'succeeded' end",
                "error_code": f"case when n % {_FAILED} = 3 then 'quota' else '' end",
            },
        ),
        (
            "imagegen_attempt",
            {
                "id": attempt,
                "job_id": job,
                "image_model_id": model,
                "created_at": at,
                "provider_ref": "'ref-' || n",
                "provider_request_id": "'req-' || n",
            },
        ),
        (
            "imagegen_asset",
            {
                "id": asset,
                "job_id": job,
                "attempt_id": attempt,
                "title": title,
                "alt_text": f"case when {unfinished} then '' else 'A picture' end",
                "created_at": at,
                "review_state": pick(one_of_four, states),
                "colour": pick(one_of_four, colours),
                "reviewed_by_id": f"case when n % 4 = 2 then null else {person} end",
                # Of those to be reviewed, half are drafts.
                "review_requested_at": when("n % 8 = 2", at),
                "escalated_at": when(f"n % {_ESCALATED} = 2", at),
                "sent_back_at": when(f"n % {_SENT_BACK} = 6", at),
                "has_mark_problem": unfinished,
                "is_flagged": f"({held})",
                "sha256": f"{digits} || '00000000'",
                "original_sha256": f"{digits} || '11111111'",
            },
        ),
        (
            "imagegen_assetsearchtext",
            {
                "id": "",
                "asset_id": asset,
                "public_text": title,
                "prompt_text": f"'A picture of ' || {several}",
            },
        ),
        (
            "imagegen_verdict",
            {
                "id": "",
                "job_id": job,
                "asset_id": asset,
                "created_at": at,
                "outcome": f"case when {held} then 'held' else 'passed' end",
            },
        ),
        (
            "imagegen_ledgerentry",
            {"id": "", "job_id": job, "attempt_id": attempt, "created_at": at},
        ),
        (
            "imagegen_placement",
            {"id": "", "asset_id": asset, "placed_at": at, "object_label": "'Product ' || n"},
        ),
        (
            "imagegen_batch",
            {
                "id": key("ffffffff"),
                "title": "'Batch ' || n",
                "created_at": at,
                "requester_id": person,
                "idempotency_key": text("n"),
            },
        ),
        (
            "imagegen_webhookdelivery",
            {
                "id": "",
                "attempt_id": attempt,
                "delivery_id": "'delivery-' || n",
                "received_at": at,
            },
        ),
        ("imagegen_auditevent", {**event, "uid": key("dddddddd")}),
        ("imagegen_auditevent", {**event, "uid": key("eeeeeeee")}),
    ]


def _numbered(table: str, count: int) -> str:
    return f"(select min(id) from {table}) + n % {count}"  # noqa: S608 - our own names


def _statement(cursor: Any, table: str, changes: Mapping[str, str], numbers: range) -> str:
    from django.apps import apps  # noqa: PLC0415 - as above
    from django.db import connection  # noqa: PLC0415 - as above

    metas = (model._meta for model in apps.get_models())  # noqa: SLF001 - Django's documented API
    fields = (field for meta in metas for field in meta.local_concrete_fields)
    generated = {field.column for field in fields if field.generated}
    vendor, first, last = connection.vendor, numbers.start, numbers.stop - 1
    columns = [c.name for c in connection.introspection.get_table_description(cursor, table)]
    # Numbers and values that the database gives.
    columns = [c for c in columns if changes.get(c) != "" and c not in generated]
    names = ", ".join(f'"{column}"' for column in columns)
    chosen = ", ".join(changes.get(column, f'one."{column}"') for column in columns)
    series = f"generate_series({first}, {last}) as numbers(n)"
    start = ""
    if vendor == "sqlite":
        start = f"with recursive numbers(n) as (select {first} union all select n + 1 from numbers where n < {last}) "  # noqa: S608 - numbers
        series = "numbers"
    times = ("created_at", "at", "placed_at", "received_at")
    order = next((column for column in times if column in columns), "id")
    return (
        f"{start}insert into {table} ({names}) select {chosen} from "  # noqa: S608 - our own names
        f"(select * from {table} order by {order} limit 1) one, {series}"
    )


def main() -> None:
    """Fill the database of the settings."""
    import django  # noqa: PLC0415 - here it is set up

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.parts.list_settings")
    django.setup()
    fill(int(sys.argv[1]))


if __name__ == "__main__":
    main()
