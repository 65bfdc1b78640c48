"""Decide about calls whose answer never came: learn their fate, wait, or ask a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.states import JobState
from imagegen_app.models import WebhookDelivery
from imagegen_app.providers import registry
from imagegen_app.services import clock, jobs, leases, spool
from imagegen_app.services.budgets import OverBudget

if TYPE_CHECKING:
    from imagegen_app.core.types import Recovery
    from imagegen_app.models import Attempt, Job

#: How soon a provider that can be asked is asked again.
LOOK_AGAIN_SECONDS = 30.0


def spooled(attempt: Attempt) -> bool:
    """Say whether the whole answer lies in the spool, whatever the row says."""
    return spool.answer_of(attempt).is_complete


def ways(attempt: Attempt) -> frozenset[Recovery]:
    """Return how the fate of this attempt can be learnt."""
    return registry.describe(attempt.image_model.provider.adapter).recovery


def give_up_or_wait(job: Job, attempt: Attempt) -> None:
    """Take the next rung after a call or a look-up that told nothing.

    The spool first; then, if the provider can be asked, ask it again soon. Else the job's policy
    decides: `at_least_once` sends again and says so, `at_most_once` waits for a person.
    """
    if spooled(attempt):
        jobs.answered(job, attempt)
        leases.postpone(job, seconds=0)
    elif job.state == JobState.UNCERTAIN and job.deadline_at <= clock.now():
        jobs.close_unknown(job, attempt)
    elif ways(attempt) or WebhookDelivery.objects.filter(attempt=attempt).exists():
        jobs.became_uncertain(job, attempt, look_again=LOOK_AGAIN_SECONDS)
    elif job.policy == "at_least_once":
        try:
            jobs.send_again_at_risk(job, attempt, actor=jobs.WORKER)
        except OverBudget:
            jobs.became_uncertain(job, attempt, look_again=None)
    else:
        jobs.became_uncertain(job, attempt, look_again=None)
