"""Keep the jobs of one wish together: each follow-up pass of each image is a job that waits.

All of them are requested, priced and reserved at once. A pass is released with the image that came
out of the one before; where none came, it ends, and its money is given back.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q, Sum

from imagegen_app import conf
from imagegen_app.core import canonical
from imagegen_app.core.fingerprint import fingerprint
from imagegen_app.core.passes import FACTORS, Pass
from imagegen_app.core.states import JobState
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.models import Asset, Batch, Job, JobInput
from imagegen_app.models.amounts import amount as exact
from imagegen_app.services import audit, budgets, clock, steps
from imagegen_app.services.moves import WORKER, move
from imagegen_app.services.rebuild import request_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.services.steps import Step

#: The error of a pass whose image was not made.
STEP_MISSING = "step_missing"


def build(root: Job, planned: Sequence[Step]) -> list[Job]:
    """Return the jobs that follow each image of a job, in order; they are not stored."""
    root.step_count = 1 + len(planned) * root.count
    found: list[Job] = []
    patience = timedelta(seconds=conf.get().job_deadline_seconds)
    for number in range(root.count if planned else 0):
        before, deadline = root, root.deadline_at
        for step in planned:
            estimate = steps.price_of(step, is_last=step is planned[-1])
            deadline += patience
            job = Job(
                state=JobState.QUEUED.value,
                operation=step.operation.value,
                image_model=step.image_model,
                template_version=root.template_version,
                batch=root.batch,
                row_key=root.row_key,
                root=root,
                follows=before,
                image_number=number,
                requester=root.requester,
                actor_kind=root.actor_kind,
                actor_id=root.actor_id,
                width=step.size.width,
                height=step.size.height,
                count=1,
                output_format="png",
                policy=root.policy,
                # Nobody takes it up before it is released, or too late to be.
                due_at=deadline,
                deadline_at=deadline,
                estimated_cost=estimate.total.amount,
                extras_estimate=estimate.extras,
                currency=estimate.images.currency,
                priority=root.priority,
                turn=root.turn,
            )
            found.append(job)
            before = job
    return found


def entry(job: Job) -> audit.Entry:
    """Return the event that tells that a pass was requested with its job."""
    return audit.Entry(
        "job.requested",
        subject=job,
        job=job,
        data={
            "operation": job.operation,
            "model": job.image_model.slug,
            "model_version": job.image_model.version,
            "provider": job.image_model.provider.slug,
            "count": job.count,
            "size": f"{job.width}x{job.height}",
            "follows": job.follows_id,
            "estimated_cost": job.estimated_cost,
            "currency": job.currency,
        },
    )


def store(root: Job, planned: Sequence[Step], *, actor: Any) -> None:
    """Store the jobs that follow one job, and set their money aside; joins the transaction.

    :raises OverBudget: if they do not fit into a budget.
    """
    following = build(root, planned)
    if not following:
        return
    Job.objects.filter(pk=root.pk).update(step_count=root.step_count)
    Job.objects.bulk_create(following)
    audit.record_many(actor, [entry(job) for job in following])
    for job in following:
        budgets.reserve(actor=actor, job=job, amount=job.estimated_cost)
    if root.batch_id is not None:
        cost = sum(job.estimated_cost for job in following)
        Batch.objects.filter(pk=root.batch_id).update(
            total=F("total") + len(following), estimated=F("estimated") + exact(cost)
        )


def release(job: Job, assets: Sequence[Asset]) -> None:
    """Let the passes that wait for these images begin; joins the transaction of their making."""
    if job.step_count == 1 and job.root_id is None:
        return
    by_number: dict[int | None, Asset] = {asset.position: asset for asset in assets}
    for following in _waiting_for(job):
        asset = by_number.get(following.image_number)
        if asset is None:
            _drop(following)
            continue
        _begin(following, asset)
        Asset.objects.filter(pk=asset.pk).update(is_step=True)
        asset.is_step = True


def drop(job: Job) -> None:
    """End the passes that waited for a job which made nothing; joins the transaction of its end."""
    if job.step_count == 1 and job.root_id is None:
        return
    for following in _waiting_for(job):
        _drop(following)
    # What was to be worked on is the best there is now.
    Asset.objects.filter(used_as_input__job=job, is_step=True).update(is_step=False)


def whole(job: Job) -> list[Job]:
    """Return all jobs of the wish that a job belongs to, in the order of their passes."""
    root = job.root_id or job.pk
    found = list(
        Job.objects.filter(Q(pk=root) | Q(root=root)).select_related("image_model__provider")
    )
    before = {one.pk: one.follows_id for one in found}
    return sorted(found, key=lambda one: (_number_of(one), _depth(one.pk, before)))


def first_of(job: Job) -> Job:
    """Return the job that a person wished for: the one that holds the prompt."""
    return job if job.root is None else job.root


def trail(job: Job) -> list[Any]:
    """Return the keys of the jobs that one image came through; of a wish, those of all its images."""
    if job.root_id is None:
        passes = Job.objects.filter(root=job) if job.step_count > 1 else Job.objects.none()
        return [job.pk, *passes.order_by("pk").values_list("pk", flat=True)]
    same = Job.objects.filter(root=job.root_id, image_number=job.image_number)
    return [job.root_id, *same.order_by("pk").values_list("pk", flat=True)]


def path_to(job: Job) -> list[Job]:
    """Return the jobs that one image came through, first to last."""
    found = [job]
    while found[0].follows_id is not None:
        before = Job.objects.select_related("image_model__provider").get(pk=found[0].follows_id)
        found.insert(0, before)
    return found


def spent_on(job: Job) -> Decimal:
    """Return what the whole wish has cost by now, with all passes of all images."""
    if job.root_id is None and job.step_count == 1:
        return job.actual_cost or Decimal(0)
    root = job.root_id or job.pk
    of_all = Job.objects.filter(Q(pk=root) | Q(root=root))
    return of_all.aggregate(total=Sum("actual_cost"))["total"] or Decimal(0)


def is_complete(job: Job) -> bool:
    """Say whether every pass of a wish was made; asked of its first job."""
    if job.step_count == 1:
        return True
    return not Job.objects.filter(root=job).exclude(state=JobState.SUCCEEDED.value).exists()


def is_waiting(job: Job) -> bool:
    """Say whether a job waits for the one that it follows."""
    return job.follows_id is not None and not job.inputs.all()


def passes_after(job: Job) -> tuple[Pass, ...]:
    """Return the passes that were to follow a job, as they were wished for."""
    found: list[Pass] = []
    before, number = job, job.image_number or 0
    while True:
        following = (
            Job.objects.filter(follows=before, image_number=number)
            .select_related("image_model")
            .first()
        )
        if following is None:
            return tuple(found)
        factor = following.width // before.width
        found.append(
            Pass(
                operation=Operation(following.operation),
                model=following.image_model.slug,
                factor=factor if factor in FACTORS else 1,
            )
        )
        before = following


def fingerprint_with(key: str, planned: Sequence[Step]) -> str:
    """Return the cache key of a wish with its passes."""
    if not planned:
        return key
    return canonical.digest({"request": key, "passes": [step.key for step in planned]})


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
        key=asset.key,
        media_type=asset.media_type,
        width=asset.width,
        height=asset.height,
    )
    model = job.image_model
    key = fingerprint(
        request_to(job, model, with_bytes=False),
        provider=model.provider.slug,
        model_version=model.version,
    )
    Job.objects.filter(pk=job.pk).update(
        fingerprint=key, request_digest=canonical.digest({"fingerprint": key, "root": job.root_id})
    )


def _drop(job: Job) -> None:
    move(
        job,
        JobState.CANCELLED,
        error_code=STEP_MISSING,
        error_message="The previous pass produced no image.",
        error_remedy="Request the previous pass again.",
        actual_cost=0,
    )
    budgets.release(actor=WORKER, job=job)
    audit.record(
        WORKER, "job.cancelled", subject=job, job=job, data={"was_billed": False, "because": "step"}
    )
    drop(job)
