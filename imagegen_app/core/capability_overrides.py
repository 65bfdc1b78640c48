"""Change what an adapter knows of a model by the JSON that an administrator writes.

A field that is missing stays as the adapter has it; parameters are merged by name, and null takes
one away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any, TypeVar

from imagegen_app.core.capabilities import (
    Capabilities,
    InputRule,
    SizeRule,
    ratio_value,
)
from imagegen_app.core.capability_checks import contradictions
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.model_parameters import KINDS, Parameter
from imagegen_app.core.types import InputRole, Operation, Size

_Value = TypeVar("_Value")
#: How each field of a record is read, by its name.
_Readers = Mapping[str, Callable[[object, str], Any]]
_MAX_COUNT = 10**10


class InvalidOverride(ValueError):
    """The JSON does not describe capabilities; `problem` says where and why, for people."""

    def __init__(self, problem: Message) -> None:
        super().__init__(str(problem))
        self.problem = problem


def overridden(capabilities: Capabilities, changes: object) -> Capabilities:
    """Return capabilities with an administrator's changes.

    :raises InvalidOverride: if the changes are not valid, or contradict themselves or what they leave.
    """
    if not changes:
        return capabilities
    given = _mapping(changes, "capabilities")
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _READERS:
            raise _problem(
                gettext_noop("“%(name)s” is unknown; known are: %(known)s."),
                name=name,
                known=", ".join(sorted(_READERS)),
            )
        values[name] = _READERS[name](value, name)
    if "parameters" in values:
        merged = {**capabilities.parameters, **values["parameters"]}
        values["parameters"] = {n: one for n, one in merged.items() if one is not None}
    for name in ("inputs", "operation_sizes"):
        if name in values:
            values[name] = {**getattr(capabilities, name), **values[name]}
    changed = replace(capabilities, **values)
    known = contradictions(capabilities)
    for problem in contradictions(changed):
        # What the adapter itself says is not the administrator's mistake.
        if problem not in known:
            raise InvalidOverride(problem)
    return changed


def changes_between(known: Capabilities, wanted: Capabilities) -> dict[str, Any]:
    """Return the JSON that turns what is known into what is wanted, as `overridden` reads it.

    Rules for files and for sizes by operation are added and changed, never taken away.
    """
    found: dict[str, Any] = {}
    for name in NAMES:
        before, after = getattr(known, name), getattr(wanted, name)
        if before == after:
            continue
        if isinstance(after, Mapping):
            changed = {k: _as_json(v) for k, v in after.items() if before.get(k) != v}
            gone = dict.fromkeys(before.keys() - after.keys()) if name == "parameters" else {}
            if changed or gone:
                found[name] = {str(key): value for key, value in {**changed, **gone}.items()}
        else:
            found[name] = _as_json(after)
    return found


def _as_json(value: Any) -> Any:
    """Return a value as `overridden` reads it; fields of a record that have their default are left out."""
    if is_dataclass(value) and not isinstance(value, type | Size):
        listed = ((entry, getattr(value, entry.name)) for entry in fields(value))
        return {entry.name: _as_json(one) for entry, one in listed if one != _default_of(entry)}
    if isinstance(value, frozenset):
        return sorted(str(one) for one in value)
    if isinstance(value, list | tuple):
        return [_as_json(one) for one in value]
    return str(value) if isinstance(value, Size | Operation) else value


def _default_of(entry: Field[Any]) -> Any:
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def _problem(text: str, **values: str) -> InvalidOverride:
    return InvalidOverride(Message(text, {key: value[:80] for key, value in values.items()}))


def _wrong(name: str) -> InvalidOverride:
    return _problem(gettext_noop("“%(name)s” has a value that is not possible."), name=name)


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong(name)
    return value


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise _wrong(name)
    return tuple(value)


def _count(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_COUNT:
        raise _wrong(name)
    return value


def _switch(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name)
    return value


def _number(value: object, name: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value <= _MAX_COUNT
    ):
        raise _wrong(name)
    return float(value)


def _weights(value: object, name: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != len(("low", "high")):
        raise _wrong(name)
    low, high = value
    # A LoRA may be taken away from an image as well as added.
    if isinstance(low, int | float) and -_MAX_COUNT <= low < 0:
        return float(low), _number(high, name)
    return _number(low, name), _number(high, name)


def _operations(value: object, name: str) -> frozenset[Operation]:
    return frozenset(_operation(one, name) for one in _texts(value, name))


def _operation(value: str, name: str) -> Operation:
    try:
        return Operation(value)
    except ValueError:
        raise _wrong(name) from None


def _sizes(value: object, name: str) -> SizeRule:
    return _record(value, name, kind=SizeRule, readers=_SIZE_READERS)


def _operation_sizes(value: object, name: str) -> dict[Operation, SizeRule]:
    given = _mapping(value, name)
    return {_operation(key, name): _sizes(rule, name) for key, rule in given.items()}


def _inputs(value: object, name: str) -> dict[InputRole, InputRule]:
    found = {}
    for key, rule in _mapping(value, name).items():
        try:
            role = InputRole(key)
        except ValueError:
            raise _wrong(name) from None
        found[role] = _record(rule, name, kind=InputRule, readers=_INPUT_READERS)
    return found


def _allowed(value: object, name: str) -> tuple[Size, ...]:
    try:
        return tuple(Size.parse(one) for one in _texts(value, name))
    except ValueError:
        raise _wrong(name) from None


def _ratios(value: object, name: str) -> tuple[str, ...]:
    ratios = _texts(value, name)
    try:
        for ratio in ratios:
            ratio_value(ratio)
    except ValueError:
        raise _wrong(name) from None
    return ratios


def _step(value: object, name: str) -> int:
    return max(1, _count(value, name))


def _parameters(value: object, name: str) -> dict[str, Parameter | None]:
    return {
        key: None if one is None else _parameter(one, f"{name}.{key}")
        for key, one in _mapping(value, name).items()
    }


def _parameter(value: object, name: str) -> Parameter:
    given = dict(_mapping(value, name))
    known = {entry.name for entry in fields(Parameter)}
    if not set(given) <= known or given.get("kind", "text") not in KINDS:
        raise _wrong(name)
    choices = given.get("choices", [])
    is_listed = isinstance(choices, list) and all(isinstance(o, str | int | float) for o in choices)
    limits = (given.get("low"), given.get("high"))
    are_numbers = all(
        one is None or (isinstance(one, int | float) and not isinstance(one, bool))
        for one in limits
    )
    is_choice_without = given.get("kind") == "choice" and not choices
    if not is_listed or not are_numbers or is_choice_without:
        raise _wrong(name)
    if not isinstance(given.get("help", ""), str):
        raise _wrong(name)
    operations = _operations(given.get("operations", []), name)
    parameter = Parameter(**given | {"choices": tuple(choices), "operations": operations})
    if parameter.default is not None and parameter.error_for(parameter.default) is not None:
        raise _wrong(f"{name}.default")
    return parameter


def _record(value: object, name: str, *, kind: type[_Value], readers: _Readers) -> _Value:
    given = _mapping(value, name)
    if not set(given) <= set(readers):
        raise _wrong(name)
    return kind(**{key: readers[key](one, f"{name}.{key}") for key, one in given.items()})


_SIZE_READERS: _Readers = {
    "allowed": _allowed,
    "step": _step,
    "min_pixels": _count,
    "max_pixels": _count,
    "max_side": _count,
    "max_ratio": _number,
    "ratios": _ratios,
}
_INPUT_READERS: _Readers = {
    "formats": _texts,
    "max_bytes": _count,
    "max_pixels": _count,
    "max_side": _count,
    "max_count": _count,
}
_READERS: _Readers = {
    "operations": _operations,
    "sizes": _sizes,
    "operation_sizes": _operation_sizes,
    "max_count": _step,
    "max_prompt_chars": _count,
    "qualities": _texts,
    "output_formats": _texts,
    "backgrounds": _texts,
    "max_inputs": _count,
    "inputs": _inputs,
    "supports_mask": _switch,
    "supports_seed": _switch,
    "is_reproducible": _switch,
    "supports_negative_prompt": _switch,
    "promptless": _operations,
    "parameters": _parameters,
    "control_kinds": _texts,
    "max_loras": _count,
    "lora_weights": _weights,
}
#: The fields that can be corrected.
NAMES = tuple(_READERS)
