"""Find the restores of the log that were accepted, and the checkpoints that were given up by them."""

from __future__ import annotations

from imagegen_app.core import log_restores
from imagegen_app.models import AuditEvent


def accepted_restores() -> tuple[log_restores.AcceptedRestore, ...]:
    """Return the restores that the log tells of, oldest first.

    Only sealed events count: one that was forged is sealed together with an alarm.
    """
    rows = AuditEvent.objects.filter(type=log_restores.EVENT, leaf__isnull=False).order_by(
        "leaf__seq"
    )
    return log_restores.read_all(rows.values_list("body", flat=True))


def checkpoints() -> frozenset[tuple[int, bytes]]:
    """Return size and root of the published checkpoints that were given up."""
    return log_restores.all_given_up(accepted_restores())
