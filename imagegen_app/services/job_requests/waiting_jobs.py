"""Have jobs that wait for something of the site tried again at once, after a person mended it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.services.jobs import waiting
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.core.states import WaitingReason


def try_again_now(*, actor: Actor, reason: WaitingReason) -> int:
    """Make all jobs that wait for this reason due at once; return how many there are.

    :raises NotPermitted: without the permission to resolve jobs.
    """
    access.require_permission(actor, "resolve_job")
    return waiting.try_now(reason, actor=actor)
