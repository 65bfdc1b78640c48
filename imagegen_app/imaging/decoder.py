"""Serve as one decoder process: bounded memory, no files, one task after the other."""

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


def main(line_number: int, memory: int) -> None:
    """Answer tasks on the line until the parent hangs up."""
    # Whatever the pipeline needs is loaded before the caps are set.
    Image.init()
    # Images can wait, calls that are paid by the second cannot.
    os.nice(_NICENESS)
    _limit(memory)
    with socket.socket(fileno=line_number) as line:
        line.sendall(b"+")
        while True:
            head = _read(line, 8)
            if not head:
                return
            answer = _work(_read(line, int.from_bytes(head)))
            try:
                line.sendall(len(answer).to_bytes(8))
                line.sendall(answer)
            except OSError:
                # The parent was killed; nobody waits for the answer.
                return


def _work(task: bytes) -> bytes:
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
    except Exception as error:  # noqa: BLE001 - the edge of the loop; the parent records it
        detail = type(error).__name__
        # Where the parent's errors go to a file, we may not write.
        with contextlib.suppress(OSError):
            sys.stderr.write(f"imagegen decoder: {module}.{name}: {detail}: {error}\n")
        return pickle.dumps((True, InvalidImage("damaged", detail=detail)))


def _read(line: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = line.recv(min(length - len(parts), 1024 * 1024))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def _limit(memory: int) -> None:
    """Cap what this process may take, from here on."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No file can be written; the line to the parent is no file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MAX_OPEN_FILES if most == resource.RLIM_INFINITY else min(_MAX_OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    status = Path("/proc/self/statm")
    if not status.exists():
        # macOS does not keep RLIMIT_AS; the wall clock and the pixel cap remain.
        return
    pages = int(status.read_text(encoding="ascii").split()[0])
    cap = pages * os.sysconf("SC_PAGE_SIZE") + memory
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
