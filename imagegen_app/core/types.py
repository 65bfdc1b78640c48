"""Define the values that the packages exchange: requests, answers, capabilities, money."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.limits import MAX_PROMPT_CHARS
from imagegen_app.core.provider_text import (
    MAX_ID_CHARS,
    MAX_LINE_CHARS,
    MAX_WORD_CHARS,
    Characters,
    provider_facts,
    provider_reference,
    provider_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Operation(StrEnum):
    """What an image model is asked to do."""

    GENERATE = "generate"
    EDIT = "edit"
    INPAINT = "inpaint"
    OUTPAINT = "outpaint"
    VARY = "vary"
    UPSCALE = "upscale"
    REMOVE_BACKGROUND = "remove_background"
    CONTROL = "control"


#: Operations that need an input image.
IMAGE_INPUT_OPERATIONS = frozenset(Operation) - {Operation.GENERATE}


class InputRole(StrEnum):
    """What an input image is for."""

    IMAGE = "image"
    MASK = "mask"
    REFERENCE = "reference"


class RecoveryMethod(StrEnum):
    """A way to find out the outcome of a call whose answer never arrived."""

    #: The provider returns the same result for the same idempotency key and an identical body.
    IDEMPOTENCY_KEY = "idempotency_key"
    #: The provider lets us choose its reference for the call, so that we can poll by it.
    CLIENT_REFERENCE = "client_reference"
    #: The provider can list or look up calls by our reference.
    LOOKUP = "lookup"
    #: The provider reports the result by webhook.
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An input image of a provider call."""

    role: InputRole
    media_type: str
    sha256: str
    width: int
    height: int
    #: The encoded bytes; never printed.
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Size:
    """An image's size in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @classmethod
    def parse(cls, text: str) -> Size:
        """Parse a size from `WIDTHxHEIGHT`.

        :raises ValueError: if the text is not two positive whole numbers joined by an x.
        """
        width, _, height = (
            text.strip().lower().replace("\N{MULTIPLICATION SIGN}", "x").partition("x")
        )
        size = cls(int(width), int(height))
        if size.width < 1 or size.height < 1:
            raise ValueError(text)
        return size


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One billable call to a provider, with all that the adapter needs for it."""

    operation: Operation
    #: The model's name at the provider.
    model: str
    prompt: str = field(repr=False)
    size: Size
    count: int = 1
    negative_prompt: str = field(default="", repr=False)
    seed: int | None = None
    quality: str = ""
    output_format: str = "png"
    background: str = ""
    inputs: tuple[ImageInput, ...] = field(default=(), repr=False)
    #: Further parameters of the model, already checked against its capabilities.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: A keyed hash that stands for the requester: never a name or e-mail address.
    end_user: str = ""
    #: Unique for each billable call, and the same whenever that call is sent again.
    idempotency_key: str = ""
    #: Where the provider reports the result; empty if it is to send no webhook.
    webhook_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why one parameter of a request is not valid; front ends translate the reason."""

    #: The parameter's name.
    part: str
    reason: Message

    def __str__(self) -> str:
        """Return it in English, for logs."""
        return f"{self.part}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SizeRule:
    """Which sizes a model supports: a list, or limits."""

    #: The only supported sizes; where there are any, the other fields do not count.
    allowed: tuple[Size, ...] = ()
    #: Both sides must be divisible by this number of pixels.
    step: int = 1
    #: Width times height, at least.
    min_pixels: int = 1
    #: Width times height, at most; 0 for no limit.
    max_pixels: int = 0
    #: The longer side in pixels, at most; 0 for no limit.
    max_side: int = 0
    #: The longer side divided by the shorter one, at most; 0 for no limit.
    max_ratio: float = 0.0

    def error_for(self, size: Size) -> Complaint | None:
        """Return why the model does not support the size; None if it does."""
        if self.allowed:
            known = ", ".join(str(s) for s in self.allowed)
            choose = Message(gettext_noop("choose one of %(known)s"), {"known": known})
            return None if size in self.allowed else Complaint("size", choose)
        longer, shorter = max(size.width, size.height), min(size.width, size.height)
        rules: tuple[tuple[object, str, object], ...] = (
            (
                size.width % self.step or size.height % self.step,
                gettext_noop("both sides must be divisible by %(limit)s"),
                self.step,
            ),
            (
                size.pixels < self.min_pixels,
                gettext_noop("at least %(limit)s pixels are needed"),
                self.min_pixels,
            ),
            (
                self.max_pixels and size.pixels > self.max_pixels,
                gettext_noop("at most %(limit)s pixels are possible"),
                self.max_pixels,
            ),
            (
                self.max_side and longer > self.max_side,
                gettext_noop("no side may be longer than %(limit)s pixels"),
                self.max_side,
            ),
            (
                self.max_ratio and longer / shorter > self.max_ratio,
                gettext_noop("the sides may differ %(limit)s times at most"),
                f"{self.max_ratio:g}",
            ),
        )
        for is_violated, text, limit in rules:
            if is_violated:
                return Complaint("size", Message(text, {"limit": limit}))
        return None


@dataclass(frozen=True, slots=True)
class InputRule:
    """Which files a model takes as input images of one role.

    Images of other formats, and larger ones, are converted and made smaller before they are sent.
    """

    #: Any of `png`, `jpeg`, `webp`.
    formats: tuple[str, ...] = ("png", "jpeg", "webp")
    #: The size of a file in bytes, at most; 0 for no limit.
    max_bytes: int = 0
    #: Width times height, at most; 0 for no limit.
    max_pixels: int = 0
    #: The longer side in pixels, at most; 0 for no limit.
    max_side: int = 0
    #: Images of this role in one call; 0 for no limit but `Capabilities.max_inputs`.
    max_count: int = 0

    def fitted(self, size: Size) -> Size:
        """Return the largest size of the same shape that the model takes."""
        scale = min(
            1.0,
            (self.max_pixels / size.pixels) ** 0.5 if self.max_pixels else 1.0,
            self.max_side / max(size.width, size.height) if self.max_side else 1.0,
        )
        return Size(max(1, int(size.width * scale)), max(1, int(size.height * scale)))

    def error_for(self, image: ImageInput) -> Message | None:
        """Return why the model does not take the image; None if it does."""
        if image.media_type.removeprefix("image/") not in self.formats:
            known = ", ".join(name.upper() for name in self.formats)
            return Message(gettext_noop("the format must be one of %(known)s"), {"known": known})
        if self.max_bytes and len(image.data) > self.max_bytes:
            limit = f"{self.max_bytes / 2**20:.3g}"
            return Message(gettext_noop("a file may have at most %(limit)s MB"), {"limit": limit})
        size = Size(image.width, image.height)
        if self.fitted(size) != size:
            fitted = str(self.fitted(size))
            return Message(gettext_noop("at most %(limit)s pixels are possible"), {"limit": fitted})
        return None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one image model can do; forms and the validation of requests follow it."""

    operations: frozenset[Operation]
    sizes: SizeRule
    #: Images of one call.
    max_count: int = 1
    max_prompt_chars: int = 4000
    qualities: tuple[str, ...] = ()
    output_formats: tuple[str, ...] = ("png",)
    backgrounds: tuple[str, ...] = ()
    #: Input images of one call, masks not counted.
    max_inputs: int = 0
    #: Which files it takes as input images, by role; roles that are missing have no rule but
    #: `InputRule()`.
    inputs: Mapping[InputRole, InputRule] = field(default_factory=dict)
    supports_mask: bool = False
    supports_seed: bool = False
    supports_negative_prompt: bool = False
    #: Further parameters by name, each with its allowed values (empty: any short scalar).
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def input_rule(self, role: InputRole) -> InputRule:
        """Return which files the model takes as input images of a role."""
        return self.inputs.get(role, InputRule())


class SubmissionStatus(StrEnum):
    """The state of a call at the provider."""

    #: Accepted; the result comes later.
    ACCEPTED = "accepted"
    RUNNING = "running"
    #: The answer's bytes are in the spool.
    ANSWERED = "answered"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Submission:
    """A provider's response to submitting, polling or looking up a call."""

    status: SubmissionStatus
    #: The provider's reference for the call.
    ref: str = ""
    #: The provider's id of the HTTP request, for questions to its support.
    request_id: str = ""
    #: From 0.0 to 1.0; None where the provider reports none.
    progress: float | None = None
    #: Seconds to wait before polling again; None where the provider names no time.
    poll_after: float | None = None
    #: Whether the provider says that a cancelled call was not billed.
    is_unbilled: bool = False
    #: Seconds until the provider accepts another call, where it says that none is left now.
    rate_limited_for: float | None = None

    def __post_init__(self) -> None:
        request_id = provider_text(self.request_id, max_chars=MAX_ID_CHARS)
        object.__setattr__(self, "request_id", request_id)
        object.__setattr__(self, "ref", provider_reference(self.ref))


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call consumed, as the provider reports it; each token counts in one field only."""

    #: Without those that were cached.
    input_text_tokens: int = 0
    #: Without those that were cached.
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    images: int = 0
    #: Of a prompt or an image that the provider had seen before, and bills at a lower price.
    cached_input_text_tokens: int = 0
    cached_input_image_tokens: int = 0
    #: Such as a plan that the model writes before it draws.
    output_text_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money in one currency."""

    amount: Decimal
    currency: str = "USD"

    def __add__(self, other: Cost) -> Cost:
        if other.currency != self.currency:
            raise ValueError("currencies differ")
        return Cost(self.amount + other.amount, self.currency)


@dataclass(frozen=True, slots=True)
class ProviderImage:
    """One image of an answer, not validated yet: the bytes may be anything."""

    data: bytes = field(repr=False)
    #: The media type that the provider names; never trusted.
    claimed_media_type: str = ""
    seed: int | None = None
    revised_prompt: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        claimed = provider_text(self.claimed_media_type, max_chars=MAX_WORD_CHARS)
        revised = provider_text(
            self.revised_prompt, max_chars=MAX_PROMPT_CHARS, allowed=Characters.TEXT
        )
        object.__setattr__(self, "claimed_media_type", claimed)
        object.__setattr__(self, "revised_prompt", revised)


@dataclass(frozen=True, slots=True)
class ProviderResult:
    """A provider's whole answer, read from the spool."""

    images: tuple[ProviderImage, ...]
    usage: Usage = Usage()
    #: The model version that the provider says it used.
    model_version: str = ""
    #: What the call cost, as the provider reports it; None where it reports no cost.
    reported_cost: Cost | None = None
    #: Parameters as the provider applied them, such as the quality it chose for `auto`, by name.
    resolved: Mapping[str, str] = field(default_factory=dict)
    #: Why items of the answer are not among the images, in our own words, one reason an item.
    unusable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        version = provider_text(self.model_version, max_chars=MAX_LINE_CHARS)
        object.__setattr__(self, "model_version", version)
        object.__setattr__(self, "resolved", provider_facts(self.resolved))
