"""Keep the jobs of one chain together: each follow-up pass of each image is a job that waits.

A pass is released with the image that the previous pass produced. If there is none, the pass is
cancelled and its reservation released.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Q, Sum

from imagegen_app.core import canonical
from imagegen_app.core.fingerprint import fingerprint
from imagegen_app.core.states import JobState
from imagegen_app.core.types import InputRole
from imagegen_app.models import Asset, Job, JobInput
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.jobs.rebuilding import request_for_model
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR, transition
from imagegen_app.services.policy import budgets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The error code of a pass whose previous pass produced no image.
STEP_MISSING = "step_missing"


@dataclass(frozen=True, slots=True)
class PassInput:
    """What a pass sends of the image that the previous pass produced, in storage."""

    storage_key: str
    sha256: str
    media_type: str
    width: int
    height: int


def start_waiting(job: Job, assets: Sequence[Asset], *, inputs: Mapping[Any, PassInput]) -> None:
    """Release the passes that wait for these images; joins the transaction that stores them.

    `inputs` holds what is sent of each image, by the asset's key.
    """
    if job.chain_length == 1 and job.root_id is None:
        return
    by_number: dict[int | None, Asset] = {asset.position: asset for asset in assets}
    for following in _waiting_for(job):
        asset = by_number.get(following.image_number)
        if asset is None:
            _cancel_pass(following)
            continue
        _release(following, asset, inputs[asset.pk])
        Asset.objects.filter(pk=asset.pk).update(is_intermediate=True)
        asset.is_intermediate = True


def cancel_waiting(job: Job) -> None:
    """Cancel the passes that wait for a job without images; joins the transaction of its end."""
    if job.chain_length == 1 and job.root_id is None:
        return
    for following in _waiting_for(job):
        _cancel_pass(following)
    # No pass follows any more: the intermediate image becomes the result.
    Asset.objects.filter(used_as_input__job=job, is_intermediate=True).update(is_intermediate=False)


def all_jobs(job: Job) -> list[Job]:
    """Return all jobs of the chain that a job belongs to, in the order of their passes."""
    root = job.root_id or job.pk
    found = list(
        Job.objects.filter(Q(pk=root) | Q(root=root)).select_related("image_model__provider")
    )
    before = {one.pk: one.follows_id for one in found}
    return sorted(found, key=lambda one: (_number_of(one), _depth(one.pk, before)))


def root_job(job: Job) -> Job:
    """Return the chain's first job, which a person requested and which holds the prompt."""
    return job if job.root is None else job.root


def job_ids_of_image(job: Job) -> list[Any]:
    """Return the keys of the jobs of one image, or for a chain's first job, of all its images."""
    if job.root_id is None:
        passes = Job.objects.filter(root=job) if job.chain_length > 1 else Job.objects.none()
        return [job.pk, *passes.order_by("pk").values_list("pk", flat=True)]
    same = Job.objects.filter(root=job.root_id, image_number=job.image_number)
    return [job.root_id, *same.order_by("pk").values_list("pk", flat=True)]


def jobs_leading_to(job: Job) -> list[Job]:
    """Return the jobs that led to a job's images, first to last, itself included."""
    found = [job]
    while found[0].follows_id is not None:
        before = Job.objects.select_related("image_model__provider").get(pk=found[0].follows_id)
        found.insert(0, before)
    return found


def pass_numbers(job: Job) -> dict[Any, int]:
    """Return for each job of a chain which pass of its image it is, by its key; the first one is 1.

    A job that reuses the images of an earlier one has that one's chain.
    """
    root = job.cached_from_id or job.root_id or job.pk
    before = dict(Job.objects.filter(Q(pk=root) | Q(root=root)).values_list("pk", "follows_id"))
    return {key: 1 + _depth(key, before) for key in before}


def total_spent(job: Job) -> Decimal:
    """Return the cost of the whole chain so far: all passes of all images."""
    if job.root_id is None and job.chain_length == 1:
        return job.actual_cost or Decimal(0)
    root = job.root_id or job.pk
    of_all = Job.objects.filter(Q(pk=root) | Q(root=root))
    return of_all.aggregate(total=Sum("actual_cost"))["total"] or Decimal(0)


def is_complete(job: Job) -> bool:
    """Return whether every pass of a chain has succeeded; `job` is its first job."""
    if job.chain_length == 1:
        return True
    return not Job.objects.filter(root=job).exclude(state=JobState.SUCCEEDED.value).exists()


def is_waiting_for_image(job: Job) -> bool:
    """Return whether a pass waits for the image of the previous one."""
    return job.follows_id is not None and not job.inputs.all()


def _number_of(job: Job) -> int:
    return -1 if job.image_number is None else job.image_number


def _depth(key: Any, before: Mapping[Any, Any]) -> int:
    depth = 0
    while before.get(key) is not None:
        key, depth = before[key], depth + 1
    return depth


def _waiting_for(job: Job) -> list[Job]:
    rows = Job.objects.filter(follows=job, state=JobState.QUEUED.value, inputs__isnull=True)
    return list(rows.select_related("image_model__provider", "requester").order_by("pk"))


def _release(job: Job, asset: Asset, sent: PassInput) -> None:
    now = clock.now()
    # Only if it was not ended meanwhile.
    if not Job.objects.filter(pk=job.pk, state=JobState.QUEUED.value).update(due_at=now):
        return
    JobInput.objects.create(
        job=job,
        position=0,
        role=InputRole.IMAGE.value,
        asset=asset,
        sha256=sent.sha256,
        storage_key=sent.storage_key,
        media_type=sent.media_type,
        width=sent.width,
        height=sent.height,
    )
    model = job.image_model
    key = fingerprint(
        request_for_model(job, model),
        provider=model.provider.slug,
        model_version=model.version,
    )
    Job.objects.filter(pk=job.pk).update(
        fingerprint=key, request_digest=canonical.digest({"fingerprint": key, "root": job.root_id})
    )


def _cancel_pass(job: Job) -> None:
    transition(
        job,
        JobState.CANCELLED,
        error_code=STEP_MISSING,
        error_message="The previous pass produced no image.",
        error_remedy="Request the previous pass again.",
        actual_cost=0,
    )
    budgets.release(actor=WORKER_ACTOR, job=job)
    event_log.record(
        WORKER_ACTOR,
        "job.cancelled",
        subject=job,
        job=job,
        data={"was_billed": False, "because": "step"},
    )
    cancel_waiting(job)
