"""Build the jobs of follow-up passes: each pass of each image is a job that waits for its image.

All of them are created, priced and reserved together with the job that they follow.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.passes import Pass, passes_from
from imagegen_app.core.states import JobState
from imagegen_app.models import Job
from imagegen_app.services.foundation import event_log
from imagegen_app.services.job_requests import pass_planning
from imagegen_app.services.job_requests._rows import requested_facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.services.job_requests.values import PlannedPass


def build_follow_ups(root: Job, planned: Sequence[PlannedPass]) -> list[Job]:
    """Return the unsaved jobs of the passes of each image of `root`, in order."""
    root.chain_length = 1 + len(planned) * root.count
    jobs: list[Job] = []
    time_per_pass = timedelta(seconds=conf.get().job_deadline_seconds)
    for number in range(root.count if planned else 0):
        before, deadline = root, root.deadline_at
        for one in planned:
            estimate = pass_planning.pass_estimate(
                one, is_last=one is planned[-1], is_row=root.batch_id is not None
            )
            deadline += time_per_pass
            job = Job(
                state=JobState.QUEUED.value,
                operation=one.operation.value,
                image_model=one.image_model,
                template_version=root.template_version,
                brand_kit_version=root.brand_kit_version,
                batch=root.batch,
                row_key=root.row_key,
                shot=root.shot,
                root=root,
                follows=before,
                image_number=number,
                requester=root.requester,
                actor_kind=root.actor_kind,
                actor_id=root.actor_id,
                width=one.size.width,
                height=one.size.height,
                count=1,
                prompt=one.instruction,
                output_format=one.output_format,
                unknown_outcome_policy=root.unknown_outcome_policy,
                # Not claimed before the pass before it has ended, or its deadline has passed.
                due_at=deadline,
                deadline_at=deadline,
                estimated_cost=estimate.total.amount,
                estimated_extras=estimate.extras,
                currency=estimate.images.currency,
                priority=root.priority,
                queue_order=root.queue_order,
            )
            jobs.append(job)
            before = job
    return jobs


def requested_event(job: Job) -> event_log.NewEvent:
    """Return the event that records the request of a follow-up pass."""
    return event_log.NewEvent(
        "job.requested",
        subject=job,
        job=job,
        data=requested_facts(job) | {"follows": job.follows_id},
        personal={"prompt": job.prompt} if job.prompt else {},
    )


def requested_passes(job: Job) -> tuple[Pass, ...]:
    """Return the follow-up passes that were requested with a job; of a pass, those behind it."""
    requested = passes_from((job.root or job).passes)
    number, before = 0, job
    while before.follows is not None:
        number, before = number + 1, before.follows
    return requested[number:]
