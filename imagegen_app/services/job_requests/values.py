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
from imagegen_app.services.policy.access import Refused, whom_to_ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.prompts import Rendered
    from imagegen_app.core.types import Complaint, GenerationRequest, Size
    from imagegen_app.models import Asset, Batch, ImageModel, Job, TemplateVersion


class InvalidWish(Refused):
    """Something in the wish does not fit; `field` names the part."""

    code = "invalid_wish"

    def __init__(self, why: str, *, field: str = "", remedy: str = "") -> None:
        super().__init__(
            _("This request cannot be made."),
            why=why,
            remedy=remedy or _("Change it and try again."),
        )
        self.field = field


class BadStep(Refused):
    """A follow-up pass cannot be made as it is declared."""

    code = "bad_step"

    def __init__(self, why: str) -> None:
        super().__init__(_("This request cannot be made."), why=why, remedy=whom_to_ask())


@dataclass(frozen=True, slots=True)
class Upload:
    """An input image: bytes of a file, or an asset of ours."""

    role: InputRole = InputRole.IMAGE
    data: bytes = field(default=b"", repr=False)
    asset: Asset | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One pass that follows: by which model, and the size that comes out."""

    image_model: ImageModel
    operation: Operation
    size: Size

    #: How many times larger each side becomes.
    factor: int = 1

    @property
    def words(self) -> str:
        """What the step is called."""
        one = passes.Pass(self.operation, self.image_model.slug, self.factor)
        return in_words(one, model=self.image_model.name)

    @property
    def key(self) -> dict[str, Any]:
        """What decides the pass's picture."""
        return {
            "model": self.image_model.slug,
            "version": self.image_model.version,
            "operation": self.operation,
            "size": str(self.size),
        }


@dataclass(frozen=True, slots=True)
class Wish:
    """One complete request, not yet authorised."""

    image_model: ImageModel
    request: GenerationRequest
    template_version: TemplateVersion | None = None
    #: The values as the requester gave them, as text.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: The rendered prompt with its variables' places.
    rendered: Rendered | None = None
    #: The assets that inputs came from, by position.
    input_assets: tuple[Asset | None, ...] = ()
    idempotency_key: str = ""
    batch: Batch | None = None
    row_key: str = ""
    #: The ended job that this one is requested again for.
    replaces: Job | None = None
    #: What is done to each image afterwards.
    steps: tuple[Step, ...] = ()
    #: What to do when the outcome of a call is unknown.
    policy: str = "at_most_once"

    @property
    def has_random_seed(self) -> bool:
        """Whether the same wish would give another picture each time."""
        return self.request.seed is None


def in_words(one: passes.Pass, *, model: str = "") -> str:
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
    values = dict(complaint.why.values)
    if "operation" in values:
        values["operation"] = dict(choices(Operation))[str(values["operation"])]
    return _(complaint.why.text) % values


def describe_complaint(image_model: ImageModel, complaint: Complaint) -> str:
    """Say that a model cannot do what is asked of it, in which part, and why."""
    return _("“%(model)s” does not support this (%(part)s): %(why)s.") % {
        "model": image_model.name,
        "part": describe_part(complaint.part),
        "why": complaint_reason(complaint),
    }
