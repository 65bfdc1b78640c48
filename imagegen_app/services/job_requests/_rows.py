"""Build the rows of jobs from checked requests, and the events that record them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.actors import Person
from imagegen_app.core.states import JobState
from imagegen_app.models import Job, JobInput
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.gateways import manifests, screening, storage
from imagegen_app.services.job_requests import cache_hits, fair_share, sessions
from imagegen_app.services.job_requests.kit_effects import event_data
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.closed_content import CLOSED_MESSAGE
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.job_requests import prices
    from imagegen_app.services.job_requests.values import JobRequest

#: Jobs that a person waits for go before jobs of batches.
INTERACTIVE_PRIORITY = 10
BATCH_PRIORITY = 0


def priority_of(job_request: JobRequest) -> int:
    """Return the priority of the job; higher goes first."""
    return BATCH_PRIORITY if job_request.batch else INTERACTIVE_PRIORITY


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A job request that is granted, priced and screened, ready to become a job."""

    job_request: JobRequest
    #: The rule that allows it, as the log records it, such as `grant:7`.
    rule: str
    #: The estimated cost without follow-up passes.
    estimate: prices.Estimate
    screened: tuple[screening.UnsavedVerdict, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether a screener blocked it."""
        return screening.is_blocked(self.screened)

    @property
    def is_closed(self) -> bool:
        """Whether a screener blocked it for good, so that its images may not even be stored."""
        return screening.hard_category_of(self.screened) is not None


def build_jobs(actor: Actor, checked: Sequence[CheckedRequest]) -> list[Job]:
    """Return the unsaved jobs of checked requests; blocked and cached ones have ended already.

    :raises ActionRefused: if a job that one of them replaces was requested again meanwhile.
    """
    _require_unreplaced(checked)
    keys = {one.job_request.session for one in checked if one.job_request.session}
    if keys and isinstance(actor, Person):
        sessions.ensure_sessions(actor, keys)
    now = clock.now()
    cached_jobs = cache_hits.find_cached_jobs(
        [one.job_request for one in checked if not one.is_blocked]
    )
    next_orders: dict[int, int] = {}
    jobs: list[Job] = []
    for one in checked:
        priority = priority_of(one.job_request)
        if priority not in next_orders:
            next_orders[priority] = fair_share.next_queue_order(actor, priority=priority)
        fingerprint = cache_hits.fingerprint_of(one.job_request)
        jobs.append(
            _row(
                actor,
                one,
                fingerprint=fingerprint,
                now=now,
                queue_order=next_orders[priority],
                cached=None if one.is_blocked else cached_jobs.get(fingerprint),
            )
        )
        next_orders[priority] += 1
    return jobs


def _require_unreplaced(checked: Sequence[CheckedRequest]) -> None:
    """Require that nobody has requested the same ended jobs again at the same moment."""
    replaced = [one.job_request.replaces.pk for one in checked if one.job_request.replaces]
    if not replaced:
        return
    # The lock makes the second of two requests wait until the first one's new job can be seen.
    list(Job.objects.select_for_update().filter(pk__in=replaced).order_by("pk").values_list("pk"))
    if Job.objects.filter(replaces__in=replaced).exists():
        raise ActionRefused(
            _("Nothing was requested."),
            reason=_("It has already been requested again."),
            remedy="",
            is_already_done=True,
        )


def build_inputs(job_request: JobRequest, job: Job) -> list[JobInput]:
    """Store the files of a request's input images, and return their unsaved rows.

    :raises StorageUnavailable: if they cannot be stored at present.
    """
    rows: list[JobInput] = []
    pairs = zip(job_request.provider_request.inputs, job_request.input_origins, strict=True)
    for position, (image, origin) in enumerate(pairs):
        if not image.data:
            raise ValueError("a planned input image was never read")
        extension = image.media_type.partition("/")[2].replace("jpeg", "jpg")
        with refuse_on_storage_failure(_("The images were not requested.")):
            key, sha256 = storage.put("inputs", image.data, extension=extension)
            original_key = ""
            if origin.original:
                original_key, _hash = storage.put(
                    "inputs", origin.original, extension=origin.extension
                )
            manifest_key = manifests.keep_manifest(origin.manifest) if origin.manifest else ""
        rows.append(
            JobInput(
                job=job,
                position=position,
                role=image.role.value,
                guide={} if image.guide is None else asdict(image.guide),
                asset=origin.asset,
                sha256=sha256,
                storage_key=key,
                original_storage_key=original_key,
                digital_source_type=origin.digital_source_type,
                media_type=image.media_type,
                width=image.width,
                height=image.height,
                ingredient_facts={} if origin.manifest is None else origin.manifest.facts.as_dict(),
                manifest_key=manifest_key,
                content_origin={} if origin.content is None else origin.content.as_dict(),
                found_at=origin.found_at[:500],
            )
        )
    return rows


def entries(one: CheckedRequest, job: Job, *, is_row: bool) -> list[event_log.NewEvent]:
    """Return the events that record how a request became a job.

    For a row of a batch (`is_row`), verdicts are part of the event instead of events of their own,
    except in a hard category.
    """
    request = one.job_request.provider_request
    data = _requested_event_data(one.job_request, job=job, rule=one.rule)
    new_events: list[event_log.NewEvent] = []
    if is_row:
        # Ten thousand rows need no separate events for content checks.
        data["screened"] = _outcomes(one.screened)
        closed = [s for s in one.screened if s.decision.hard_category is not None]
        new_events += screening.entries(job, closed)
    else:
        new_events += screening.entries(job, one.screened)
    new_events.append(
        event_log.NewEvent(
            "job.requested",
            subject=job,
            job=job,
            data=data,
            personal={"prompt": request.prompt, "negative_prompt": request.negative_prompt},
        )
    )
    if one.is_blocked:
        categories = sorted({c for s in one.screened for c in s.decision.categories})
        new_events.append(
            event_log.NewEvent("job.blocked", subject=job, job=job, data={"categories": categories})
        )
    elif job.cached_from_id is not None:
        new_events.append(
            event_log.NewEvent(
                "job.cached", subject=job, job=job, data={"earlier": job.cached_from_id}
            )
        )
    return new_events


def _outcomes(screened: Sequence[screening.UnsavedVerdict]) -> list[dict[str, str]]:
    """Return each screener's outcome for each part, as event data."""
    return [
        {"screener": one.screener, "part": one.part, "outcome": one.decision.outcome.value}
        for one in screened
    ]


def _requested_event_data(job_request: JobRequest, *, job: Job, rule: str) -> dict[str, object]:
    """Return the data of the event `job.requested`."""
    version, kit = job_request.template_version, job_request.brand_kit
    return requested_facts(job) | {
        "seed": job.seed,
        "template": "" if version is None else str(version.template.slug),
        "template_version": None if version is None else version.number,
        **({"shot": job.shot} if job.shot else {}),
        "rule": rule,
        **event_data(None if kit is None else kit.version),
        **_content_origins(job_request),
    }


def _content_origins(job_request: JobRequest) -> dict[str, object]:
    """Return which fields of the site's objects the input images were taken from, if any were."""
    found = [one.content.as_dict() for one in job_request.input_origins if one.content is not None]
    return {"inputs_from": found} if found else {}


def requested_facts(job: Job) -> dict[str, object]:
    """Return what the event `job.requested` says of every job, however it came into being."""
    return {
        "operation": job.operation,
        "model": job.image_model.slug,
        "model_version": job.image_model.version,
        "provider": job.image_model.provider.slug,
        "count": job.count,
        "size": f"{job.width}x{job.height}",
        "estimated_cost": job.estimated_cost,
        "currency": job.currency,
    }


def _row(
    actor: Actor,
    one: CheckedRequest,
    *,
    fingerprint: str,
    now: datetime,
    queue_order: int,
    cached: Job | None,
) -> Job:
    job_request, request, estimate = one.job_request, one.job_request.provider_request, one.estimate
    state = JobState.QUEUED
    ended: dict[str, object] = {}
    screening_cost = screening.cost_of(one.screened)
    if one.is_blocked:
        state = JobState.BLOCKED
        ended = {
            "finished_at": now,
            "actual_cost": screening_cost,
            "error_code": "content_blocked",
            "error_message": CLOSED_MESSAGE
            if one.is_closed
            else "The content check blocked the request.",
            "error_remedy": "Change the prompt or the input image, then try again.",
        }
    elif cached is not None:
        state = JobState.SUCCEEDED
        ended = {"finished_at": now, "actual_cost": screening_cost}
    return Job(
        state=state.value,
        operation=request.operation.value,
        image_model=job_request.image_model,
        template_version=job_request.template_version,
        brand_kit_version=job_request.brand_kit.version if job_request.brand_kit else None,
        batch=job_request.batch,
        row_key=job_request.row_key,
        shot=job_request.shot,
        replaces=job_request.replaces,
        session_id=job_request.session if isinstance(actor, Person) else None,
        grid=job_request.grid.key if job_request.grid else None,
        grid_cell=job_request.grid.cell if job_request.grid else None,
        grid_axes=dict(job_request.grid.axes) if job_request.grid else {},
        requester=actor.user if isinstance(actor, Person) else None,
        actor_kind=actor.kind,
        actor_id=actor.id,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        variables=dict(job_request.variables),
        width=request.size.width,
        height=request.size.height,
        count=request.count,
        seed=request.seed,
        quality=request.quality,
        output_format=request.output_format,
        background=request.background,
        parameters=dict(request.parameters),
        loras=[asdict(one) for one in request.loras],
        chosen=dict(job_request.chosen),
        passes=[one.requested.as_dict() for one in job_request.passes],
        fingerprint=fingerprint,
        request_digest=cache_hits.digest_of(job_request, fingerprint=fingerprint),
        idempotency_key=job_request.idempotency_key or None,
        cached_from=cached,
        chain_length=1 if cached is None else cached.chain_length,
        asks_for_review=job_request.asks_for_review or job_request.batch is not None,
        unknown_outcome_policy=job_request.unknown_outcome_policy,
        due_at=None if ended else now,
        deadline_at=now + timedelta(seconds=conf.get().job_deadline_seconds),
        estimated_cost=estimate.total.amount,
        estimated_extras=estimate.extras,
        screening_cost=screening_cost,
        currency=estimate.images.currency,
        priority=priority_of(job_request),
        queue_order=queue_order,
        **ended,
    )
