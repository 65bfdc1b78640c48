"""Find where a description of what a model can do contradicts itself, so that no form could follow it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from imagegen_app.core.capabilities import ratio_value
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.types import IMAGE_INPUT_OPERATIONS, Operation

if TYPE_CHECKING:
    from imagegen_app.core.capabilities import Capabilities, SizeRule
    from imagegen_app.core.model_parameters import Parameter

#: The formats that images are sent and received in.
FORMATS = frozenset({"png", "jpeg", "webp"})
_MIN_ABOVE_MAX = gettext_noop("“%(name)s”: the least (%(low)s) is more than the most (%(high)s)")
_DEFAULT_OUTSIDE = gettext_noop("“%(name)s”: its default is not one of its own values (%(error)s)")
_SIZE_EXCLUDED = gettext_noop("“%(name)s”: the size %(size)s is listed, and excluded (%(error)s)")
_RATIO_EXCLUDED = gettext_noop("“%(name)s”: the proportions %(ratio)s are listed, and excluded")
_NO_OPERATION = gettext_noop("“operations”: there is none")
_UNKNOWN_FORMAT = gettext_noop("“%(name)s”: %(format)s is not a format that is sent or received")
_NO_INPUTS = gettext_noop("“max_inputs”: “%(operation)s” needs an image, and none can be handed in")
_NO_MASK = gettext_noop("“supports_mask”: “%(operation)s” needs a mask, and none can be handed in")


def contradictions(capabilities: Capabilities) -> list[Message]:
    """Return what contradicts itself, in the order of the fields; empty for a sound description."""
    return list(_all(capabilities))


def _all(can: Capabilities) -> Iterator[Message]:
    if not can.operations:
        yield Message(_NO_OPERATION)
    yield from _rule("sizes", can.sizes)
    for operation, rule in can.operation_sizes.items():
        yield from _rule(f"operation_sizes.{operation}", rule)
    yield from _formats("output_formats", can.output_formats)
    for role, inputs in can.inputs.items():
        yield from _formats(f"inputs.{role}", inputs.formats)
    needy = sorted(can.operations & IMAGE_INPUT_OPERATIONS)
    if needy and not can.max_inputs:
        yield Message(_NO_INPUTS, {"operation": str(needy[0])})
    if Operation.INPAINT in can.operations and not can.supports_mask:
        yield Message(_NO_MASK, {"operation": str(Operation.INPAINT)})
    yield from _limits("lora_weights", *can.lora_weights)
    for name, parameter in can.parameters.items():
        yield from _parameter(f"parameters.{name}", parameter)


def _formats(name: str, formats: tuple[str, ...]) -> Iterator[Message]:
    for one in formats:
        if one not in FORMATS:
            yield Message(_UNKNOWN_FORMAT, {"name": name, "format": one[:40]})


def _rule(name: str, rule: SizeRule) -> Iterator[Message]:
    if rule.max_pixels:
        yield from _limits(f"{name}.min_pixels", rule.min_pixels, rule.max_pixels)
    if rule.max_side:
        yield from _limits(f"{name}.min_pixels", rule.min_pixels, rule.max_side**2)
        yield from _limits(f"{name}.step", rule.step, rule.max_side)
    if rule.max_ratio:
        yield from _limits(f"{name}.max_ratio", 1, rule.max_ratio)
        for ratio in rule.ratios:
            value = ratio_value(ratio)
            if max(value, 1 / value) > rule.max_ratio:
                yield Message(_RATIO_EXCLUDED, {"name": name, "ratio": ratio})
    limits = replace(rule, allowed=())
    for size in rule.allowed:
        if (error := limits.error_for(size)) is not None:
            values = {"name": name, "size": str(size), "error": str(error.reason)}
            yield Message(_SIZE_EXCLUDED, values)


def _parameter(name: str, parameter: Parameter) -> Iterator[Message]:
    if parameter.low is not None and parameter.high is not None:
        yield from _limits(name, parameter.low, parameter.high)
    if parameter.default is not None:
        error = parameter.error_for(parameter.default)
        if error is not None:
            yield Message(_DEFAULT_OUTSIDE, {"name": name, "error": str(error)})


def _limits(name: str, low: float, high: float) -> Iterator[Message]:
    if low > high:
        yield Message(_MIN_ABOVE_MAX, {"name": name, "low": f"{low:.12g}", "high": f"{high:.12g}"})
