"""Define the translatable labels of our enumerations, shared by all models and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from imagegen_app.core.colours import Colour
from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.operations import InputRole, Operation
from imagegen_app.core.states import (
    AttemptState,
    CostSource,
    JobState,
    Lifecycle,
    RejectionReason,
    ReviewState,
    VerdictOutcome,
    WaitingReason,
)
from imagegen_app.core.variable_kinds import VariableKind

if TYPE_CHECKING:
    from enum import StrEnum

    from django.utils.functional import _StrPromise

#: By enumeration, since members of two enumerations may be equal as text.
LABELS: dict[type[StrEnum], dict[StrEnum, _StrPromise]] = {
    Colour: {
        Colour.RED: pgettext_lazy("colour", "Red"),
        Colour.ORANGE: pgettext_lazy("colour", "Orange"),
        Colour.YELLOW: pgettext_lazy("colour", "Yellow"),
        Colour.LIME: pgettext_lazy("colour", "Lime"),
        Colour.GREEN: pgettext_lazy("colour", "Green"),
        Colour.SPRING: pgettext_lazy("colour", "Sea green"),
        Colour.CYAN: pgettext_lazy("colour", "Turquoise"),
        Colour.AZURE: pgettext_lazy("colour", "Sky blue"),
        Colour.BLUE: pgettext_lazy("colour", "Blue"),
        Colour.VIOLET: pgettext_lazy("colour", "Violet"),
        Colour.MAGENTA: pgettext_lazy("colour", "Magenta"),
        Colour.ROSE: pgettext_lazy("colour", "Pink"),
        Colour.BLACK: pgettext_lazy("colour", "Black"),
        Colour.WHITE: pgettext_lazy("colour", "White"),
        Colour.GREY: pgettext_lazy("colour", "Grey"),
    },
    JobState: {
        JobState.QUEUED: _("Queued"),
        JobState.SUBMITTING: _("Sending to provider"),
        JobState.AWAITING: _("Generating"),
        JobState.INGESTING: _("Preparing images"),
        JobState.UNCERTAIN: _("Outcome unknown"),
        JobState.SUCCEEDED: pgettext_lazy("state of a job", "Completed"),
        JobState.FAILED: _("Failed"),
        JobState.BLOCKED: pgettext_lazy("state of a job", "Blocked by content check"),
        JobState.CANCELLED: _("Cancelled"),
        JobState.EXPIRED: _("Not finished in time"),
    },
    WaitingReason: {
        WaitingReason.STORAGE: _("the storage of the images does not work"),
        WaitingReason.CERTIFICATE: _("the signing certificate cannot be used"),
        WaitingReason.TIME_STAMP: _("the time-stamp authority does not answer"),
        WaitingReason.DISK: _("the worker has no room for answers"),
        WaitingReason.INTERNAL_ERROR: _("the site's own software failed"),
        WaitingReason.CREDENTIAL: _("the key of the provider cannot be read"),
        WaitingReason.OTHER_HOST: _("the provider's answer is on another host"),
        WaitingReason.PROVIDER: _("the provider cannot be called with the site's settings"),
    },
    CostSource: {
        CostSource.REPORTED: _("reported by the provider"),
        CostSource.COMPUTED: _("computed from the price list"),
        CostSource.ESTIMATED: _("estimated before the call"),
        CostSource.FREE: _("within the free allowance"),
    },
    AttemptState: {
        AttemptState.CREATED: _("Not sent yet"),
        AttemptState.SENT: _("Sent"),
        AttemptState.ACCEPTED: _("Accepted"),
        AttemptState.ANSWERED: _("Answer received"),
        AttemptState.SETTLED: _("Cost booked"),
        AttemptState.REFUSED: _("Failed, not billed"),
        AttemptState.UNKNOWN: _("Outcome unknown"),
        AttemptState.VOID: _("Discarded, not billed"),
    },
    ReviewState: {
        ReviewState.PENDING: _("Waiting for review"),
        ReviewState.APPROVED: pgettext_lazy("state of an image", "Approved"),
        ReviewState.REJECTED: pgettext_lazy("state of an image", "Rejected"),
        ReviewState.WITHDRAWN: _("Withdrawn"),
    },
    RejectionReason: {
        RejectionReason.FAULTY: _("Visible faults or poor quality"),
        RejectionReason.OFF_BRIEF: _("Not what was asked for"),
        RejectionReason.OFF_BRAND: _("Does not fit the brand"),
        RejectionReason.MISLEADING: _("Could mislead about a product or a fact"),
        RejectionReason.REAL_PERSON: _("Shows a real person without permission"),
        RejectionReason.THIRD_PARTY: _("Shows another's brand, design or work"),
        RejectionReason.OTHER: _("Another reason, in the note"),
    },
    Lifecycle: {
        Lifecycle.DRAFT: _("Draft"),
        Lifecycle.CANARY: _("On trial"),
        Lifecycle.ACTIVE: _("Active"),
        Lifecycle.DEPRECATED: _("Deprecated"),
        Lifecycle.RETIRED: _("Retired"),
    },
    HardCategory: {
        HardCategory.SEXUAL_MINORS: _("Sexual content with minors"),
        HardCategory.INTIMATE_IMAGES: _("Intimate images of real persons"),
    },
    VerdictOutcome: {
        VerdictOutcome.PASSED: _("Passed"),
        VerdictOutcome.HELD: _("Held for review"),
        VerdictOutcome.BLOCKED: pgettext_lazy("verdict", "Blocked"),
    },
    Operation: {
        Operation.GENERATE: _("Generate"),
        Operation.EDIT: _("Edit"),
        Operation.INPAINT: _("Retouch an area"),
        Operation.OUTPAINT: _("Extend the image"),
        Operation.VARY: _("Create a variation"),
        Operation.UPSCALE: _("Upscale"),
        Operation.REMOVE_BACKGROUND: _("Remove background"),
        Operation.CONTROL: _("Follow a guide image"),
        Operation.ERASE: _("Erase an object"),
        Operation.REPLACE: _("Replace an object"),
        Operation.RECOLOUR: _("Change colours"),
        Operation.RELIGHT: _("Change the lighting"),
        Operation.RESTORE_FACES: _("Restore faces"),
    },
    InputRole: {
        InputRole.IMAGE: _("Image"),
        InputRole.MASK: _("Mask"),
        InputRole.REFERENCE: _("Reference"),
        InputRole.CONTROL: _("Guide for shapes"),
        InputRole.STYLE: _("Guide for the style"),
    },
    VariableKind: {
        VariableKind.TEXT: _("Text"),
        VariableKind.CHOICE: _("Choice"),
        VariableKind.COLOUR: _("Colour"),
        VariableKind.NUMBER: _("Number"),
        VariableKind.SWITCH: _("Yes or no"),
        VariableKind.IMAGE: _("Image"),
    },
}


def choices(kind: type[StrEnum]) -> list[tuple[str, _StrPromise]]:
    """Return an enumeration as `choices` of a Django field."""
    return [(member.value, LABELS[kind][member]) for member in kind]
