"""Refuse arguments of a wrong type where code requests images, all at once and before anything is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.types import Operation, Size
from imagegen_app.models import (
    Batch,
    BrandKit,
    BrandKitVersion,
    ImageModel,
    PromptTemplate,
    TemplateVersion,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def _is_whole_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_sequence(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


#: Argument to whether a value has the right type, and how that is told.
_EXPECTED: Final[dict[str, tuple[Callable[[object], bool], str]]] = {
    "template": (
        lambda value: isinstance(value, str | PromptTemplate | TemplateVersion),
        'the slug of a template such as "page-hero", a PromptTemplate or a TemplateVersion',
    ),
    "brand_kit": (
        lambda value: isinstance(value, str | BrandKit | BrandKitVersion),
        'the slug of a brand kit such as "autumn", a BrandKit or a BrandKitVersion',
    ),
    "variables": (_is_mapping, "a mapping of variables to their values"),
    "prompt": (_is_text, "text"),
    "negative_prompt": (_is_text, "text"),
    "model": (
        lambda value: isinstance(value, str | ImageModel),
        "the name of a model or an ImageModel",
    ),
    "operation": (
        lambda value: isinstance(value, str | Operation),
        'text such as "generate" or an Operation',
    ),
    "size": (
        lambda value: isinstance(value, str | Size),
        'text such as "1024x768" or "16:9", or a Size',
    ),
    "count": (_is_whole_number, "a whole number"),
    "seed": (_is_whole_number, "a whole number"),
    "quality": (_is_text, 'text such as "standard"'),
    "output_format": (_is_text, 'text such as "png"'),
    "background": (_is_text, "text"),
    "parameters": (_is_mapping, "a mapping of the model's parameters to their values"),
    "loras": (_is_sequence, "a list of Lora"),
    "inputs": (_is_sequence, "a list of InputSource"),
    "idempotency_key": (_is_text, "text"),
    "batch": (lambda value: isinstance(value, Batch), "a Batch"),
    "row_key": (_is_text, "text"),
    "shot": (_is_text, 'text such as "front"'),
    "policy": (_is_text, '"at_most_once" or "at_least_once"'),
    "passes": (_is_sequence, 'a list such as ["upscale:2:model"]'),
}
#: Arguments for which None means that they were not given.
_MAY_BE_NONE: Final = frozenset(
    {
        "template",
        "brand_kit",
        "variables",
        "model",
        "size",
        "count",
        "seed",
        "quality",
        "parameters",
        "batch",
        "passes",
    }
)


def check_argument_types(given: Mapping[str, Any]) -> None:
    """Require that each argument of a request has a type that it may have.

    :raises TypeError: with one line for each argument that is unknown or has another type; values are
        not repeated, since they may be prompts.
    """
    problems = [problem for name, value in given.items() if (problem := _problem(name, value))]
    if problems:
        raise TypeError("\n".join(problems))


def _problem(name: str, value: object) -> str:
    if name not in _EXPECTED:
        return f"There is no argument {name!r}; there are: {', '.join(sorted(_EXPECTED))}."
    is_right, expected = _EXPECTED[name]
    if is_right(value) or (value is None and name in _MAY_BE_NONE):
        return ""
    return f"{name!r} must be {expected}, not {type(value).__name__}."
