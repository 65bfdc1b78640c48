"""Functions of a site that empty its caches, as `IMAGEGEN["PURGE"]` names them."""

from __future__ import annotations

import threading

#: The URLs of each call.
calls: list[list[str]] = []
#: Ends the call that hangs.
released = threading.Event()


def purge(urls: list[str]) -> None:
    calls.append(urls)


def fail(urls: list[str]) -> None:
    calls.append(urls)
    raise RuntimeError("the token abc123 is not valid")


def exit_process(urls: list[str]) -> None:
    calls.append(urls)
    raise SystemExit(1)


def hang(urls: list[str]) -> None:
    calls.append(urls)
    released.wait(30)
