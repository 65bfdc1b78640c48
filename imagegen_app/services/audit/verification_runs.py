"""Verify the log, and record in it who did so with which result."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from imagegen_app.services.audit import sealing, verification
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy.access import require_permission

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.audit.verification import VerificationReport


def verify_and_record(
    actor: Actor,
    *,
    since: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VerificationReport:
    """Seal the log, verify it as `verification.verify` does, and record the result as an event.

    :raises NotPermitted: without the permission to verify the log.
    :raises NoSuchCheckpoint: if there is no valid checkpoint of the size `since`.
    :raises KeyUnreadable: if the log's key cannot be read.
    :raises SealerBusy: if another process seals for longer than we wait.
    """
    require_permission(actor, "verify_audit")
    # What keeps it from being sealed is what the verification finds.
    with suppress(sealing.LogDamaged):
        sealing.seal_all()
    report = verification.verify(since=since, progress=progress)
    _record(actor, report, since=since)
    return report


@use_case()
def _record(actor: Actor, report: VerificationReport, *, since: int | None) -> None:
    data: dict[str, object] = {"size": report.size, "root": report.root}
    if since is not None:
        data["from"] = since
    if report.ok:
        if report.restores:
            data["restores"] = len(report.restores)
        event_log.record(actor, "log.verified", data=data)
        return
    first = report.first
    data |= {
        "finding": first.kind if first is not None else "",
        "entry": first.seq if first is not None else None,
        "count": report.finding_count,
    }
    event_log.record(actor, "log.verification_failed", data=data)
