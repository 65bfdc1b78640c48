"""Functions that behave like a decoder under attack; the pool's tests run them in its processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import AvifImagePlugin

from imagegen_app.imaging.errors import InvalidImage


@dataclass(frozen=True)
class OtherClass:
    """A class that the parent process must not unpickle."""

    value: int = 1


def echo(data: bytes) -> bytes:
    return data


def process_id() -> int:
    return os.getpid()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(folder: str) -> str:
    """Remove the folder and kill this process; return a text if the folder is already gone."""
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


def eat_and_refuse(mebibytes: int) -> None:
    """Refuse, by an error that keeps the memory in use: its frames and it refer to each other."""
    _eaten = bytearray(mebibytes * 1024 * 1024)
    kept: list[InvalidImage] = []
    try:
        refuse()
    except InvalidImage as error:
        kept.append(error)
    raise kept[0]


def refuse() -> None:
    raise InvalidImage("svg", detail="a detail")


def raise_unexpected() -> None:
    raise KeyError("something unexpected")


def answer_with_other_class() -> OtherClass:
    return OtherClass()


def modules() -> list[str]:
    return sorted(name.split(".", maxsplit=1)[0] for name in sys.modules)


def environment() -> dict[str, str]:
    return dict(os.environ)


def write_file(path: str) -> None:
    Path(path).write_bytes(b"x" * 100)


def hang_on(_data: bytes) -> None:
    threading.Event().wait()


def process_of(_data: bytes) -> int:
    return os.getpid()


def niceness(_data: bytes) -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def crash_once(folder: str) -> str:
    """Remove the folder and crash as a decoder does; return a text if the folder is gone."""
    if Path(folder).exists():
        Path(folder).rmdir()
        os.kill(os.getpid(), signal.SIGSEGV)
    return "alive"


def eat_all() -> int:
    """Take memory, and use it, until there is no more; return the peak in MiB."""
    eaten = []
    try:
        while True:
            eaten.append(b"x" * (8 * 1024 * 1024))
    except MemoryError:
        eaten.clear()
    text = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def decoder_threads() -> int:
    return AvifImagePlugin.DEFAULT_MAX_THREADS


def spin_for(seconds: float) -> str:
    """Use that much processor time."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return "done"


def eat_on(_data: bytes, mebibytes: int) -> int:
    return len(bytearray(mebibytes * 1024 * 1024))
