"""Publish the newest checkpoint to the site's places, and record which of them have a copy."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core import translog
from imagegen_app.models import AuditEvent, Checkpoint, CheckpointCopy
from imagegen_app.services.audit import _given_up, _published_checkpoints, log_key, sealing
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import checkpoint_places, publication_status
from imagegen_app.services.gateways.publication_status import PUBLISH_SECONDS, newest_copy

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.core import notes
    from imagegen_app.core.actors import Actor

#: The failure of a place is not recorded again within this time.
FAILURE_SECONDS: Final = 24 * 3600
_log = logging.getLogger("imagegen.audit")


def has_places() -> bool:
    """Return whether the site names places to publish to."""
    return bool(conf.get().audit.publish_to)


def is_due() -> bool:
    """Return whether a place lacks the newest checkpoint and its last copy is an hour old."""
    newest = _newest()
    return newest is not None and any(
        _is_due(name, newest) for name in checkpoint_places.build_places()
    )


def publish(actor: Actor, *, force: bool = False) -> dict[str, str]:
    """Publish the newest checkpoint to the places; return each place's problem, empty for none.

    Without `force`, only to those whose last copy is an hour old. A log that does not continue what
    a place has is published nowhere: an alarm is recorded as an event.

    :raises KeyUnreadable: if the log's key cannot be read.
    """
    newest = _newest()
    places = checkpoint_places.build_places()
    if newest is not None and not force:
        places = {name: place for name, place in places.items() if _is_due(name, newest)}
    if newest is None or not places:
        return {}
    problems = dict.fromkeys(places, "")
    ring, given_up, earlier = log_key.ring(), _given_up.checkpoints(), []
    for name, readable in checkpoint_places.readable(places).items():
        try:
            earlier.append(_published_checkpoints.newest(ring, readable, given_up=given_up))
        except checkpoint_places.PlaceFailed as error:
            # A folder that is not there yet is made when something is written to it.
            _log.info("Copies in %s cannot be read: %s", name, error)
    if not _is_continued(actor, earlier=[copy for copy in earlier if copy is not None]):
        refusal = _("the log does not continue what was published: verify it")
        return dict.fromkeys(places, f"{refusal}. {publication_status.restore_remedy()}")
    statement = checkpoint_places.Statement(
        origin=conf.get().audit.origin, size=newest.size, root=newest.root, note=newest.note
    )
    for name, place in places.items():
        try:
            place.publish(statement)
        except checkpoint_places.PlaceFailed as error:
            problems[name] = str(error)
        except Exception as error:  # noqa: BLE001 - the site's own back ends may raise anything
            problems[name] = _("the place's back end raised %(error)s; check its settings") % {
                "error": type(error).__name__
            }
        if problems[name]:
            _log.warning("A checkpoint could not be published to %s: %s", name, problems[name])
    _record(actor, newest, problems)
    return problems


def _newest() -> Checkpoint | None:
    return Checkpoint.objects.order_by("-size", "-pk").first()


def _is_due(place: str, newest: Checkpoint) -> bool:
    copy = newest_copy(place)
    if copy is None:
        return True
    # An idle log is signed again, which says nothing new.
    is_old = copy.published_at <= clock.now() - timedelta(seconds=PUBLISH_SECONDS)
    return is_old and (copy.checkpoint.size, copy.checkpoint.root) != (newest.size, newest.root)


@use_case(audited=False)
def _is_continued(actor: Actor, *, earlier: list[notes.Checkpoint]) -> bool:
    tiles = translog.TileReader(sealing.fetch_tile)
    return sealing.is_continued(actor, tiles=tiles, size=sealing.log_size(), earlier=earlier)


@use_case(audited=False)
def _record(actor: Actor, checkpoint: Checkpoint, problems: dict[str, str]) -> None:
    now = clock.now()
    for name, problem in problems.items():
        if not problem:
            # Never changed: publishing again adds nothing to a place.
            CheckpointCopy.objects.get_or_create(
                checkpoint=checkpoint, place=name, defaults={"published_at": now}
            )
    told = _failures_told(since=now - timedelta(seconds=FAILURE_SECONDS))
    for name in sorted(problems.keys() - told):
        if problems[name]:
            data = {"places": name, "error": problems[name][:200]}
            event_log.record(actor, "log.publishing_failed", data=data)


def _failures_told(*, since: datetime) -> set[str]:
    """Return the places whose failure was recorded since then."""
    events = AuditEvent.objects.filter(type="log.publishing_failed", at__gte=since)
    told = set()
    for body in events.values_list("body", flat=True):
        # One that was changed tells of nothing; the verification reports it.
        with suppress(ValueError, LookupError, TypeError):
            told.add(str(json.loads(body)["data"]["places"]))
    return told
