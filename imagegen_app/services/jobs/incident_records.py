"""Keep a record of each outage while its circuit breaker is open; joins the breaker's use cases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import F

from imagegen_app.models import Incident, Job
from imagegen_app.services.foundation import clock, event_log

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from imagegen_app.core.actors import System
    from imagegen_app.core.errors import ProviderError
    from imagegen_app.models import ImageModel

#: Ended jobs that were requested longer before an outage are not searched for.
_EARLIER: Final = timedelta(days=1)


def open_incident(
    actor: System, *, key: str, job: Job, is_account: bool, error: ProviderError
) -> None:
    """Record that a breaker has opened; nothing where its incident is open already."""
    model = job.image_model
    incident, is_new = Incident.objects.get_or_create(
        open_key=key,
        defaults={
            "provider": model.provider,
            "image_model": None if is_account else model,
            "operation": "" if is_account else job.operation,
            "opened_at": clock.now(),
            "error_code": error.code[:40],
        },
    )
    if is_new:
        event_log.record(
            actor, "incident.opened", subject=incident, data=_told(incident, error=error.code)
        )


def close_incidents(actor: System, *, keys: Collection[str]) -> None:
    """Record that breakers have closed, and how many jobs waited or failed meanwhile."""
    rows = Incident.objects.filter(open_key__in=keys).select_related("provider", "image_model")
    for incident in rows:
        incident.open_key = None
        incident.closed_at = clock.now()
        incident.affected_count = affected_jobs(incident)
        incident.save(update_fields=["open_key", "closed_at", "affected_count"])
        event_log.record(
            actor,
            "incident.closed",
            subject=incident,
            data=_told(incident, jobs=incident.affected_count),
        )


def count_fail_over(*, keys: Collection[str], to: ImageModel) -> None:
    """Count a job that goes on with another model because of an open incident."""
    rows = Incident.objects.filter(open_key__in=keys)
    rows.update(failed_over_count=F("failed_over_count") + 1, stand_in=to)


def affected_jobs(incident: Incident) -> int:
    """Return how many jobs wait because of an incident, ended in it, or went on elsewhere."""
    of_it = Job.objects.filter(image_model__provider=incident.provider_id)
    if incident.image_model_id is not None:
        of_it = Job.objects.filter(
            image_model=incident.image_model_id, operation=incident.operation
        )
    waiting = of_it.unfinished().count()
    # By the index of the time of request; few jobs wait for longer than a day.
    since = incident.opened_at - _EARLIER
    ended = of_it.filter(created_at__gte=since, finished_at__gte=incident.opened_at)
    failed = ended.filter(state__in=("failed", "expired")).count()
    return waiting + failed + incident.failed_over_count


def _told(incident: Incident, **data: Any) -> dict[str, Any]:
    model = incident.image_model
    told = {"provider": incident.provider.slug, **data}
    if model is not None:
        told |= {"model": model.slug, "operation": incident.operation}
    return told
