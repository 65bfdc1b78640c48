"""Do what a hostile image makes a decoder do; run in a worker by the tests of the pool."""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from imagegen_app.imaging.errors import InvalidImage


@dataclass(frozen=True)
class Foreign:
    """A class that the parent must not rebuild."""

    value: int = 1


def echo(data: bytes) -> bytes:
    return data


def process_id() -> int:
    return os.getpid()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_there(folder: str) -> str:
    """Die of a folder, and take it along; without it, live."""
    if Path(folder).exists():
        Path(folder).rmdir()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def hang() -> None:
    threading.Event().wait()


def spin() -> None:
    while True:
        pass


def eat(mebibytes: int) -> int:
    return len(bytearray(mebibytes * 1024 * 1024))


def refuse() -> None:
    raise InvalidImage("svg", detail="as told")


def stumble() -> None:
    raise KeyError("something unforeseen")


def answer_with_foreign_class() -> Foreign:
    return Foreign()


def modules() -> list[str]:
    return sorted(name.split(".", maxsplit=1)[0] for name in sys.modules)


def environment() -> dict[str, str]:
    return dict(os.environ)


def write_file(path: str) -> None:
    Path(path).write_bytes(b"x" * 100)
