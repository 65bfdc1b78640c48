"""Define the values that travel between the rooms: requests, answers, capabilities, money."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imagegen_app.core.i18n import Message, gettext_noop

if TYPE_CHECKING:
    from collections.abc import Mapping


class Operation(StrEnum):
    """What is asked of an image model."""

    GENERATE = "generate"
    EDIT = "edit"
    INPAINT = "inpaint"
    OUTPAINT = "outpaint"
    VARY = "vary"
    UPSCALE = "upscale"
    REMOVE_BACKGROUND = "remove_background"
    CONTROL = "control"


#: Operations that start from an image the requester hands in.
IMAGE_INPUT_OPERATIONS = frozenset(Operation) - {Operation.GENERATE}


class InputRole(StrEnum):
    """What an input image is for."""

    IMAGE = "image"
    MASK = "mask"
    REFERENCE = "reference"


class RecoveryMethod(StrEnum):
    """A way to learn the fate of a call whose answer never came."""

    #: The provider returns the same result for the same key and identical body.
    IDEMPOTENCY_KEY = "idempotency_key"
    #: The provider lets us choose the reference and asks for nothing else.
    CLIENT_REFERENCE = "client_reference"
    #: The provider can list or look up calls by our reference.
    LOOKUP = "lookup"
    #: The provider tells us by webhook.
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An image handed to a model."""

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
        """Read `WIDTHxHEIGHT`.

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
    """One billable call to a provider, complete in itself."""

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
    #: A keyed digest of the requester: never a name or address.
    end_user: str = ""
    #: One key a billable call, the same for every repetition of it.
    idempotency_key: str = ""
    #: Where the provider may tell us that it is done; empty where it may not.
    webhook_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Complaint:
    """One part of a request that does not fit, and why; to be translated where it is shown."""

    #: The parameter's name.
    part: str
    reason: Message

    def __str__(self) -> str:
        """Return it in English, as a log keeps it."""
        return f"{self.part}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SizeRule:
    """Which sizes a model draws: a list, or a range with a step."""

    #: The only sizes, where the model knows a fixed list.
    allowed: tuple[Size, ...] = ()
    #: Both sides must be divisible by this.
    step: int = 1
    min_pixels: int = 1
    max_pixels: int = 0
    max_side: int = 0
    #: The longer side divided by the shorter one, at most.
    max_ratio: float = 0.0

    def error_for(self, size: Size) -> Complaint | None:
        """Return what does not fit about the size, None if it fits."""
        if self.allowed:
            known = ", ".join(str(s) for s in self.allowed)
            choose = Message(gettext_noop("choose one of %(known)s"), {"known": known})
            return None if size in self.allowed else Complaint("size", choose)
        longer, shorter = max(size.width, size.height), min(size.width, size.height)
        faults: tuple[tuple[object, str, object], ...] = (
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
        found = (Message(text, {"limit": limit}) for is_fault, text, limit in faults if is_fault)
        return next((Complaint("size", why) for why in found), None)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one image model can do; the matrix, the forms and the checks are drawn from it."""

    operations: frozenset[Operation]
    sizes: SizeRule
    max_count: int = 1
    max_prompt_chars: int = 4000
    qualities: tuple[str, ...] = ()
    output_formats: tuple[str, ...] = ("png",)
    backgrounds: tuple[str, ...] = ()
    max_inputs: int = 0
    supports_mask: bool = False
    supports_seed: bool = False
    supports_negative_prompt: bool = False
    #: Further parameters by name, each with its allowed values (empty: any short scalar).
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class SubmissionStatus(StrEnum):
    """Where a provider's work on a call stands."""

    #: Taken on; the result comes later.
    ACCEPTED = "accepted"
    RUNNING = "running"
    #: The answer's bytes are in the spool.
    ANSWERED = "answered"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Submission:
    """What a provider said to a submit, a poll or a look-up."""

    status: SubmissionStatus
    #: The provider's own name for the call.
    ref: str = ""
    #: The provider's id of the HTTP request, for its support desk.
    request_id: str = ""
    #: 0.0 to 1.0 where the provider tells.
    progress: float | None = None
    #: Seconds until it is worth asking again, where the provider tells.
    poll_after: float | None = None
    #: A cancelled call cost nothing, as the provider itself says.
    is_unbilled: bool = False
    #: Seconds for which the provider takes no further call, where it says that none is left.
    rate_limited_for: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call consumed, as the provider counted it."""

    input_text_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    images: int = 0


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
    """One image of an answer, still unchecked: treat the bytes as a stranger's."""

    data: bytes = field(repr=False)
    #: What the provider calls the bytes; never trusted.
    claimed_media_type: str = ""
    seed: int | None = None
    revised_prompt: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ProviderResult:
    """A provider's whole answer, read from the spool."""

    images: tuple[ProviderImage, ...]
    usage: Usage = Usage()
    #: The model version that the provider says it used.
    model_version: str = ""
    #: The price that the provider itself reports, where it does.
    reported_cost: Cost | None = None
    #: Settings that the provider resolved by itself (`auto`), by name.
    resolved: Mapping[str, str] = field(default_factory=dict)
