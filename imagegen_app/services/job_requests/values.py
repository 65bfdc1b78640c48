"""Hold what a request is made of: the request, its input images and passes, and what does not fit.

Values only: nothing here reads a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core import passes
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.models.labels import choices
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.prompts import RenderedPrompt
    from imagegen_app.core.types import Complaint, GenerationRequest, Size
    from imagegen_app.models import Asset, Batch, ImageModel, Job, TemplateVersion


class InvalidJobRequest(ActionRefused):
    """Something in the job request does not fit; `field` names the part."""

    code = "invalid_job_request"

    def __init__(self, reason: str, *, field: str = "", remedy: str = "") -> None:
        super().__init__(
            _("This request cannot be made."),
            reason=reason,
            remedy=remedy or _("Change it and try again."),
        )
        self.field = field


class InvalidPass(ActionRefused):
    """A follow-up pass cannot be made as it is declared."""

    code = "invalid_pass"

    def __init__(self, reason: str) -> None:
        super().__init__(
            _("This request cannot be made."), reason=reason, remedy=contact_sentence()
        )


@dataclass(frozen=True, slots=True)
class InputSource:
    """An input image: bytes of a file, or an asset of ours."""

    role: InputRole = InputRole.IMAGE
    data: bytes = field(default=b"", repr=False)
    asset: Asset | None = None


@dataclass(frozen=True, slots=True)
class PlannedPass:
    """One pass that follows: by which model, and the size that comes out."""

    image_model: ImageModel
    operation: Operation
    size: Size

    #: How many times larger each side becomes.
    factor: int = 1

    @property
    def label(self) -> str:
        """What the step is called."""
        one = passes.Pass(self.operation, self.image_model.slug, self.factor)
        return describe_pass(one, model=self.image_model.name)

    @property
    def key(self) -> dict[str, Any]:
        """What decides the pass's image."""
        return {
            "model": self.image_model.slug,
            "version": self.image_model.version,
            "operation": self.operation,
            "size": str(self.size),
        }


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One complete request, not yet authorised."""

    image_model: ImageModel
    provider_request: GenerationRequest
    template_version: TemplateVersion | None = None
    #: The values as the requester gave them, as text.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: The rendered prompt with its variables' places.
    rendered: RenderedPrompt | None = None
    #: The assets that inputs came from, by position.
    input_assets: tuple[Asset | None, ...] = ()
    idempotency_key: str = ""
    batch: Batch | None = None
    row_key: str = ""
    #: The ended job that this one is requested again for.
    replaces: Job | None = None
    #: What is done to each image afterwards.
    passes: tuple[PlannedPass, ...] = ()
    #: What to do when the outcome of a call is unknown.
    unknown_outcome_policy: str = "at_most_once"

    @property
    def has_random_seed(self) -> bool:
        """Whether the same job request would give another image each time."""
        return self.provider_request.seed is None


def describe_pass(one: passes.Pass, *, model: str = "") -> str:
    """Return what a pass is called."""
    if one.operation is Operation.UPSCALE:
        return _("Upscale %(factor)s times with %(model)s") % {
            "factor": one.factor,
            "model": model or one.model,
        }
    return _("Remove the background with %(model)s") % {"model": model or one.model}


def describe_part(part: str) -> str:
    """Return what a part of a request is called; the name of a model's own parameter stays."""
    known = {
        "operation": _("operation"),
        "count": _("images"),
        "prompt": _("prompt"),
        "negative_prompt": _("negative prompt"),
        "size": _("size"),
        "quality": _("quality"),
        "output_format": _("format"),
        "background": _("background"),
        "seed": _("seed"),
        "inputs": _("input images"),
        "mask": _("mask"),
    }
    return known.get(part) or part.replace("_", " ")


def complaint_reason(complaint: Complaint) -> str:
    """Return in the reader's language why a part of a request does not fit."""
    values = dict(complaint.reason.values)
    if "operation" in values:
        values["operation"] = dict(choices(Operation))[str(values["operation"])]
    return _(complaint.reason.text) % values


def describe_complaint(image_model: ImageModel, complaint: Complaint) -> str:
    """Say that a model cannot do what is asked of it, in which part, and why."""
    return _("“%(model)s” does not support this (%(part)s): %(why)s.") % {
        "model": image_model.name,
        "part": describe_part(complaint.part),
        "why": complaint_reason(complaint),
    }
