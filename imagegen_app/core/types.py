"""Define the values that the packages exchange: requests, answers, money."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.limits import MAX_PROMPT_CHARS
from imagegen_app.core.operations import IMAGE_INPUT_OPERATIONS as IMAGE_INPUT_OPERATIONS  # noqa: PLC0414 - exported
from imagegen_app.core.operations import MASK_OPERATIONS as MASK_OPERATIONS  # noqa: PLC0414 - exported
from imagegen_app.core.operations import WORDLESS_OPERATIONS as WORDLESS_OPERATIONS  # noqa: PLC0414 - exported
from imagegen_app.core.operations import InputRole as InputRole  # noqa: PLC0414 - exported
from imagegen_app.core.operations import Operation as Operation  # noqa: PLC0414 - exported
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
    from collections.abc import Iterator, Mapping

    from imagegen_app.core.i18n import Message


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
class ControlGuide:
    """How a control image guides the result."""

    #: Such as `depth` or `pose`; empty where the model has one kind only.
    kind: str = ""
    #: How much it counts; 1.0 is the model's usual weight.
    weight: float = 1.0
    #: The part of the steps from which on it counts, from 0.0 to 1.0.
    start: float = 0.0
    #: The part of the steps up to which it counts, from 0.0 to 1.0.
    end: float = 1.0


@dataclass(frozen=True, slots=True)
class Lora:
    """A small set of weights that is added to the model's own."""

    #: Its name, address or ID, as the provider knows it.
    name: str
    #: How much it counts; 1.0 is its usual weight.
    weight: float = 1.0


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
    #: For a control image: how it guides.
    guide: ControlGuide | None = None

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def base64_text(self) -> str:
        """The bytes as base64 text."""
        return base64.b64encode(self.data).decode("ascii")

    @property
    def data_url(self) -> str:
        """The bytes as a URL that holds them."""
        return f"data:{self.media_type};base64,{self.base64_text}"


@dataclass(frozen=True, slots=True)
class Size:
    """An image's size in pixels."""

    #: From left to right.
    width: int
    #: From top to bottom.
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
    #: Further parameters of the model, of JSON types, already checked against its capabilities.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    loras: tuple[Lora, ...] = ()
    #: A keyed hash that stands for the requester: never a name or e-mail address.
    end_user: str = ""
    #: Unique for each billable call, and the same whenever that call is sent again.
    idempotency_key: str = ""
    #: Where the provider reports the result; empty if it is to send no webhook.
    webhook_url: str = field(default="", repr=False)

    @property
    def instructions(self) -> str:
        """All that is said in words of what to make: the prompt, and the texts among the parameters.

        Such as the object that is searched for; one text a line.
        """
        return "\n".join(filter(None, (self.prompt, *texts_in(dict(self.parameters)))))


def texts_in(value: object) -> Iterator[str]:
    """Yield the texts in a JSON value, at any depth; names in objects do not count."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why one parameter of a request is not valid; front ends translate the reason."""

    #: The parameter's name.
    part: str
    reason: Message

    def __str__(self) -> str:
        """Return it in English, for logs."""
        return f"{self.part}: {self.reason}"


class SubmissionStatus(StrEnum):
    """The state of a call at the provider."""

    #: Accepted; the result comes later.
    ACCEPTED = "accepted"
    RUNNING = "running"
    #: The answer's bytes are in the spool.
    ANSWERED = "answered"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way: what an adapter needs to know of it, beside the account."""

    #: The provider's reference for the call, or ours where the provider takes that.
    ref: str
    #: The model's name at the provider.
    model: str = ""
    operation: Operation = Operation.GENERATE
    count: int = 1
    output_format: str = "png"
    #: What the adapter said of the call last: small JSON of its own.
    state: Mapping[str, Any] = field(default_factory=dict)


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
    #: What the adapter wants to find in `Call.state` next time, as small JSON; None leaves it.
    state: Mapping[str, Any] | None = None
    #: What the call costs, as the provider says before there is a result.
    reported_cost: Cost | None = None
    #: When the provider forgets the result, as a Unix time; None where it names no time.
    expires_at: float | None = None
    #: What the provider does now, in a word of its own, such as `loading`.
    stage: str = ""
    #: How many calls are before this one in the provider's queue.
    position: int | None = None

    def __post_init__(self) -> None:
        request_id = provider_text(self.request_id, max_chars=MAX_ID_CHARS)
        object.__setattr__(self, "request_id", request_id)
        object.__setattr__(self, "ref", provider_reference(self.ref))
        stage = provider_text(self.stage, max_chars=MAX_WORD_CHARS)
        object.__setattr__(self, "stage", stage)


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
    #: Of all images made.
    megapixels: Decimal = Decimal(0)
    #: The provider's own unit of money.
    credits: Decimal = Decimal(0)
    #: Of computing, without the time in the queue.
    seconds: Decimal = Decimal(0)
    #: Of all images made.
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money in one currency."""

    #: In whole units of the currency, exact.
    amount: Decimal
    #: Three capital letters, by ISO 4217.
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


#: What `ProviderResult.resolved` says of a prompt that did not go to the provider as it was written:
#: commands of its server were taken out, or the model takes none for the operation.
PROMPT_CLEANED: Final = "cleaned"
PROMPT_UNSENT: Final = "unsent"


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
