"""Run work on a stranger's bytes in processes that may die, in place of our own.

Each worker is a fresh interpreter, never a fork: the parent may have threads, and may itself be
a daemonic child of its task engine, which multiprocessing forbids to have children. A worker has
next to no environment, so no secrets; a cap on its memory; and it cannot write files. It does one
thing at a time; a dead or slow one is killed and its successor is started at once.

What comes back is data: only our own value classes and errors are ever rebuilt from it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import queue
import socket
import subprocess
import sys
import threading
import time
import weakref
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from imagegen_app.imaging.errors import InvalidImage

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

MIB = 1024 * 1024
_MAX_ANSWER = 512 * MIB
#: A worker is replaced after this many images, so that its memory cannot creep.
_MAX_TASKS = 200
#: Starting an interpreter on a busy machine is not the image's fault.
_START_ALLOWANCE = 15.0
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_FOR_TESTS = ("IMAGEGEN_FAILPOINTS", "IMAGEGEN_TESTING")
_PACKAGES = ("imagegen_app.imaging.", "imagegen_app.core.")
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from imagegen_app.imaging.decoder import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


class PoolClosed(RuntimeError):
    """The pool was closed; make a new one."""


class _Lost(Exception):
    """The worker is gone, or too slow."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Answers(pickle.Unpickler):
    """Rebuild our own values and errors, and nothing else: the worker met a stranger."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(_PACKAGES) and "." not in name:
            found = getattr(import_module(module), name, None)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError("the answer holds a foreign class")


class _Worker:
    """One decoder process and the line to it."""

    def __init__(self, *, memory: int, executable: str) -> None:
        ours, theirs = socket.socketpair()
        # A default time-out, which Celery sets for moments, would make the worker's end non-blocking.
        theirs.setblocking(True)
        self._line = ours
        self._tasks = 0
        self._is_greeted = False
        path = [entry or str(Path.cwd()) for entry in sys.path]
        environment = {k: os.environ[k] for k in (*_PASSED_ON, *_FOR_TESTS) if k in os.environ}
        # Each arena reserves 64 MiB of address space, which counts against the cap.
        environment["MALLOC_ARENA_MAX"] = "2"
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
                [
                    *(executable, "-B", "-E", "-s", "-c", _BOOT),
                    *(json.dumps(path), str(theirs.fileno()), str(memory)),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # A Ctrl-C at the terminal is for the parent alone.
                start_new_session=True,
            )

    @property
    def is_spent(self) -> bool:
        return self._tasks >= _MAX_TASKS or self._process.poll() is not None

    def ask(self, task: bytes, *, timeout: float) -> bytes:
        """Hand over a task and return the answer.

        :raises _Lost: if the worker dies or takes too long.
        """
        self._tasks += 1
        try:
            if not self._is_greeted:
                self._read(1, until=time.monotonic() + _START_ALLOWANCE)
                self._is_greeted = True
            until = time.monotonic() + timeout
            self._line.settimeout(timeout)
            self._line.sendall(len(task).to_bytes(8) + task)
            length = int.from_bytes(self._read(8, until=until))
            if length > _MAX_ANSWER:
                raise _Lost("decoder_died")
            return self._read(length, until=until)
        except TimeoutError as error:
            raise _Lost("decoder_timeout") from error
        except OSError as error:
            raise _Lost("decoder_died") from error

    def _read(self, length: int, *, until: float) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._line.settimeout(left)
            part = self._line.recv(min(length - len(parts), MIB))
            if not part:
                raise _Lost("decoder_died")
            parts += part
        return bytes(parts)

    def stop(self) -> None:
        """End the process for certain."""
        self._line.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Let go of a worker that belongs to the process we were forked from."""
        self._line.close()
        # Not our child: its own parent stops it, and waiting for it would fail.
        self._process.returncode = 0


class DecoderPool:
    """A few processes that decode and encode for this one; safe from any thread and over forks.

    The memory is address space beyond the bare interpreter's: 40 megapixels of AVIF with alpha
    take 2.3 GiB of it, as the encoder reserves plenty; the other formats stay below 1.4 GiB.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        memory: int = 3072 * MIB,
        timeout: float = 20.0,
        executable: str = "",
    ) -> None:
        self._size = max(1, workers)
        self._memory = memory
        self._timeout = timeout
        self._executable = executable or _interpreter()
        self._is_closed = False
        self._hired: set[_Worker] = set()
        self._set_up()
        _POOLS.add(self)

    def _set_up(self) -> None:
        self._closing = threading.Lock()
        #: Places, the last used first; an empty one is filled when it is needed.
        self._places: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(self._size):
            self._places.put(None)

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the module-level function returns, having run it in a worker.

        :raises InvalidImage: if the function says so, the worker dies twice, or takes too long.
        :raises PoolClosed: if the pool was closed.
        """
        task = pickle.dumps((function.__module__, function.__qualname__, args, kwargs))
        try:
            return cast("T", self._ask(task))
        except _Lost as error:
            if error.reason != "decoder_died":
                raise InvalidImage(error.reason) from error
        # Perhaps it was not the image's fault: its successor is asked once more.
        try:
            return cast("T", self._ask(task))
        except _Lost as error:
            raise InvalidImage(error.reason) from error

    def _ask(self, task: bytes) -> object:
        """Have one worker do a task.

        :raises _Lost: if the worker dies or takes too long.
        """
        places = self._places
        held = places.get()
        if self._is_closed:
            places.put(held)
            raise PoolClosed("The decoder pool was closed.")
        try:
            if held is None or held.is_spent:
                held = self._hire(instead_of=held)
            answer = held.ask(task, timeout=self._timeout)
        except BaseException:
            # Whatever happened, the line is out of step. The successor starts now, beside us,
            # so that it is ready when the next image comes.
            with contextlib.suppress(OSError):
                held = self._hire(instead_of=held)
            raise
        finally:
            places.put(held)
        return _open(answer)

    def close(self) -> None:
        """Stop every worker, waiting for those at work."""
        self._is_closed = True
        with self._closing:
            for held in [self._places.get() for _ in range(self._size)]:
                if held is not None:
                    self._dismiss(held)
            for _ in range(self._size):
                self._places.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hire(self, *, instead_of: _Worker | None) -> _Worker:
        if instead_of is not None:
            self._dismiss(instead_of)
        worker = _Worker(memory=self._memory, executable=self._executable)
        self._hired.add(worker)
        return worker

    def _dismiss(self, worker: _Worker) -> None:
        worker.stop()
        self._hired.discard(worker)

    def reset_after_fork(self) -> None:
        """Start with no workers in a forked child; the parent keeps its own."""
        for worker in self._hired:
            worker.forget()
        self._hired = set()
        self._set_up()


_POOLS: weakref.WeakSet[DecoderPool] = weakref.WeakSet()


def _begin_anew() -> None:
    for pool in list(_POOLS):
        pool.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def _open(answer: bytes) -> object:
    try:
        is_error, value = _Answers(io.BytesIO(answer)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ValueError, TypeError) as error:
        raise InvalidImage("decoder_died", detail=type(error).__name__) from error
    if not is_error:
        return value
    raise value if isinstance(value, Exception) else InvalidImage("decoder_died")


def _interpreter() -> str:
    """Return a Python to start workers with, also where we are embedded in a server."""
    if Path(sys.executable or "").name.startswith(("python", "pypy")):
        return sys.executable
    return str(Path(sys.prefix) / "bin" / "python3")
