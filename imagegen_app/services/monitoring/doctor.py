"""Check a running site: what works, what does not, and the remedy for each problem."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from django.core.checks import ERROR, WARNING, run_checks
from django.core.files.storage import storages
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app import conf, database
from imagegen_app.core.invariants import VIOLATION_QUERIES
from imagegen_app.models import Job, PeriodicRun, Placement
from imagegen_app.services.foundation import (
    clock,
    log_triggers,
    migration_state,
    wakeups,
    worker_registry,
)
from imagegen_app.services.gateways import publication_status, spool_room, storage
from imagegen_app.services.jobs import kept_answers, spool_alarms
from imagegen_app.services.monitoring import (
    certificate_status,
    credential_status,
    provider_problems,
    retiring_models,
    review_status,
    screener_status,
    search_status,
    text_service_status,
    time_stamp_status,
    waiting_counts,
    withdrawal_status,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Level = Literal["ok", "warning", "error"]

#: A worker or sweep that has not been seen for longer is reported.
SILENT_SECONDS = 120
LOW_DISK_BYTES = 1024**3
CRITICAL_DISK_BYTES = 100 * 1024**2
MAX_CLOCK_SKEW_SECONDS = 2.0
#: A job that has been due for longer without being claimed is reported.
LATE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: what was checked, and the problem and remedy if there is one."""

    part: str
    level: Level
    message: str
    remedy: str = ""


def run_all_checks() -> list[CheckResult]:
    """Run all checks; one of them writes and deletes a small file in the storage."""
    checks: dict[str, Callable[[], Iterator[CheckResult]]] = {
        "settings": _settings,
        "database": _database,
        "engine": _engine,
        "worker": _worker,
        "queue": _queue,
        "waiting": _waiting,
        "disk": _disk,
        "answers": _answers,
        "storage": _storage,
        "withdrawals": _withdrawals,
        "credentials": _credentials,
        "models": _models,
        "screeners": _screeners,
        "text services": lambda: (
            CheckResult(one.part, "warning", one.message, one.remedy)
            for one in text_service_status.text_service_findings()
        ),
        "review": _review,
        "search": lambda: (
            CheckResult("search", "warning", one.message, one.remedy)
            for one in search_status.search_findings()
        ),
        "signing": _signing,
        "time stamps": _time_stamps,
        "log": _log,
        "clock": _clock,
    }
    found: list[CheckResult] = []
    for part, check in checks.items():
        try:
            results = list(check())
        except Exception as error:  # noqa: BLE001 - what is checked may fail in any way
            results = [
                CheckResult(part, "error", _("It cannot be checked: %s.") % type(error).__name__)
            ]
        found += results or [CheckResult(part, "ok", _("No problems found."))]
        if part == "database" and results:
            # All others would fail for the same reason.
            break
    return found


def critical_problems(
    *, recent_workers: int | None = None, with_waiting: bool = True
) -> list[CheckResult]:
    """Return the problems that keep all images from being generated; fast enough for a page.

    `recent_workers` is how many were seen within `SILENT_SECONDS`, where the caller knows it. It may
    know too for what jobs wait: then they are left out (`with_waiting`).
    """
    found: list[CheckResult] = []
    checks: list[tuple[str, Callable[[], Iterator[CheckResult]]]] = [
        ("engine", _engine),
        ("worker", partial(_worker, recent_workers)),
        ("disk", _disk),
        ("signing", _signing),
    ]
    if with_waiting:
        checks.append(("waiting", _waiting))
    for part, check in checks:
        try:
            found += check()
        except Exception as error:  # noqa: BLE001 - see `run_all_checks`
            found.append(
                CheckResult(part, "error", _("It cannot be checked: %s.") % type(error).__name__)
            )
    return [result for result in found if result.level == "error"]


def violated_invariants() -> dict[str, list[str]]:
    """Return the violated invariants with up to five keys each; empty if there are none."""
    found: dict[str, list[str]] = {}
    connection = database.connection()
    quote = "`" if connection.vendor == "mysql" else '"'
    with connection.cursor() as cursor:
        for name, query in VIOLATION_QUERIES.items():
            cursor.execute(query.replace('"', quote))
            rows = cursor.fetchmany(5)
            if rows:
                found[name] = [str(row[0]) for row in rows]
    return found


def _settings() -> Iterator[CheckResult]:
    for message in run_checks(
        # Settings only: Django 6.1 hands every database to the checks where none is named.
        tags=["imagegen"],
        include_deployment_checks=True,
        databases=[],
    ):
        # The keys are looked at below, by provider.
        is_told = message.level >= WARNING and message.id != "imagegen.W047"
        if is_told and not message.is_silenced():
            level: Level = "error" if message.level >= ERROR else "warning"
            yield CheckResult("settings", level, f"{message.id}: {message.msg}", message.hint or "")


def _database() -> Iterator[CheckResult]:
    if missing := migration_state.unapplied_migrations():
        message, remedy = migration_state.message(missing), migration_state.remedy()
        yield CheckResult("database", "error", message, remedy)


def _engine() -> Iterator[CheckResult]:
    try:
        engine = wakeups.engine()
    except Exception as error:  # noqa: BLE001 - see `run_all_checks`
        yield CheckResult(
            "engine",
            "error",
            _("The engine %(engine)s cannot be used: %(error)s.")
            % {"engine": conf.get().engine, "error": type(error).__name__},
            _("Correct IMAGEGEN['ENGINE'], or install what it needs."),
        )
        return
    try:
        engine.ping()
    except Exception as error:  # noqa: BLE001 - see `run_all_checks`
        yield CheckResult(
            "engine",
            "error",
            _("The broker of the engine %(engine)s does not answer: %(error)s.")
            % {"engine": engine.label, "error": type(error).__name__},
            _("Start the broker, or correct its address. Jobs are kept and wait."),
        )


def _worker(recent: int | None = None) -> Iterator[CheckResult]:
    if not wakeups.engine().has_worker:
        return
    if recent is None:
        recent = worker_registry.count_live_workers(within=SILENT_SECONDS)
    if not recent:
        yield CheckResult(
            "worker",
            "error",
            _("No worker has been seen for 2 minutes. Jobs are kept and wait."),
            _("Start a worker: manage.py imagegen_worker."),
        )
    elif not PeriodicRun.objects.filter(
        pk="sweep", last_run_at__gte=clock.ago(SILENT_SECONDS)
    ).exists():
        yield CheckResult(
            "worker",
            "error",
            _("The periodic sweep has not run for 2 minutes, although a worker is running."),
            _("Check the worker's log file, and restart it."),
        )


def _queue() -> Iterator[CheckResult]:
    now = clock.now()
    late = Job.objects.due(now - timedelta(seconds=LATE_SECONDS)).filter(is_held=False)
    count = late.count()
    if count:
        yield CheckResult(
            "queue",
            "warning",
            _("%(count)s jobs have been due for more than %(minutes)s minutes.")
            % {"count": count, "minutes": LATE_SECONDS // 60},
            _("Start more workers, or raise the provider's limits."),
        )


def _waiting() -> Iterator[CheckResult]:
    for found in waiting_counts.waiting_jobs():
        yield CheckResult("waiting", "error", found.message, found.remedy)


def _disk() -> Iterator[CheckResult]:
    settings = conf.get()
    try:
        spool_room.require_room()
    except spool_room.NoRoom as full:
        yield CheckResult(
            "disk",
            "error",
            _("The disk for providers' answers has no room: %(reason)s. No call is sent.")
            % {"reason": full},
            _("Free disk space, or correct IMAGEGEN['STATE_DIR']; waiting jobs then continue."),
        )
    folders: list[Any] = [conf.state_dir(), getattr(storages[settings.storage], "location", None)]
    for folder in folders:
        if folder is None:
            continue
        existing = Path(str(folder))
        while not existing.exists():
            existing = existing.parent
        free = shutil.disk_usage(existing).free
        if free < LOW_DISK_BYTES:
            yield CheckResult(
                "disk",
                "error" if free < CRITICAL_DISK_BYTES else "warning",
                _("Only %(free)s MB are free on the disk of %(folder)s.")
                % {"free": free // 1024**2, "folder": Path(str(folder)).name},
                _("Free disk space: answers that are paid for are stored there."),
            )


def _answers() -> Iterator[CheckResult]:
    if spool_alarms.is_reported():
        yield CheckResult(
            "answers",
            "error",
            _("A worker's disk has no room for providers' answers: it sends no calls."),
            _("Free disk space, or correct IMAGEGEN['STATE_DIR']; waiting jobs then continue."),
        )
    try:
        spool_room.probe()
    except spool_room.NoRoom as full:
        yield CheckResult(
            "answers",
            "error",
            _("A provider's answer could not be written to the disk: %(reason)s.")
            % {"reason": full},
            _("Check the permissions, the quota and the free space of IMAGEGEN['STATE_DIR']."),
        )
    stored, most = kept_answers.stored_bytes(), conf.get().spool.max_kept_bytes
    if stored > most:
        yield CheckResult(
            "answers",
            "warning",
            _("Kept answers that could not be used take %(stored)s MB on the disk.")
            % {"stored": stored // 1024**2},
            _("Read them again after an upgrade, or lower IMAGEGEN['SPOOL']['KEEP_DAYS']."),
        )


def _storage() -> Iterator[CheckResult]:
    remedy = _("Check STORAGES['%s'].") % conf.get().storage
    try:
        if not storage.probe():
            message = _("The storage returned other bytes than were written to it.")
            yield CheckResult("storage", "error", message, remedy)
    except storage.StorageFailed as error:
        message = _("The storage cannot be used: %s. Jobs wait for it.") % error
        yield CheckResult("storage", "error", message, remedy)
    copies = Placement.objects.filter(has_copy_to_delete=True).count()
    if copies:
        yield CheckResult(
            "storage",
            "error",
            ngettext(
                "%(count)s copy of a withdrawn image is not deleted yet: its storage failed.",
                "%(count)s copies of withdrawn images are not deleted yet: their storage failed.",
                copies,
            )
            % {"count": copies},
            _("Repair the storage of the content's files; the copies are then deleted."),
        )


def _withdrawals() -> Iterator[CheckResult]:
    for late in withdrawal_status.late_withdrawals():
        yield CheckResult("withdrawals", "error", late.message, late.remedy)


def _credentials() -> Iterator[CheckResult]:
    for problem in provider_problems.provider_problems():
        yield CheckResult("credentials", "error", problem.message, problem.remedy)
    for one in credential_status.credential_findings():
        yield CheckResult("credentials", one.level, one.message, one.remedy)


def _models() -> Iterator[CheckResult]:
    for one in retiring_models.retiring_models():
        yield CheckResult("models", "warning", one.message, one.remedy)


def _screeners() -> Iterator[CheckResult]:
    for one in screener_status.screener_findings():
        yield CheckResult("screeners", one.level, one.message, one.remedy)


def _review() -> Iterator[CheckResult]:
    for one in review_status.review_findings():
        yield CheckResult("review", "warning", one.message, one.remedy)


def _signing() -> Iterator[CheckResult]:
    for one in certificate_status.certificate_findings():
        level: Level = "error" if one.level == "error" else "warning"
        yield CheckResult("signing", level, one.message, one.remedy)


def _time_stamps() -> Iterator[CheckResult]:
    for one in time_stamp_status.time_stamp_findings():
        yield CheckResult("time stamps", one.level, one.message, one.remedy)


def _log() -> Iterator[CheckResult]:
    for problem in publication_status.publication_problems():
        yield CheckResult("log", "warning", problem.message, problem.remedy)
    if missing := log_triggers.missing_triggers():
        yield CheckResult(
            "log",
            "error",
            _("The database does not guard the log: %s.") % ", ".join(missing[:3]),
            _("Find out who removed these triggers, verify the log, and install them again."),
        )


def _clock() -> Iterator[CheckResult]:
    skew = abs((timezone.now() - clock.now()).total_seconds())
    if skew > MAX_CLOCK_SKEW_SECONDS:
        yield CheckResult(
            "clock",
            "warning",
            _("This host's clock differs from the database's by %.0f seconds.") % skew,
            _(
                "Synchronize both clocks with NTP. Leases are not affected: they use the "
                "database's clock."
            ),
        )
