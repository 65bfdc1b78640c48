"""Run as a decoder process: limited memory, no file writing, one task after the other."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import socket
import sys
from importlib import import_module
from pathlib import Path

from PIL import Image

from imagegen_app.imaging import pipeline
from imagegen_app.imaging.errors import InvalidImage

_MAX_OPEN_FILES = 64
_NICENESS = 10


def main(file_number: int, memory: int) -> None:
    """Execute tasks from the parent process until it closes the socket.

    `file_number` is the file descriptor of the socket, `memory` the address space in bytes that
    this process may take in addition to what it has now. Each message is 8 bytes of length and a
    pickle; a single `+` is sent first, when the process is ready.
    """
    # All that the pipeline needs is loaded before the limits are set.
    Image.init()
    # The parent's open provider calls get the processor first: images can wait.
    os.nice(_NICENESS)
    _set_limits(memory)
    with socket.socket(fileno=file_number) as connection:
        connection.sendall(b"+")
        while True:
            header = _read(connection, 8)
            if not header:
                return
            answer = _execute(_read(connection, int.from_bytes(header)))
            try:
                connection.sendall(len(answer).to_bytes(8))
                connection.sendall(answer)
            except OSError:
                # The parent was killed; nobody waits for the answer.
                return


def _execute(task: bytes) -> bytes:
    """Call the function that the task names; return a pickle of (is an error, result or error)."""
    module, name, args, kwargs = pickle.loads(task)  # noqa: S301 - from our own parent
    try:
        function = getattr(import_module(module), name)
        return pickle.dumps((False, function(*args, **kwargs)))
    except InvalidImage as error:
        return pickle.dumps((True, error))
    except MemoryError:
        return pickle.dumps((True, InvalidImage("too_much_memory", detail="MemoryError")))
    except pipeline.MarkMissing as error:
        return pickle.dumps((True, error))
    except Exception as error:  # noqa: BLE001 - the parent gets and records any error
        detail = type(error).__name__
        # If the parent's standard error is a file, writing is not allowed here.
        with contextlib.suppress(OSError):
            sys.stderr.write(f"imagegen decoder: {module}.{name}: {detail}: {error}\n")
        return pickle.dumps((True, InvalidImage("damaged", detail=detail)))


def _read(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(min(length - len(parts), 1024 * 1024))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def _set_limits(memory: int) -> None:
    """Limit the resources of this process from now on."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No file can be written; the socket to the parent does not count as one.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(_MAX_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    status = Path("/proc/self/statm")
    if not status.exists():
        # macOS does not enforce RLIMIT_AS; the time-out and the limit on pixels remain.
        return
    pages = int(status.read_text(encoding="ascii").split()[0])
    cap = pages * os.sysconf("SC_PAGE_SIZE") + memory
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
