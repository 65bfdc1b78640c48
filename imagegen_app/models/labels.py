"""Call the values of our enumerations by words, once for all tables and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from imagegen_app.core.states import AttemptState, JobState, Lifecycle, Outcome, ReviewState
from imagegen_app.core.types import InputRole, Operation

if TYPE_CHECKING:
    from enum import StrEnum

    from django.utils.functional import _StrPromise

#: By enumeration, since members of two of them may be equal as text.
LABELS: dict[type[StrEnum], dict[StrEnum, _StrPromise]] = {
    JobState: {
        JobState.QUEUED: _("Queued"),
        JobState.SUBMITTING: _("Submitting"),
        JobState.AWAITING: _("Awaiting"),
        JobState.INGESTING: _("Ingesting"),
        JobState.UNCERTAIN: _("Uncertain"),
        JobState.SUCCEEDED: _("Succeeded"),
        JobState.FAILED: _("Failed"),
        JobState.BLOCKED: _("Blocked"),
        JobState.CANCELLED: _("Cancelled"),
        JobState.EXPIRED: _("Expired"),
    },
    AttemptState: {
        AttemptState.CREATED: _("Created"),
        AttemptState.SENT: _("Sent"),
        AttemptState.ACCEPTED: _("Accepted"),
        AttemptState.ANSWERED: _("Answered"),
        AttemptState.SETTLED: _("Settled"),
        AttemptState.REFUSED: _("Refused"),
        AttemptState.UNKNOWN: _("Unknown"),
        AttemptState.VOID: _("Void"),
    },
    ReviewState: {
        ReviewState.PENDING: _("Pending"),
        ReviewState.APPROVED: _("Approved"),
        ReviewState.REJECTED: _("Rejected"),
        ReviewState.WITHDRAWN: _("Withdrawn"),
    },
    Lifecycle: {
        Lifecycle.DRAFT: _("Draft"),
        Lifecycle.CANARY: _("Canary"),
        Lifecycle.ACTIVE: _("Active"),
        Lifecycle.DEPRECATED: _("Deprecated"),
        Lifecycle.RETIRED: _("Retired"),
    },
    Outcome: {
        Outcome.PASSED: _("Passed"),
        Outcome.HELD: _("Held"),
        Outcome.BLOCKED: _("Blocked"),
    },
    Operation: {
        Operation.GENERATE: _("Generate"),
        Operation.EDIT: _("Edit"),
        Operation.INPAINT: _("Inpaint"),
        Operation.OUTPAINT: _("Outpaint"),
        Operation.VARY: _("Vary"),
        Operation.UPSCALE: _("Upscale"),
        Operation.REMOVE_BACKGROUND: _("Remove background"),
        Operation.CONTROL: _("Control"),
    },
    InputRole: {
        InputRole.IMAGE: _("Image"),
        InputRole.MASK: _("Mask"),
        InputRole.REFERENCE: _("Reference"),
    },
}


def choices(kind: type[StrEnum]) -> list[tuple[str, _StrPromise]]:
    """Return an enumeration as Django's choices."""
    return [(member.value, LABELS[kind][member]) for member in kind]
