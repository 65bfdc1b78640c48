"""The protocols of the simulator: one module a provider, found by its name."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING

from imagegen_app.testing.simulator.protocol import Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnknownProtocol(LookupError):
    """No protocol has this name, and it is not the path of one."""

    def __str__(self) -> str:
        known = ", ".join(protocol_names())
        return f"the simulator has no protocol {self.args[0]!r}; it has {known}"


def protocol_names() -> tuple[str, ...]:
    """Return the names of the protocols that come with the simulator."""
    return tuple(_protocols())


@functools.cache
def _protocols() -> dict[str, type[Protocol]]:
    """Return the protocols of this package's modules by their names."""
    found: dict[str, type[Protocol]] = {}
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        for kind in vars(loaded).values():
            # One without a name is a base of others.
            if isinstance(kind, type) and issubclass(kind, Protocol) and hasattr(kind, "name"):
                found[kind.name] = kind
    return found


def load(name: str) -> type[Protocol]:
    """Return a protocol by its name, or by the path (`module:Class`) of your own.

    :raises UnknownProtocol: if there is none.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        if name not in _protocols():
            raise UnknownProtocol(name)
        return _protocols()[name]
    try:
        found: type[Protocol] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownProtocol(name) from error
    return found


def load_each(names: Sequence[str]) -> list[type[Protocol]]:
    """Return protocols by their names; all that come with the simulator where none is named.

    :raises UnknownProtocol: if there is none of a name.
    """
    return [load(name) for name in names or protocol_names()]
