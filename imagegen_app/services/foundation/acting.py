"""Know who acts at this moment, where Django's signals do not say it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from imagegen_app.core.actors import Actor, System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The actor where nobody said who acts: a shell, a command or a site without our middleware.
UNKNOWN: Final = System("code")

_look_up: ContextVar[Callable[[], Actor | None] | None] = ContextVar("imagegen_actor", default=None)


@contextmanager
def acting_as(actor: Actor | Callable[[], Actor | None]) -> Iterator[None]:
    """Let changes inside the block be recorded as this actor's.

    A function is called only when a change must be recorded, such as to read the request's user.
    """
    token = _look_up.set(actor if callable(actor) else lambda: actor)
    try:
        yield
    finally:
        _look_up.reset(token)


def current_actor() -> Actor:
    """Return who acts; `UNKNOWN` where nobody said so."""
    look_up = _look_up.get()
    return (look_up() if look_up is not None else None) or UNKNOWN
