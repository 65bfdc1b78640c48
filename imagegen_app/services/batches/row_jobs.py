"""Create a batch's jobs in chunks: render, screen, price, reserve and log many rows at once.

A worker does this between provider calls. The rows are screened first; then the batch's cursor
(`prepared_rows`) moves in the same transaction as the jobs of a chunk, so that a killed worker
neither skips a row nor creates one twice.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError
from django.db.models import Exists, F, Q
from django.utils.translation import gettext as _

from imagegen_app.core.actors import System
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.limits import MAX_KEY_CHARS
from imagegen_app.core.states import JobState
from imagegen_app.models import Batch, Job
from imagegen_app.services.batches import _image_fetches, reruns, row_images, row_sources
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.gateways import screening
from imagegen_app.services.job_requests import composition, creation, from_job, qualities
from imagegen_app.services.jobs import batch_counts, pass_chain
from imagegen_app.services.policy import access, budget_refusals
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.storage_refusals import StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.batches.row_sources import RowValues
    from imagegen_app.services.gateways.remote_pictures import Fetched
    from imagegen_app.services.job_requests.values import InputSource, JobRequest

logger = logging.getLogger("imagegen.batches")

#: Rows per transaction.
CHUNK_SIZE = 500
#: Rows at a time where a service is asked about each: a worker does nothing else meanwhile.
ASKED_CHUNK_SIZE = 20
#: Rows at a time that have input images: each is decoded, screened and stored.
IMAGE_CHUNK_SIZE = 10
#: How long a worker composes requests with input images at a time, in seconds.
COMPOSE_SECONDS = 4.0
#: What the mapping of a batch says once it was paused: before which row images were not to be had.
_TRIED = "images_tried"
#: Invalid rows that a batch lists with their reasons; any beyond are only counted.
MAX_INVALID_ROWS = 100


class _AnotherWorker(RuntimeError):
    """Another worker is creating this batch's next jobs."""


def create_next_jobs() -> bool:
    """Create the next chunk of jobs of the oldest due batch; return whether there was a batch.

    A batch over its budget, or whose rows are refused, is paused.
    """
    waiting: list[UUID] = []
    while True:
        batch = _next_batch(waiting)
        if batch is None:
            return False
        try:
            return _create_for(batch)
        except _image_fetches.NotThereYet:
            # Servers that are slow hold up no other batch.
            waiting.append(batch.pk)


def _create_for(batch: Batch) -> bool:
    """Create the next chunk of jobs of a batch; return whether the worker can go on at once.

    :raises NotThereYet: if input images of its rows are being fetched.
    """
    try:
        _create_chunk(batch)
    except _image_fetches.NotThereYet:
        raise
    except (_AnotherWorker, StorageUnavailable):
        # A storage that fails ends nothing: the same rows are looked for again.
        return False
    except budget_refusals.OverBudget:
        batch_counts.pause(batch, reason="budget", actor=batch_counts.RULES)
    except ActionRefused as refusal:
        logger.warning("The batch %s was paused: %s", batch.pk, refusal.code)
        batch_counts.pause(batch, reason="refused", actor=batch_counts.RULES)
    except (InterfaceError, OperationalError):
        raise
    except Exception:
        # Perhaps of the site's own code: other batches and jobs continue.
        logger.exception("The batch %s was paused by an unexpected error.", batch.pk)
        batch_counts.pause(batch, reason="internal_error", actor=batch_counts.RULES)
    return True


def has_pending_rows() -> bool:
    """Return whether rows of some batch wait to become jobs."""
    return _next_batch(()) is not None


def failed_jobs(batch: Batch, *, until: datetime) -> QuerySet[Job]:
    """Return the jobs that failed until then and have not been requested again.

    A pass without an input image is left out: it is requested again with the pass before it.
    """
    jobs: QuerySet[Job] = Job.objects.filter(
        batch=batch,
        state__in=[JobState.FAILED.value, JobState.EXPIRED.value, JobState.CANCELLED.value],
        finished_at__lte=until,
        replacements__isnull=True,
    ).exclude(error_code=pass_chain.STEP_MISSING)
    return jobs


def _next_batch(excluded: Sequence[UUID]) -> Batch | None:
    unprepared = Q(prepared_rows__lt=F("row_count")) & (
        Q(pilot_rows=0) | Q(released_at__isnull=False) | Q(prepared_rows__lt=F("pilot_rows"))
    )
    # While a pilot is reviewed, its rows may be made again; all other pauses hold them, too.
    found: Batch | None = (
        Batch.objects.filter(
            (unprepared | Q(rerun_requested_at__isnull=False)) & Q(paused_at__isnull=True)
            | Q(Exists(reruns.waiting()), Q(paused_at__isnull=True) | Q(pause_reason="pilot")),
            cancelled_at__isnull=True,
        )
        .exclude(pk__in=excluded)
        .select_related(
            "template_version__template",
            "template_version__brand_kit",
            "brand_kit_version__kit",
            "image_model__provider",
            "requester",
            "table",
        )
        .order_by("created_at")
        .first()
    )
    return found


def _create_chunk(batch: Batch) -> None:
    if reruns.create_next(batch):
        return
    actor = _actor(batch)
    if batch.rerun_requested_at is not None:
        _rerun_failed(batch, actor)
    else:
        _create_rows(batch, actor)


def _create_rows(batch: Batch, actor: Actor) -> None:
    end = batch.row_count
    if batch.pilot_rows and batch.released_at is None:
        end = min(end, batch.pilot_rows)
    size = ASKED_CHUNK_SIZE if screening.asks_a_service("prompt", "input") else CHUNK_SIZE
    # All shots of a row in one transaction: the cursor counts rows.
    size = max(1, size // batch.jobs_per_row)
    if batch.mapping.get(row_images.IMAGES):
        # Up to a round number, so that what is left of a chunk needs no image that is not there.
        size = min(size, IMAGE_CHUNK_SIZE - batch.prepared_rows % IMAGE_CHUNK_SIZE)
    keys = batch.rows[batch.prepared_rows : min(end, batch.prepared_rows + size)]
    rows = row_sources.rows_of_batch(batch, batch.prepared_rows, keys)
    urls = row_images.urls_in(row.images for row in rows if not row.problem)
    fetched = _image_fetches.fetched(batch.pk, urls)
    are_away = bool(urls) and all(fetched[url].is_transient for url in urls)
    if are_away and batch.mapping.get(_TRIED) != batch.prepared_rows:
        # Not the rows are wrong. They are tried once more when a person continues, then skipped.
        _image_fetches.forget(batch.pk)
        _pause_for_images(batch)
        return
    try:
        job_requests, errors, count = _compose(batch, actor, rows, fetched)
    except _image_fetches.NotThereYet:
        _image_fetches.forget(batch.pk)
        raise
    # Before the transaction: it would hold its locks while services are asked. Two workers that
    # begin at the same moment may both ask about these rows; only one of them creates the jobs.
    checked = creation.check_requests(actor=actor, job_requests=job_requests)
    _store_rows(batch, actor, keys=keys[:count], checked=checked, errors=errors)
    if count == len(keys):
        _image_fetches.forget(batch.pk)


@use_case()
def _pause_for_images(batch: Batch) -> None:
    # Read anew: its fixed values may have been erased while the images were waited for.
    stored = Batch.objects.select_for_update().values_list("mapping", flat=True).get(pk=batch.pk)
    mapping = {**stored, _TRIED: batch.prepared_rows}
    Batch.objects.filter(pk=batch.pk).update(mapping=mapping)
    batch_counts.pause(batch, reason="images", actor=batch_counts.RULES)


@use_case()
def _store_rows(
    batch: Batch,
    actor: Actor,
    *,
    keys: Sequence[str],
    checked: creation.CheckedRequests,
    errors: Sequence[dict[str, str]],
) -> None:
    # Done first, so that another worker waits here and then finds the cursor moved.
    moved = Batch.objects.filter(
        pk=batch.pk, prepared_rows=batch.prepared_rows, paused_at=None
    ).update(prepared_rows=F("prepared_rows") + len(keys))
    if not moved:
        raise _AnotherWorker
    creation.create_jobs(actor=actor, checked=checked, batch=batch)
    if not checked:
        # Rows that can become no jobs are listed by the batch itself.
        skip_audit_event()
    failpoint("batch.create_mid_chunk")
    # As they are now: what was erased since the batch was read does not come back.
    told = Batch.objects.values_list("invalid_rows", flat=True).get(pk=batch.pk)
    room = max(0, MAX_INVALID_ROWS - len(told))
    if errors[:room]:
        Batch.objects.filter(pk=batch.pk).update(invalid_rows=[*told, *errors[:room]])
    prepared = batch.prepared_rows + len(keys)
    if batch.pilot_rows and batch.released_at is None and prepared >= batch.pilot_rows:
        # The jobs of the pilot continue; only the other rows wait.
        Batch.objects.filter(pk=batch.pk, paused_at=None).update(
            paused_at=clock.now(), pause_reason="pilot"
        )
        event_log.record(
            batch_counts.RULES, "batch.paused", subject=batch, data={"reason_code": "pilot"}
        )


def _compose(
    batch: Batch, actor: Actor, rows: Sequence[RowValues], fetched: Mapping[str, Fetched]
) -> tuple[list[JobRequest], list[dict[str, str]], int]:
    """Return the job requests of some rows, why others have none, and how many rows were looked at.

    Input images are decoded here: no more rows than fit into a few seconds, or a single one.
    """
    job_requests: list[JobRequest] = []
    errors: list[dict[str, str]] = []
    end = time.monotonic() + COMPOSE_SECONDS
    for number, row in enumerate(rows):
        if number and row.images and time.monotonic() > end:
            return job_requests, errors, number
        if row.problem:
            errors.append({"row": row.label[:120], "reason": row.problem[:200]})
            continue
        refused: dict[str, str] = {}
        sources: list[InputSource] | None = None
        for shot in batch.shot_fields or ("",):
            try:
                if sources is None:
                    # Once for all shots of the row, which share the bytes.
                    sources = row_images.read_sources(actor, row.images, fetched=fetched)
                job_requests.append(_job_request(batch, actor, row, shot, sources))
            except StorageUnavailable:
                raise
            except ActionRefused as refusal:
                refused[shot] = refusal.reason[:200]
        for shot, reason in refused.items():
            told = {"row": row.label[:120], "reason": reason}
            if len(refused) == batch.jobs_per_row:
                # A row of which nothing can be made is told once.
                errors.append(told)
                break
            errors.append({**told, "key": row.key, "shot": shot})
    return job_requests, errors, len(rows)


def _job_request(
    batch: Batch, actor: Actor, row: RowValues, shot: str, sources: Sequence[InputSource]
) -> JobRequest:
    job_request = composition.compose(
        actor=actor,
        template=batch.template_version,
        variables=row.values,
        model=batch.image_model,
        row_key=row.key,
        batch=batch,
        brand_kit=batch.brand_kit_version,
        inputs=sources,
        shot=shot,
    )
    if row.images:
        _require_own_size(batch, actor, job_request)
    return replace(job_request, idempotency_key=_idempotency_key(batch, row.key, shot))


def _idempotency_key(batch: Batch, row_key: str, shot: str) -> str:
    """Return what tells a job of a batch from all others, however long the key of its object is."""
    key = f"{batch.pk}:{shot}:{row_key}" if shot else f"{batch.pk}:{row_key}"
    if len(key) <= MAX_KEY_CHARS:
        return key
    # Keys that differ at their ends alone would be one, and all rows but the first lost.
    return f"{batch.pk}:{hashlib.sha256(key.encode()).hexdigest()}"


def _require_own_size(batch: Batch, actor: Actor, job_request: JobRequest) -> None:
    """Require a grant for the size of a row's own image: a large one must not stop the other rows.

    What is not granted at the template's own size is granted for no row, and pauses the batch.

    :raises NotGranted: if the size is not granted.
    """
    version, size = batch.template_version, job_request.provider_request.size
    usual = qualities.quality_of_template(version, batch.image_model)[1]
    operation = job_request.provider_request.operation
    count = job_request.provider_request.count
    asked = partial(
        access.require_grant, actor, image_model=batch.image_model, operation=operation, count=count
    )
    try:
        asked(size=usual)
    except access.NotGranted:
        return
    asked(size=size)


def _rerun_failed(batch: Batch, actor: Actor) -> None:
    """Request the next failed jobs again, each under the current rules and prices."""
    if batch.rerun_requested_at is None:
        return
    most = IMAGE_CHUNK_SIZE if batch.mapping.get(row_images.IMAGES) else CHUNK_SIZE // 10
    jobs = list(
        failed_jobs(batch, until=batch.rerun_requested_at)
        .select_related(
            "template_version__template",
            "template_version__brand_kit",
            "brand_kit_version__kit",
            "image_model__provider",
            "batch",
        )
        .order_by("pk")[:most]
    )
    refused = 0
    for job in jobs:
        try:
            creation.request_images(
                actor=actor, job_request=from_job.job_request_from(actor=actor, job=job)
            )
        except creation.PromptBlocked:
            continue
        except budget_refusals.OverBudget:
            _stop_rerun(batch)
            raise
        except StorageUnavailable:
            raise
        except ActionRefused:
            refused += 1
    if refused == len(jobs):
        _stop_rerun(batch)


@use_case(audited=False)
def _stop_rerun(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(rerun_requested_at=None)


def _actor(batch: Batch) -> Actor:
    """Return who started the batch, as they are now.

    :raises NotPermitted: if it was a person whose account was deleted or is not active any more.
    """
    if batch.actor_kind == "system":
        return System(batch.actor_id)
    # A person's batch never goes on as the system: no grant, group or budget of theirs would count.
    person = access.active_person(batch.requester_id)
    if person is None:
        raise access.NotPermitted(
            _("The next rows were not requested."),
            reason=_("The account that started the batch is no longer active."),
            remedy=access.contact_sentence(),
        )
    return person
