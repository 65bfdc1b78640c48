"""Run as a decoder process: limited memory, no file writing, one task after the other."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import pickle
import resource
import socket
import sys
from importlib import import_module
from pathlib import Path

from PIL import AvifImagePlugin, Image

from imagegen_app.imaging import pipeline
from imagegen_app.imaging.errors import InvalidImage

_MAX_OPEN_FILES = 64
_NICENESS = 10
_MAX_THREADS = 2
_UNREAD_CODE_BYTES = 8 * 1024 * 1024


def main(file_number: int, memory: int, idle_seconds: float) -> None:
    """Execute tasks from the parent process until it closes the socket.

    `file_number` is the file descriptor of the socket, `memory` the resident memory in bytes that
    this process may take. It ends after `idle_seconds` without a task, and gives its memory back.
    Each message is 8 bytes of length and a pickle: a task's limits, then the task. A single `+` is
    sent first, when the process is ready.
    """
    # All that the pipeline needs is loaded before the limits are set.
    Image.init()
    # Each thread takes address space for its stack, on servers with many processors more than
    # is allowed.
    AvifImagePlugin.DEFAULT_MAX_THREADS = _MAX_THREADS
    # The parent's open provider calls get the processor first: images can wait.
    with contextlib.suppress(OSError):
        # Unless it has been made to give way even more already.
        os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    # What is loaded now stays, so that looking for garbage after each task takes no time.
    gc.freeze()
    _set_limits(memory)
    with socket.socket(fileno=file_number) as connection:
        connection.sendall(b"+")
        while True:
            connection.settimeout(idle_seconds)
            try:
                header = _read(connection, 8)
            except TimeoutError:
                return
            if not header:
                return
            connection.settimeout(None)
            _limit_task(*pickle.loads(_read(connection, int.from_bytes(header))))  # noqa: S301
            answer = _execute(connection)
            try:
                connection.sendall(len(answer).to_bytes(8))
                connection.sendall(answer)
            except OSError:
                # The parent was killed; nobody waits for the answer.
                return
            # An error refers to frames, with images of 150 MB, and these may refer to the error:
            # only this frees them, and the next image needs the memory.
            gc.collect()
            _limit_processor_time(None)


def _execute(connection: socket.socket) -> bytes:
    """Call the function that the task names; return a pickle of (is an error, result or error)."""
    module, name = "", ""
    try:
        # Only the file itself is kept of the message, since files are large.
        module, name, args, kwargs = pickle.loads(  # noqa: S301 - from our own parent
            _read(connection, int.from_bytes(_read(connection, 8)))
        )
        function = getattr(import_module(module), name)
        answer = pickle.dumps((False, function(*args, **kwargs)))
    except InvalidImage as error:
        answer = pickle.dumps((True, error))
    except MemoryError:
        answer = pickle.dumps((True, InvalidImage("too_much_memory", detail="MemoryError")))
    except pipeline.MarkMissing as error:
        answer = pickle.dumps((True, error))
    except Exception as error:  # noqa: BLE001 - the parent gets and records any error
        detail = type(error).__name__
        # If the parent's standard error is a file, writing is not allowed here.
        with contextlib.suppress(OSError):
            sys.stderr.write(f"imagegen decoder: {module}.{name}: {detail}: {error}\n")
        answer = pickle.dumps((True, InvalidImage("damaged", detail=detail)))
    return answer


def _read(connection: socket.socket, length: int) -> bytearray:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(min(length - len(parts), 1024 * 1024))
        if not part:
            return bytearray()
        parts += part
    return parts


def _set_limits(memory: int) -> None:
    """Limit the resources of this process from now on."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No file can be written; the socket to the parent does not count as one.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(_MAX_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    size, resident = _memory()
    if not size:
        # macOS does not enforce RLIMIT_AS; the time-outs and the limits on pixels remain.
        return
    # The address space is what the kernel limits. What is mapped and not resident, mostly code of
    # libraries, does not count, except for the part that is yet to be read.
    cap = memory + size - resident - _UNREAD_CODE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))


def _limit_task(cpu_seconds: float, memory: int) -> None:
    """Limit the next task's processor time, and the address space that it may take in addition."""
    _limit_processor_time(cpu_seconds)
    size, _ = _memory()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if size and hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (min(hard, size + memory), hard))


def _limit_processor_time(seconds: float | None) -> None:
    """Have the kernel end this process after further seconds of processor time; None: never."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = hard
    if seconds is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = math.ceil(used.ru_utime + used.ru_stime + seconds)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _memory() -> tuple[int, int]:
    """Return this process's address space and resident memory in bytes; 0 if unknown."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return 0, 0
    size, resident = status.read_text(encoding="ascii").split()[:2]
    page = os.sysconf("SC_PAGE_SIZE")
    return int(size) * page, int(resident) * page
