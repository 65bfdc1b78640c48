"""Keep the jobs of one chain together: each follow-up pass of each image is a job that waits.

A pass is released with the image that came out of the one before; where none came, it ends, and its
money is given back.
"""

from __future__ import annotations

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

#: The error of a pass whose image was not made.
STEP_MISSING = "step_missing"


def start_waiting(job: Job, assets: Sequence[Asset]) -> None:
    """Let the passes that wait for these images begin; joins the transaction of their making."""
    if job.chain_length == 1 and job.root_id is None:
        return
    by_number: dict[int | None, Asset] = {asset.position: asset for asset in assets}
    for following in _waiting_for(job):
        asset = by_number.get(following.image_number)
        if asset is None:
            _drop(following)
            continue
        _begin(following, asset)
        Asset.objects.filter(pk=asset.pk).update(is_intermediate=True)
        asset.is_intermediate = True


def cancel_waiting(job: Job) -> None:
    """End the passes that waited for a job which made nothing; joins the transaction of its end."""
    if job.chain_length == 1 and job.root_id is None:
        return
    for following in _waiting_for(job):
        _drop(following)
    # What was to be worked on is the best there is now.
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
    """Return the job that a person wished for: the one that holds the prompt."""
    return job if job.root is None else job.root


def job_ids_of_image(job: Job) -> list[Any]:
    """Return the keys of the jobs that one image came through; of a chain, those of all its images."""
    if job.root_id is None:
        passes = Job.objects.filter(root=job) if job.chain_length > 1 else Job.objects.none()
        return [job.pk, *passes.order_by("pk").values_list("pk", flat=True)]
    same = Job.objects.filter(root=job.root_id, image_number=job.image_number)
    return [job.root_id, *same.order_by("pk").values_list("pk", flat=True)]


def jobs_leading_to(job: Job) -> list[Job]:
    """Return the jobs that one image came through, first to last."""
    found = [job]
    while found[0].follows_id is not None:
        before = Job.objects.select_related("image_model__provider").get(pk=found[0].follows_id)
        found.insert(0, before)
    return found


def total_spent(job: Job) -> Decimal:
    """Return what the whole chain has cost by now, with all passes of all images."""
    if job.root_id is None and job.chain_length == 1:
        return job.actual_cost or Decimal(0)
    root = job.root_id or job.pk
    of_all = Job.objects.filter(Q(pk=root) | Q(root=root))
    return of_all.aggregate(total=Sum("actual_cost"))["total"] or Decimal(0)


def is_complete(job: Job) -> bool:
    """Return whether every pass of a chain was made; asked of its first job."""
    if job.chain_length == 1:
        return True
    return not Job.objects.filter(root=job).exclude(state=JobState.SUCCEEDED.value).exists()


def is_waiting_for_image(job: Job) -> bool:
    """Return whether a job waits for the one that it follows."""
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


def _begin(job: Job, asset: Asset) -> None:
    now = clock.now()
    # Only while nobody ended it meanwhile.
    if not Job.objects.filter(pk=job.pk, state=JobState.QUEUED.value).update(due_at=now):
        return
    JobInput.objects.create(
        job=job,
        position=0,
        role=InputRole.IMAGE.value,
        asset=asset,
        sha256=asset.sha256,
        storage_key=asset.storage_key,
        media_type=asset.media_type,
        width=asset.width,
        height=asset.height,
    )
    model = job.image_model
    key = fingerprint(
        request_for_model(job, model, with_bytes=False),
        provider=model.provider.slug,
        model_version=model.version,
    )
    Job.objects.filter(pk=job.pk).update(
        fingerprint=key, request_digest=canonical.digest({"fingerprint": key, "root": job.root_id})
    )


def _drop(job: Job) -> None:
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
