"""Sources of a key as a site would write them, and as they go wrong."""

from __future__ import annotations

from threading import Event

SECRET = "sk-vault-0123456789abcdef"
#: Set to end the calls of `hangs`.
released = Event()
#: What `plain` returns, the last one again and again, and how often it was called.
values: list[str] = []
calls: list[str] = []
is_down = Event()


def plain() -> str:
    calls.append("plain")
    if is_down.is_set():
        raise ConnectionError(f"vault says: {SECRET}")
    return values.pop(0) if len(values) > 1 else values[0]


def raises() -> str:
    raise KeyError(SECRET)


def exits() -> str:
    raise SystemExit(SECRET)


def hangs() -> str:
    released.wait(30)
    return SECRET


def needs_an_argument(name: str) -> str:
    return name


def returns_nothing() -> None:
    return None


async def is_asynchronous() -> str:
    return SECRET


not_callable = SECRET
