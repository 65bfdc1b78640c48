"""Collect what the front page of the admin tells a person: what waits, what is new, what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagegen_app.core.actors import Person
from imagegen_app.core.states import JobState, ReviewState
from imagegen_app.models import Asset, Checkpoint, Job
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access, budgets

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

RECENT = 8
#: Counting stops here; "100+" says as much.
MAX_COUNT = 100


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The panel's content; parts that a person may not see are empty."""

    recent: tuple[Asset, ...]
    my_running_jobs: int
    to_review: int
    uncertain: int
    workers: int
    allowance: budgets.Allowance | None
    can_request: bool
    can_review: bool
    can_verify: bool
    log_size: int
    #: What keeps images from being made, for those who can fix it.
    problems: tuple[doctor.CheckResult, ...] = ()


def build_dashboard(actor: Actor) -> Dashboard | None:
    """Return the panel for a person, or None where there is nothing for them; bounded queries."""
    may_request = access.has_permission(actor, "request_job")
    may_review = access.has_permission(actor, "approve_asset")
    may_verify = access.has_permission(actor, "verify_audit")
    may_resolve = access.has_permission(actor, "resolve_job")
    if not (may_request or may_review or may_verify or may_resolve):
        return None
    mine: Any = actor.user if isinstance(actor, Person) else None
    models = access.granted_models(actor) if may_request else []
    last = Checkpoint.objects.order_by("-size").first() if may_verify else None
    return Dashboard(
        recent=tuple(
            Asset.objects.filter(job__requester=mine, is_intermediate=False)
            .select_related("job")
            .prefetch_related("renditions")
            .order_by("-created_at")[:RECENT]
        )
        if may_request
        else (),
        my_running_jobs=_count(Job.objects.unfinished().filter(requester=mine))
        if may_request
        else 0,
        to_review=_count(
            Asset.objects.filter(review_state=ReviewState.PENDING.value, is_intermediate=False)
        )
        if may_review
        else 0,
        uncertain=_count(Job.objects.filter(state=JobState.UNCERTAIN.value)) if may_resolve else 0,
        workers=worker_registry.count_live_workers(),
        allowance=budgets.allowance(actor, models[0]) if models else None,
        can_request=may_request,
        can_review=may_review,
        can_verify=may_verify,
        log_size=0 if last is None else last.size,
        problems=tuple(doctor.critical_problems())
        if access.has_permission(actor, "change_provider")
        else (),
    )


def _count(rows: Any) -> int:
    return int(rows[: MAX_COUNT + 1].count())
