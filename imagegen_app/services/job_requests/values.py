"""Value classes of a job request, its input images and passes, and the errors of invalid ones.

Nothing here queries the database.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core import passes
from imagegen_app.core.types import InputRole, Operation, texts_in
from imagegen_app.models.labels import choices
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from imagegen_app.core.mask_drawings import MaskDrawing
    from imagegen_app.core.prompts import RenderedPrompt
    from imagegen_app.core.types import Complaint, ControlGuide, GenerationRequest, Lora, Size
    from imagegen_app.models import (
        Asset,
        Batch,
        BrandKitVersion,
        ImageModel,
        Job,
        TemplateVersion,
    )
    from imagegen_app.services.gateways.manifests import UploadManifest


#: The size that keeps the proportions of the first input image.
SIZE_OF_SOURCE = "source"


class InvalidJobRequest(ActionRefused):
    """A part of the job request is not valid; `field` names it."""

    code = "invalid_job_request"

    def __init__(
        self, reason: str, *, field: str = "", remedy: str = "", position: int | None = None
    ) -> None:
        super().__init__(
            _("This request is not valid."),
            reason=reason,
            remedy=remedy or _("Change it and try again."),
        )
        self.field = field
        #: Which of several parts of that name it is, such as follow-up passes, counted from 0.
        self.position = position


class InvalidPass(ActionRefused):
    """A follow-up pass is not valid."""

    code = "invalid_pass"

    def __init__(self, reason: str, *, position: int | None = None) -> None:
        super().__init__(_("This request is not valid."), reason=reason, remedy=contact_sentence())
        #: Which of several passes it is, counted from 0.
        self.position = position


@dataclass(frozen=True, slots=True)
class ContentOrigin:
    """The field of an object of the site whose own image is an input."""

    #: `app_label.Model.field`.
    field: str
    #: The object's primary key as text.
    object_id: str

    def as_dict(self) -> dict[str, str]:
        """Return it as it is stored."""
        return {"field": self.field, "object": self.object_id}

    @classmethod
    def from_dict(cls, stored: Mapping[str, str]) -> ContentOrigin | None:
        """Return what was stored; None if nothing was."""
        return cls(stored.get("field", ""), stored.get("object", "")) if stored else None


@dataclass(frozen=True, slots=True)
class InputSource:
    """An input image: the bytes of an uploaded file, or an existing asset."""

    #: What it is for: the image itself, its mask, a control image or a style.
    role: InputRole = InputRole.IMAGE
    #: The file of an upload; empty for an asset.
    data: bytes = field(default=b"", repr=False)
    #: An image of the library; None for an upload.
    asset: Asset | None = None
    #: The source type that an earlier job recorded for the upload; empty for a new one.
    digital_source_type: str = ""
    #: For a control image: how it guides the result.
    guide: ControlGuide | None = None
    #: For a mask: how it was drawn; without data, that is all there is of it.
    drawing: MaskDrawing | None = None
    #: Where the site shows the file, if it is not an upload to this request.
    content: ContentOrigin | None = None
    #: Whether an earlier job had it: that it may be used was required then.
    is_reused: bool = False
    #: Where the bytes were found: an address without its query, or a file's name in its storage.
    found_at: str = ""
    #: What names an image that is read later: a request with it has a price, and becomes no job.
    planned: str = ""


@dataclass(frozen=True, slots=True)
class InputOrigin:
    """Where an input image comes from, while the request holds what is sent of it."""

    asset: Asset | None = None
    #: The uploaded bytes where they are kept, and their file extension.
    original: bytes = field(default=b"", repr=False)
    extension: str = ""
    #: The source type that an upload's own metadata or manifest claims, if it is one of AI.
    digital_source_type: str = ""
    #: The Content Credentials of an upload; None for an asset, which has its own.
    manifest: UploadManifest | None = None
    #: Where the site shows an upload; None for one that was sent with the request.
    content: ContentOrigin | None = None
    #: See `InputSource`.
    found_at: str = ""


@dataclass(frozen=True, slots=True)
class PlannedPass:
    """A planned follow-up pass: its operation and model, and the size of its image."""

    image_model: ImageModel
    operation: Operation
    size: Size
    #: How many times larger each side becomes.
    factor: int = 1
    #: What an edit is to change; empty for other operations.
    instruction: str = ""
    #: The file format of its image at the provider.
    output_format: str = "png"

    @property
    def label(self) -> str:
        """The name of the pass for people."""
        return describe_pass(self.requested, model=self.image_model.name)

    @property
    def requested(self) -> passes.Pass:
        """The pass as it was requested."""
        return passes.Pass(self.operation, self.image_model.slug, self.factor, self.instruction)

    @property
    def key(self) -> dict[str, Any]:
        """What the pass's image depends on, as a part of the cache key."""
        return {
            "model": self.image_model.slug,
            "version": self.image_model.version,
            "operation": self.operation,
            "size": str(self.size),
            "instruction": self.instruction,
            "output_format": self.output_format,
        }


@dataclass(frozen=True, slots=True)
class GridPlace:
    """Where a request stands in a grid of several that are made together."""

    key: UUID
    #: Its number, row by row, from 0.
    cell: int
    #: What differs across (`columns`) and down (`rows`), and how many columns there are (`width`).
    axes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AppliedKit:
    """The brand kit of a request, and what it added to it."""

    version: BrandKitVersion
    #: What was appended to the prompt.
    words: str = ""
    #: What was appended to the negative prompt.
    negative_words: str = ""
    loras: tuple[Lora, ...] = ()
    reference_count: int = 0
    #: None where the request has a seed of its own.
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A complete request for a job, not yet authorized or priced."""

    image_model: ImageModel
    provider_request: GenerationRequest
    template_version: TemplateVersion | None = None
    #: None without one.
    brand_kit: AppliedKit | None = None
    #: The template's variables as the requester gave them, as text.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: The rendered prompt and where each variable's value is in it.
    rendered: RenderedPrompt | None = None
    #: Where the input images came from, by position.
    input_origins: tuple[InputOrigin, ...] = ()
    idempotency_key: str = ""
    batch: Batch | None = None
    row_key: str = ""
    #: The short name of the template's shot that it makes; empty without one.
    shot: str = ""
    #: The ended job that this request runs again.
    replaces: Job | None = None
    #: The follow-up passes of each image, in order.
    passes: tuple[PlannedPass, ...] = ()
    #: What somebody chose of the size, quality, format and background; see `Job.chosen`.
    chosen: Mapping[str, str] = field(default_factory=dict)
    #: Whether its images ask for a review by themselves, as those of code and of batches do.
    asks_for_review: bool = False
    #: The studio's session that it is made in; it begins with its first request.
    session: UUID | None = None
    #: Its place among several that are made together; None for a request of its own.
    grid: GridPlace | None = None
    #: After an unknown outcome, `at_least_once` resends by itself, `at_most_once` never does.
    unknown_outcome_policy: str = "at_most_once"

    @property
    def instructions(self) -> str:
        """All that is said in words of what to make, also in follow-up passes; one text a line."""
        texts = (self.provider_request.instructions, *(one.instruction for one in self.passes))
        return "\n".join(filter(None, texts))

    @property
    def has_random_seed(self) -> bool:
        """Whether the provider chooses a seed, so that each call gives another image."""
        return self.provider_request.seed is None


def describe_pass(one: passes.Pass, *, model: str = "") -> str:
    """Return the name of a pass for people."""
    if one.operation is Operation.UPSCALE:
        return _("Upscale %(factor)s times with %(model)s") % {
            "factor": one.factor,
            "model": model or one.model,
        }
    named = {"model": model or one.model, "instruction": one.instruction}
    if one.operation is Operation.RESTORE_FACES:
        return _("Restore faces with %(model)s") % named
    if one.operation is Operation.EDIT and one.instruction:
        return _("Edit with %(model)s: “%(instruction)s”") % named
    if one.operation is Operation.EDIT:
        return _("Edit with %(model)s") % named
    return _("Remove the background with %(model)s") % named


def described_parameters(parameters: Mapping[str, Any], *, worded: bool) -> list[tuple[str, str]]:
    """Return by label the parameters that hold words of the requester (`worded`), or the others."""
    return [
        (name.replace("_", " "), value if isinstance(value, str) else json.dumps(value))
        for name, value in parameters.items()
        if worded is any(" " in text for text in texts_in(value))
    ]


def describe_part(part: str) -> str:
    """Return the label of a part of a request; a model's own parameter keeps its name."""
    labels = {
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
        "control_images": _("guide for shapes"),
        "style_images": _("guide for the style"),
        "loras": "LoRA",
    }
    return labels.get(part) or part.replace("_", " ")


def complaint_reason(complaint: Complaint) -> str:
    """Return in the reader's language why a part of a request is not valid."""
    values = dict(complaint.reason.values)
    if "operation" in values:
        values["operation"] = dict(choices(Operation))[str(values["operation"])]
    return _(complaint.reason.text) % values


def describe_complaint(image_model: ImageModel, complaint: Complaint) -> str:
    """Return a sentence: the model does not support the request, in which part, and why."""
    return _("“%(model)s” does not support this (%(part)s): %(reason)s.") % {
        "model": image_model.name,
        "part": describe_part(complaint.part),
        "reason": complaint_reason(complaint),
    }
