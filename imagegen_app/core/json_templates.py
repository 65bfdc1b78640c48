"""Fill a JSON document that a site has written with the values of a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PLACEHOLDER: Final = re.compile(r"\$([a-z_][a-z0-9_]*(?:\.\w+)?)")
#: Objects and lists inside of each other.
MAX_DEPTH: Final = 32
#: Stands for a value that the request does not have.
_NOTHING: Final = object()


def placeholders(template: object) -> frozenset[str]:
    """Return the names that a template has a place for, such as `prompt` for the text `$prompt`."""
    return frozenset(filter(None, map(_name_of, _texts_in(template))))


def misspelt(template: object) -> list[str]:
    """Return the texts with a `$` that is neither a placeholder nor written as `$$`."""
    return [
        text
        for text in _texts_in(template)
        if "$" in text and not text.startswith("$$") and not _name_of(text)
    ]


def is_too_deep(template: object) -> bool:
    """Return whether a template has more than `MAX_DEPTH` objects and lists inside of each other."""
    level = [template]
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in _inside(one)]
    return any(isinstance(one, dict | list) for one in level)


def filled(template: object, values: Mapping[str, Any]) -> Any:
    """Return the document with the values in their places, each of its own JSON type.

    Only a text that is nothing but a placeholder is one; a text that begins with `$$` stands for
    itself without the first `$`. What has no value is left out, with the name it belongs to.
    """
    found = _filled(template, values)
    return {} if found is _NOTHING else found


def _filled(template: object, values: Mapping[str, Any]) -> object:
    if isinstance(template, dict):
        pairs = {name: _filled(value, values) for name, value in template.items()}
        kept = {name: value for name, value in pairs.items() if value is not _NOTHING}
        # An object that only held what the request has not is left out, too.
        return kept if kept or not template else _NOTHING
    if isinstance(template, list):
        items = [_filled(item, values) for item in template]
        return [item for item in items if item is not _NOTHING]
    name = _name_of(template)
    if name:
        return values.get(name, _NOTHING)
    return template[1:] if isinstance(template, str) and template.startswith("$$") else template


def _texts_in(template: object) -> Iterator[str]:
    waiting = [template]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        waiting.extend(_inside(one))


def _inside(one: object) -> list[Any]:
    if isinstance(one, dict):
        return list(one.values())
    return one if isinstance(one, list) else []


def _name_of(value: object) -> str:
    found = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else ""
