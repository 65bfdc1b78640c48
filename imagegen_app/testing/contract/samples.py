"""Describe one adapter to the contract: its requests, and how its provider works."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

from imagegen_app.core.types import (
    MASK_OPERATIONS,
    GenerationRequest,
    ImageInput,
    InputRole,
    Operation,
    Size,
)
from imagegen_app.providers import registry

if TYPE_CHECKING:
    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.errors import ProviderError

#: In every prompt of the contract, so that a prompt that leaks is found.
PROMPT_MARK = "canary-coloured"
#: In every idempotency key of the contract.
KEY_MARK = "contract-call-"
#: The part of a sample image that its mask changes: left, top, right and bottom, of its size.
CHANGED_PART = (0.0, 0.0, 0.5, 0.25)


@dataclass(frozen=True, slots=True)
class Samples:
    """What the contract has to know of an adapter, beside what its class declares."""

    #: The adapter's name in the registry, or the path (`module:Class`) of your own.
    adapter: str
    #: A model at the provider.
    model: str
    #: One request for each operation that the model offers; see `sample_requests`.
    requests: Mapping[Operation, GenerationRequest]
    #: A word that tells these samples from others of the same adapter, such as of another model.
    variant: str = ""
    #: The protocol of the simulator: the name of one of its own, or the path of yours. Empty for an
    #: adapter that makes no calls.
    protocol: str = ""
    #: Whether every call becomes a job that is polled; otherwise answers hold the images.
    has_jobs: bool = False
    #: An operation whose calls become jobs, where not all do.
    job_operation: Operation | None = None
    #: Whether a running job can be cancelled.
    can_cancel: bool = False
    #: Whether results may be addresses, which have to be fetched.
    has_addresses: bool = False
    #: Whether images may be base64 text inside of JSON.
    has_base64: bool = True
    #: Whether the provider refuses content; a server of the site's own may make whatever it is told.
    has_blocks: bool = True
    #: Options of the account.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: What of models is corrected, by the model; see `core.capability_overrides`.
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Options with which previews are asked for, where the adapter declares `has_previews`.
    preview_options: Mapping[str, Any] = field(default_factory=dict)
    #: Further requests that must be refused before any call, by what is wrong with them.
    refused: Mapping[str, GenerationRequest] = field(default_factory=dict)
    #: What becomes of a planned failure, where it is not the usual class; see `failures.USUAL`.
    errors: Mapping[str, type[ProviderError]] = field(default_factory=dict)
    #: The text of the credential; `{key}` in it stands for the key that the simulator knows.
    credential: str = "{key}"
    #: Seconds to wait after a rate limit that names no time; None where the adapter leaves it open.
    usual_wait: float | None = None

    @property
    def name(self) -> str:
        """What these samples are called."""
        return f"{self.adapter}-{self.variant}" if self.variant else self.adapter

    def capabilities_of(self, model: str) -> Capabilities:
        """Return what a model of the account can do."""
        corrected = self.overrides.get(model)
        return registry.capabilities(self.adapter, model, options=self.options, overrides=corrected)

    @property
    def first(self) -> GenerationRequest:
        """The sample of the simplest operation."""
        return self.requests.get(Operation.GENERATE) or next(iter(self.requests.values()))

    @property
    def first_job(self) -> GenerationRequest | None:
        """The sample of a call that becomes a job; None where none does."""
        if self.job_operation is not None:
            return self.requests[self.job_operation]
        return self.first if self.has_jobs else None


def sample_requests(
    operations: Iterable[Operation], *, model: str, size: Size, **common: Any
) -> dict[Operation, GenerationRequest]:
    """Return one request for each operation, with the inputs that it needs, all of one size."""
    made = {}
    for operation in operations:
        inputs: tuple[ImageInput, ...] = ()
        if operation is not Operation.GENERATE:
            inputs = (sample_image(size),)
        if operation in MASK_OPERATIONS:
            inputs += (sample_mask(size),)
        made[operation] = GenerationRequest(
            operation=operation,
            model=model,
            prompt=f"a {PROMPT_MARK} mug on a wooden table",
            size=size,
            inputs=inputs,
            idempotency_key=f"{KEY_MARK}{operation.value}",
            **common,
        )
    return made


def require_samples(samples: Mapping[str, Samples], *, adapters: Iterable[str]) -> None:
    """Fail if an adapter has no samples, so that none escapes the contract.

    :raises AssertionError: with the names of those that have none.
    """
    lacking = sorted(set(adapters) - {one.adapter for one in samples.values()})
    if lacking:
        raise AssertionError(f"no samples for the contract: {', '.join(lacking)}")


@functools.cache
def sample_image(size: Size, *, role: InputRole = InputRole.IMAGE) -> ImageInput:
    """Return an input image with a gradient."""
    band = Image.linear_gradient("L").resize((size.width, size.height))
    turned = band.transpose(Image.Transpose.ROTATE_180)
    return _input(Image.merge("RGB", (band, turned, band)), role=role)


@functools.cache
def sample_mask(size: Size) -> ImageInput:
    """Return a mask as this package understands it: white in `CHANGED_PART`, black elsewhere."""
    mask = Image.new("L", (size.width, size.height), 0)
    mask.paste(255, changed_box(size))
    return _input(mask, role=InputRole.MASK)


def changed_box(size: Size) -> tuple[int, int, int, int]:
    """Return the part of a sample that its mask changes, in pixels."""
    left, top, right, bottom = CHANGED_PART
    return (
        round(left * size.width),
        round(top * size.height),
        round(right * size.width),
        round(bottom * size.height),
    )


def _input(image: Image.Image, *, role: InputRole) -> ImageInput:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = buffer.getvalue()
    return ImageInput(
        role=role,
        media_type="image/png",
        sha256=hashlib.sha256(data).hexdigest(),
        width=image.width,
        height=image.height,
        data=data,
    )
