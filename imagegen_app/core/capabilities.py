"""Define what an image model can do: operations, sizes, files, parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.types import Complaint, Operation, Size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.model_parameters import Parameter
    from imagegen_app.core.types import ImageInput, InputRole

#: Proportions count as equal up to this difference: providers round sides to steps.
RATIO_TOLERANCE = 0.03


@dataclass(frozen=True, slots=True)
class SizeRule:
    """Which sizes a model supports: a list, or limits.

    A rule without any is that of a model that takes no size, and decides for itself.
    """

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
    #: The only supported proportions, such as `16:9`; the provider then chooses the pixels.
    ratios: tuple[str, ...] = ()

    @property
    def is_choosable(self) -> bool:
        """Whether the model takes a size at all."""
        return self != SizeRule()

    def ratio_of(self, size: Size) -> str:
        """Return which of the supported proportions a size has; empty if it has none of them."""
        nearest = min(self.ratios, key=lambda ratio: ratio_distance(size, ratio), default="")
        is_near = bool(nearest) and ratio_distance(size, nearest) <= RATIO_TOLERANCE
        return nearest if is_near else ""

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
        if self.ratios and not self.ratio_of(size):
            known = ", ".join(self.ratios)
            return Complaint(
                "size",
                Message(gettext_noop("the proportions must be one of %(known)s"), {"known": known}),
            )
        for is_violated, text, limit in rules:
            if is_violated:
                return Complaint("size", Message(text, {"limit": limit}))
        return None


#: Of a model that makes whatever size is asked for, and refuses what does not fit its image.
ANY_SIZE = SizeRule(min_pixels=64 * 64)


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

    #: What it can be asked to do.
    operations: frozenset[Operation]
    #: Of operations that have no rule in `operation_sizes`.
    sizes: SizeRule
    #: Images of one call.
    max_count: int = 1
    #: Characters of a prompt.
    max_prompt_chars: int = 4000
    #: The provider's words for qualities; empty where it has none.
    qualities: tuple[str, ...] = ()
    #: Any of `png`, `jpeg`, `webp`.
    output_formats: tuple[str, ...] = ("png",)
    #: Such as `transparent`; empty where it cannot be chosen.
    backgrounds: tuple[str, ...] = ()
    #: Input images of one call, masks not counted.
    max_inputs: int = 0
    #: Which files it takes as input images, by role; roles that are missing have no rule but
    #: `InputRule()`.
    inputs: Mapping[InputRole, InputRule] = field(default_factory=dict)
    #: Whether a mask can say what is changed.
    supports_mask: bool = False
    #: Whether it takes a seed.
    supports_seed: bool = False
    #: Whether the provider promises that the same seed, with all else the same, gives the same image.
    is_reproducible: bool = False
    #: Whether it can be told what to leave out.
    supports_negative_prompt: bool = False
    #: Operations that it takes no prompt for; one that is written nevertheless is not sent, and the
    #: attempt says so.
    promptless: frozenset[Operation] = frozenset()
    #: Further parameters by name.
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    #: The sizes of operations that differ from the others.
    operation_sizes: Mapping[Operation, SizeRule] = field(default_factory=dict)
    #: What control images may be, such as `depth`; empty where the model has one kind or none.
    control_kinds: tuple[str, ...] = ()
    #: LoRA of one call.
    max_loras: int = 0
    #: The least and the greatest weight of a LoRA.
    lora_weights: tuple[float, float] = (0.0, 1.0)

    @property
    def usual_format(self) -> str:
        """The output format of a request that names none: PNG, or else the model's first."""
        is_png = "png" in self.output_formats or not self.output_formats
        return "png" if is_png else self.output_formats[0]

    def sizes_for(self, operation: Operation) -> SizeRule:
        """Return which sizes the model supports for an operation; a cut-out is as large as its image."""
        usual = SizeRule() if operation is Operation.REMOVE_BACKGROUND else self.sizes
        return self.operation_sizes.get(operation, usual)

    def input_rule(self, role: InputRole) -> InputRule:
        """Return which files the model takes as input images of a role."""
        return self.inputs.get(role, InputRule())


def ratio_value(ratio: str) -> float:
    """Return width divided by height of proportions such as `16:9`.

    :raises ValueError: if the text is not two positive numbers joined by a colon.
    """
    width, _, height = ratio.partition(":")
    value = float(width) / (float(height) or math.nan)
    if not math.isfinite(value) or value <= 0:
        raise ValueError(ratio)
    return value


def ratio_distance(size: Size, ratio: str) -> float:
    """Return how far a size is from proportions such as `16:9`; see `RATIO_TOLERANCE`."""
    return abs(math.log(size.width / size.height) - math.log(ratio_value(ratio)))
