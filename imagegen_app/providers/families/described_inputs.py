"""Read the JSON Schema of a model's inputs, as a provider publishes it, as what the model can do.

A schema comes from the provider, and often from whoever published the model there: it is limited in
size, and what of it cannot be used is told instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.capability_checks import contradictions
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.model_parameters import Parameter, ParameterKind
from imagegen_app.core.provider_text import provider_text
from imagegen_app.core.provider_values import clean_count
from imagegen_app.core.types import InputRole
from imagegen_app.providers.families import server_models

#: Inputs of one model that are read, and definitions that lead to each other.
MAX_INPUTS: Final = 100
_MAX_DEPTH = 6
_MAX_HELP_CHARS = 200
_MAX_FILES = 20
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_RATIO = re.compile(r"[1-9]\d?:[1-9]\d?")
_KINDS: Mapping[str, ParameterKind] = {
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "string": "text",
    "array": "list",
    "object": "json",
}
_FORMATS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
#: The names of inputs that requests have fields of their own for, the likeliest first.
COUNTS: Final = ("num_outputs", "num_images", "number_of_images")
IMAGES: Final = (
    "input_images",
    "image_input",
    "images",
    "image_urls",
    "input_image",
    "image",
    "image_url",
    "img",
)
MASKS: Final = ("mask", "mask_image", "mask_url")
ROLE_NAMES: Mapping[InputRole, tuple[str, ...]] = {
    InputRole.IMAGE: IMAGES,
    InputRole.MASK: MASKS,
    InputRole.CONTROL: ("control_image",),
    InputRole.STYLE: ("style_reference_images", "style_image"),
}
#: The inputs of single LoRA, each with the one for its weight.
LORAS: Final[Mapping[str, str]] = {
    "lora_weights": "lora_scale",
    "extra_lora": "extra_lora_scale",
    "extra_lora2": "extra_lora2_scale",
}
_MOST_LORAS = 8
_OWN = frozenset(
    {
        *("prompt", "negative_prompt", "seed", "output_format", "background", "loras"),
        *("aspect_ratio", "image_size", "width", "height", "size"),
        *COUNTS,
        *(name for names in ROLE_NAMES.values() for name in names),
    }
)
#: What nobody is to choose for a request: filters are the site's, and a prompt is sent as it was judged.
_WITHHELD = re.compile(
    r"(enable|disable)_safety\w*|sync_mode|webhook\w*|\w*api_key|"
    r"(enable_)?(prompt_)?(expand|enhance|expansion|upsampling)\w*"
)
_WITHHOLDS = gettext_noop("“%(name)s” is left out: it is not for people to choose")
_FILE_LEFT_OUT = gettext_noop(
    "“%(name)s” is left out: it takes a file that cannot be handed in here"
)
_NAME_LEFT_OUT = gettext_noop("“%(name)s” is left out: its name or its description cannot be used")
_REQUIRES = gettext_noop("The model needs “%(name)s”, which cannot be handed in here.")
_TOO_MANY = gettext_noop("the model has more than %(most)s inputs; the others are left out")


@dataclass(frozen=True, slots=True)
class DescribedInput:
    """One input as a schema describes it."""

    parameter: Parameter
    is_file: bool = False
    is_list: bool = False
    minimum: float | None = None
    step: int = 1


@dataclass(slots=True)
class DescribedInputs:
    """What a schema says: capabilities, and what of it is left out or contradicts itself."""

    capabilities: Capabilities
    #: The names of all inputs.
    names: frozenset[str] = frozenset()
    #: The names of those that a call must have.
    required: frozenset[str] = frozenset()
    unknown: list[Message] = field(default_factory=list)
    problems: list[Message] = field(default_factory=list)


def read_inputs(
    schema: object,
    *,
    schemas: object,
    known: Capabilities,
    renamed: Mapping[str, str] | None = None,
    quality: str = "quality",
) -> DescribedInputs:
    """Return what an object's schema says that a model can do, beside what the adapter knows of it.

    `schemas` has the definitions that it refers to; `renamed` what the adapter calls parameters, by
    the provider's names, and `quality` is the input for the quality.
    """
    rules = schema.get("properties") if isinstance(schema, Mapping) else None
    rules = rules if isinstance(rules, Mapping) else {}
    listed = _list(schema.get("required")) if isinstance(schema, Mapping) else []
    required = frozenset(name for name in listed if isinstance(name, str))
    inputs = {str(name): read_input(rule, schemas) for name, rule in [*rules.items()][:MAX_INPUTS]}
    found = DescribedInputs(
        _capabilities(inputs, known, quality=quality),
        names=frozenset(map(str, rules)),
        required=required,
    )
    if len(rules) > MAX_INPUTS:
        found.unknown.append(Message(_TOO_MANY, {"most": str(MAX_INPUTS)}))
    parameters: dict[str, Parameter] = {}
    own = _OWN | {quality} | {one for pair in _loras_in(inputs).items() for one in pair}
    for name, one in inputs.items():
        if name in own:
            continue
        reason = _reason_to_leave_out(name, one)
        if reason:
            found.unknown.append(Message(reason, {"name": name}))
        else:
            parameters[(renamed or {}).get(name, name)] = one.parameter
    for name in sorted(required.intersection(inputs) - _OWN):
        if _reason_to_leave_out(name, inputs[name]):
            found.problems.append(Message(_REQUIRES, {"name": name}))
    _add_parameters(found, parameters)
    return found


def _add_parameters(found: DescribedInputs, parameters: Mapping[str, Parameter]) -> None:
    """Add the parameters that do not contradict themselves, and tell of the others."""
    sound = {}
    for name, one in parameters.items():
        alone = replace(found.capabilities, parameters={name: one})
        wrong = [p for p in contradictions(alone) if p not in contradictions(found.capabilities)]
        if wrong:
            found.problems += wrong
        else:
            sound[name] = one
    found.capabilities = replace(found.capabilities, parameters=sound)
    found.problems += contradictions(found.capabilities)


def _reason_to_leave_out(name: str, one: DescribedInput) -> str:
    if _WITHHELD.fullmatch(name):
        return _WITHHOLDS
    if one.is_file:
        return _FILE_LEFT_OUT
    return "" if _NAME.fullmatch(name) else _NAME_LEFT_OUT


def _capabilities(
    inputs: Mapping[str, DescribedInput], known: Capabilities, *, quality: str
) -> Capabilities:
    """Return what the inputs that requests have fields of their own for say."""
    files = {
        role: next((inputs[name] for name in names if name in inputs), None)
        for role, names in ROLE_NAMES.items()
    }
    images = files[InputRole.IMAGE]
    most = 0 if images is None else _most(images)
    count = next((inputs[name].parameter for name in COUNTS if name in inputs), None)
    longest = int(inputs["prompt"].parameter.high or 0) if "prompt" in inputs else 0
    formats = [_FORMATS[c] for c in _choices(inputs.get("output_format")) if c in _FORMATS]
    return replace(
        known,
        sizes=_sizes(inputs, known.sizes),
        max_count=1 if count is None else int(count.high or known.max_count or 1),
        max_prompt_chars=longest or known.max_prompt_chars,
        qualities=_choices(inputs.get(quality)),
        # Without an input for it, the model has a format of its own.
        output_formats=tuple(dict.fromkeys(formats)) or (known.usual_format,),
        backgrounds=_choices(inputs.get("background")),
        max_inputs=most,
        inputs={
            role: known.inputs.get(role, InputRule())
            for role, one in files.items()
            if one is not None
        },
        supports_mask=known.supports_mask and files[InputRole.MASK] is not None,
        supports_seed="seed" in inputs,
        supports_negative_prompt="negative_prompt" in inputs,
        **_loras_of(inputs, known),
        parameters={},
    )


def _loras_in(inputs: Mapping[str, DescribedInput]) -> dict[str, str]:
    """Return the inputs of single LoRA that can be weighed."""
    return {name: scale for name, scale in LORAS.items() if {name, scale} <= inputs.keys()}


def _loras_of(inputs: Mapping[str, DescribedInput], known: Capabilities) -> dict[str, Any]:
    """Return how many LoRA there can be, and their weights."""
    listed, single = inputs.get("loras"), _loras_in(inputs)
    if listed is not None:
        most = int(listed.parameter.high or known.max_loras or _MOST_LORAS)
        return {"max_loras": min(most, _MOST_LORAS)}
    scales = [inputs[scale].parameter for scale in single.values()]
    limits = [(one.low, one.high) for one in scales if one.low is not None and one.high is not None]
    low, high = zip(*limits, strict=True) if limits else ((), ())
    weights = (max(low), min(high)) if limits else known.lora_weights
    return {"max_loras": len(single), "lora_weights": weights}


def _most(images: DescribedInput) -> int:
    if not images.is_list:
        return 1
    return min(int(images.parameter.high or _MAX_FILES), _MAX_FILES)


def _choices(one: DescribedInput | None) -> tuple[str, ...]:
    return () if one is None else tuple(str(choice) for choice in one.parameter.choices)


def _sizes(inputs: Mapping[str, DescribedInput], known: SizeRule) -> SizeRule:
    """Return which sizes can be asked for: in pixels, by proportions, or none."""
    sides = [inputs[name] for name in ("width", "height") if name in inputs]
    if len(sides) == len(("width", "height")):
        most = min((one.parameter.high or 0 for one in sides), default=0)
        least = max(one.minimum or 1 for one in sides)
        step = max(one.step for one in sides)
        return SizeRule(
            step=step if step > 1 else known.step,
            min_pixels=int(least) ** 2,
            max_side=int(most) or known.max_side,
            max_pixels=0 if most else known.max_pixels,
        )
    ratios = tuple(one for one in _choices(inputs.get("aspect_ratio")) if _RATIO.fullmatch(one))
    if ratios:
        limits = replace(known, ratios=ratios, step=1)
        return limits if known.ratios else SizeRule(ratios=ratios)
    return known if {"image_size", "size"} & set(inputs) else SizeRule()


def read_input(rule: object, schemas: object) -> DescribedInput:
    """Return one input; what is described in a way that is not known takes any JSON."""
    merged = _merged(rule, schemas, depth=0)
    kind = _KINDS.get(str(merged.get("type")), "json")
    choices = server_models.choices_in([str(c) for c in _list(merged.get("enum"))])
    if kind == "int" and choices:
        whole = [c for c in _list(merged.get("enum")) if isinstance(c, int)]
        values: tuple[str | int | float, ...] = tuple(whole)
    else:
        values = choices
    is_list = kind == "list"
    inner = _merged(merged.get("items"), schemas, depth=0) if is_list else merged
    is_file = inner.get("format") in {"uri", "binary", "data-url"} or bool(
        inner.get("contentMediaType")
    )
    low = _number(merged, "minimum", "exclusiveMinimum")
    high = _number(merged, "maximum", "exclusiveMaximum")
    if kind == "text":
        low, high = _number(merged, "minLength"), _number(merged, "maxLength")
    elif is_list:
        low, high = _number(merged, "minItems"), _number(merged, "maxItems")
    default = merged.get("default")
    is_plain = isinstance(default, str | int | float | bool) and default != ""
    return DescribedInput(
        Parameter(
            kind="choice" if values else kind,
            low=None if values else low,
            high=None if values else high,
            choices=values,
            default=default if is_plain and not is_file else None,
            help=provider_text(merged.get("description"), max_chars=_MAX_HELP_CHARS),
        ),
        is_file=is_file,
        is_list=is_list,
        minimum=low,
        step=clean_count(merged.get("multipleOf"), most=1024) or 1,
    )


def _merged(rule: object, schemas: object, *, depth: int) -> dict[str, Any]:
    """Return a rule with what it refers to, and with the likeliest of its alternatives."""
    if not isinstance(rule, Mapping) or depth > _MAX_DEPTH:
        return {}
    found: dict[str, Any] = {}
    for part in _parts(rule, schemas):
        found |= _merged(part, schemas, depth=depth + 1)
    kept = {key: value for key, value in rule.items() if key not in {"allOf", "anyOf", "oneOf"}}
    return found | kept


def _parts(rule: Mapping[str, Any], schemas: object) -> Iterator[object]:
    name = str(rule.get("$ref", "")).rpartition("/")[2]
    if name and isinstance(schemas, Mapping):
        yield schemas.get(name)
    yield from _list(rule.get("allOf"))[:_MAX_DEPTH]
    for alternatives in ("anyOf", "oneOf"):
        listed = _list(rule.get(alternatives))[:_MAX_DEPTH]
        real = [o for o in listed if not (isinstance(o, Mapping) and o.get("type") == "null")]
        yield from real[:1]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(rule: Mapping[str, Any], *names: str) -> float | None:
    found = (rule.get(name) for name in names)
    numbers = [n for n in found if isinstance(n, int | float) and not isinstance(n, bool)]
    return numbers[0] if numbers and abs(numbers[0]) < 10**15 else None
