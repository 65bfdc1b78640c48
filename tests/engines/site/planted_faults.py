"""Break the app on purpose, so that the harness can show that it would notice."""

from __future__ import annotations

import os
from typing import Any

from django.apps import AppConfig


class PlantedFaults(AppConfig):
    """Apply the mutations that `SITE_MUTATION` names, separated by commas."""

    name = "tests.engines.site"
    label = "planted_faults"

    def ready(self) -> None:
        for name in os.environ["SITE_MUTATION"].split(","):
            MUTATIONS[name]()


def send_again() -> None:
    """Send a call again whose answer never came, instead of asking what became of it."""
    from imagegen_app.services.gateways import spool  # noqa: PLC0415 - the apps come first
    from imagegen_app.services.jobs.rebuilding import rebuild_request  # noqa: PLC0415 - as above
    from imagegen_app.services.worker._job_steps import JobSteps  # noqa: PLC0415

    def recover(self: Any, job: Any, attempt: Any) -> None:
        adapter = self._adapter(job)
        work = adapter.submit(rebuild_request(job, attempt, {}), answer=spool.answer_of(attempt))
        self._call("submit", job, attempt, adapter, work)

    JobSteps._recover = recover  # type: ignore[method-assign]


def lose_bookings() -> None:
    """Move the budget's counters without their ledger entries."""
    from imagegen_app.models import LedgerEntry  # noqa: PLC0415 - the apps come first

    book = LedgerEntry.objects.bulk_create

    def some(entries: Any, **options: Any) -> Any:
        return book([entry for entry in entries if entry.kind != "charge"], **options)

    LedgerEntry.objects.bulk_create = some  # type: ignore[assignment]


def lose_events() -> None:
    """End jobs without telling the log."""
    from imagegen_app.services.foundation import event_log  # noqa: PLC0415 - the apps come first

    record = event_log.record

    def some(actor: Any, kind: str, **facts: Any) -> Any:
        return None if kind == "job.succeeded" else record(actor, kind, **facts)

    event_log.record = some


def lose_files() -> None:
    """Say that a master was stored, and do not store it."""
    from django.core.files.storage import storages  # noqa: PLC0415 - the apps come first

    from imagegen_app.services.worker import _results  # noqa: PLC0415 - as above

    store_results = _results.store_results

    def store_and_delete(job: Any, attempt: Any, *, result: Any) -> Any:
        assets = store_results(job, attempt, result=result)
        for image in result.images:
            storages["imagegen"].delete(image.master.key)
        return assets

    _results.store_results = store_and_delete


MUTATIONS = {
    "send_again": send_again,
    "lose_bookings": lose_bookings,
    "lose_events": lose_events,
    "lose_files": lose_files,
}
