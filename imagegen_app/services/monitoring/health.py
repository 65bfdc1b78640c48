"""Collect what the page "Health" shows: providers, workers, what waits, and past incidents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imagegen_app.models import Incident, Provider, Worker
from imagegen_app.services.foundation import clock, error_help, worker_registry
from imagegen_app.services.jobs import incident_records
from imagegen_app.services.monitoring import doctor, provider_status, waiting_counts
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

#: Who has none of these permissions may not see the page.
PERMISSIONS: Final = ("change_provider", "resolve_job", "view_worker", "view_incident")
INCIDENTS: Final = 20


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """A provider and whether it accepts calls."""

    provider: Provider
    status: str
    is_well: bool


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident with the jobs that it has affected so far."""

    incident: Incident
    #: What failed, in a few words.
    error: str
    affected: int


@dataclass(frozen=True, slots=True)
class Health:
    """The content of the page; parts that a person may not see are empty."""

    providers: tuple[ProviderHealth, ...]
    workers: tuple[Worker, ...]
    live_workers: int
    problems: tuple[doctor.CheckResult, ...]
    waiting: tuple[waiting_counts.WaitingJobs, ...]
    incidents: tuple[IncidentRow, ...]


def has_health(actor: Actor) -> bool:
    """Return whether the actor may see any of the page."""
    return any(access.has_permission(actor, name) for name in PERMISSIONS)


def build_health(actor: Actor) -> Health:
    """Return what an actor may see of it."""
    live, recent = worker_registry.live_workers(within=doctor.SILENT_SECONDS)
    may_resolve = access.has_permission(actor, "resolve_job")
    may_mend = access.has_permission(actor, "change_provider")
    return Health(
        providers=tuple(map(_provider_health, _providers())),
        workers=tuple(Worker.objects.filter(stopped_at=None, last_seen_at__gte=clock.ago(3600)))
        if access.has_permission(actor, "view_worker")
        else (),
        live_workers=live,
        problems=tuple(doctor.critical_problems(recent_workers=recent, with_waiting=False))
        if may_mend
        else (),
        waiting=tuple(waiting_counts.waiting_jobs()) if may_resolve else (),
        incidents=_incidents(),
    )


def _providers() -> list[Provider]:
    rows = Provider.objects.filter(is_enabled=True).select_related("rate_limit")
    return list(rows.prefetch_related("breakers").order_by("name"))


def _provider_health(provider: Provider) -> ProviderHealth:
    status = provider_status.provider_status(provider)
    is_well = not any(row.open_until is not None for row in provider.breakers.all())
    return ProviderHealth(provider, status, is_well)


def _incidents() -> tuple[IncidentRow, ...]:
    rows = Incident.objects.select_related("provider", "image_model", "stand_in")
    return tuple(
        IncidentRow(
            row,
            error_help.error_title(row.error_code) or row.error_code,
            row.affected_count if row.closed_at else incident_records.affected_jobs(row),
        )
        # Those that are open come first; there is one for each breaker at most.
        for row in sorted(
            rows.order_by("-opened_at", "-pk")[:INCIDENTS],
            key=lambda one: (one.closed_at is not None, -one.opened_at.timestamp()),
        )
    )
