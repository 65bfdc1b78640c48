"""Collect the content of the panel on the admin's index page: images, tasks and problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, Min, Q

from imagegen_app.core.actors import Person
from imagegen_app.core.states import RUNNING_STATES, JobState, ReviewQueue
from imagegen_app.models import Asset, Job
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.gateways import publication_status
from imagegen_app.services.monitoring import (
    doctor,
    incidents,
    waiting_counts,
    withdrawal_status,
)
from imagegen_app.services.policy import access, budgets, setup_progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.policy.setup_progress import SetupStep

RECENT = 8
#: Rows are counted up to one more than this; the panel then shows "100+".
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
    #: What keeps the log from being bound by copies elsewhere, for people who may verify it.
    log_problems: tuple[publication_status.PublicationProblem, ...] = ()
    #: What keeps images from being generated, for people who may change providers.
    problems: tuple[doctor.CheckResult, ...] = ()
    #: What jobs wait for that a person may have mended, for people who may resolve jobs.
    waiting: tuple[waiting_counts.WaitingJobs, ...] = ()
    #: Which withdrawn images are not gone everywhere, for people who may withdraw images.
    withdrawals: tuple[withdrawal_status.LateWithdrawals, ...] = ()
    #: Outages of models that the person may use.
    incidents: tuple[incidents.IncidentNotice, ...] = ()
    #: The step that is missing before anybody may request images, for people who may take it.
    setup_step: SetupStep | None = None


#: Who has none of these permissions may see none of the panel.
PERMISSIONS: Final = (
    "request_job",
    "approve_asset",
    "withdraw_asset",
    "verify_audit",
    "resolve_job",
)


def has_dashboard(actor: Actor) -> bool:
    """Return whether the actor may see any of the panel."""
    return any(access.has_permission(actor, name) for name in PERMISSIONS)


def build_dashboard(
    actor: Actor, *, find_setup_step: Callable[[], SetupStep | None] | None = None
) -> Dashboard | None:
    """Return the panel's content for an actor, or None if the actor may see none of it.

    A page that knows already how far the site is set up says so by `find_setup_step`.
    """
    if not has_dashboard(actor):
        return None
    can_request = access.has_permission(actor, "request_job")
    can_review = access.has_permission(actor, "approve_asset")
    can_verify = access.has_permission(actor, "verify_audit")
    can_resolve = access.has_permission(actor, "resolve_job")
    can_withdraw = can_review or access.has_permission(actor, "withdraw_asset")
    requester: Any = actor.user if isinstance(actor, Person) else None
    models = access.granted_models(actor) if can_request else []
    checkpoint = publication_status.newest_checkpoint() if can_verify else None
    uncertain, waiting = _stopped_jobs() if can_resolve else (0, ())
    live, recent = worker_registry.live_workers(within=doctor.SILENT_SECONDS)
    return Dashboard(
        recent=tuple(
            Asset.objects.filter(job__requester=requester, is_intermediate=False)
            .select_related("job")
            .prefetch_related("renditions")
            .order_by("-created_at")[:RECENT]
        )
        if can_request
        else (),
        my_running_jobs=_count(Job.objects.filter(requester=requester, state__in=RUNNING_STATES))
        if can_request
        else 0,
        to_review=_count(Asset.objects.in_queue(ReviewQueue.WAITING)) if can_review else 0,
        uncertain=uncertain,
        workers=live,
        allowance=budgets.allowance(actor, models[0]) if models else None,
        can_request=can_request,
        can_review=can_review,
        can_verify=can_verify,
        log_size=0 if checkpoint is None else checkpoint.size,
        log_problems=tuple(publication_status.publication_problems(checkpoint))
        if can_verify
        else (),
        problems=tuple(
            doctor.critical_problems(recent_workers=recent, with_waiting=not can_resolve)
        )
        if access.has_permission(actor, "change_provider")
        else (),
        waiting=waiting,
        withdrawals=tuple(withdrawal_status.late_withdrawals()) if can_withdraw else (),
        incidents=tuple(incidents.hindering(models)),
        # Who has a model sees that others could have one, too.
        setup_step=(find_setup_step or setup_progress.site_step)()
        if not models and access.has_permission(actor, setup_progress.PERMISSION)
        else None,
    )


def _stopped_jobs() -> tuple[int, tuple[waiting_counts.WaitingJobs, ...]]:
    """Return how many jobs are uncertain, and which wait for something of the site, in one query."""
    is_uncertain = Q(state=JobState.UNCERTAIN.value)
    rows = Job.objects.unfinished().filter(is_uncertain | ~Q(waiting_for="")).values("waiting_for")
    counts = list(
        rows.annotate(
            count=Count("pk"),
            uncertain=Count("pk", filter=is_uncertain),
            since=Min("waiting_since"),
        ).order_by("waiting_for")
    )
    uncertain = sum(row["uncertain"] for row in counts)
    waiting = tuple(found for row in counts if (found := waiting_counts.row_of(row)) is not None)
    return min(uncertain, MAX_COUNT + 1), waiting


def _count(rows: Any) -> int:
    return int(rows[: MAX_COUNT + 1].count())
