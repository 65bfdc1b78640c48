"""Choose the fields of a call where each operation takes a list of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import UnsupportedParameter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from imagegen_app.core.types import GenerationRequest


def asked(
    request: GenerationRequest, *, count: str, seed: str, negative: str = "negative_prompt"
) -> tuple[dict[str, Any], dict[str, bool]]:
    """Return how many images of which seed without what, by a provider's names, and which was asked for.

    Both are for `chosen`.
    """
    values = {
        count: request.count,
        seed: request.seed,
        negative: request.negative_prompt or None,
    }
    wanted = {
        count: request.count > 1,
        seed: request.seed is not None,
        negative: bool(request.negative_prompt),
    }
    return values, wanted


def chosen(
    values: Mapping[str, Any], *, taken: Collection[str], wanted: Mapping[str, bool]
) -> dict[str, Any]:
    """Return the values that an operation takes, in its order, without those that are empty.

    `wanted` tells which of them were asked for, so that they are not left out without a word.

    :raises UnsupportedParameter: if one of these is not taken, by its name.
    """
    for name, is_wanted in wanted.items():
        if is_wanted and name not in taken:
            raise UnsupportedParameter(detail=f"{name}: not taken by this operation")
    found = {name: values.get(name) for name in taken}
    return {name: value for name, value in found.items() if value is not None and value != ""}
