"""Decode and encode untrusted images in separate processes, so that a crash does not hit our own.

Each decoder process is a new interpreter, never a fork: the parent may have threads, and may be a
daemonic child of its task engine, which multiprocessing does not allow to have children. A decoder
process gets almost no environment variables, so no secrets; its memory is limited, and it cannot
write files. It executes one task at a time; one that dies or is too slow is killed and replaced.

Its answers are untrusted, too: only our own value classes and errors are unpickled from them.
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
_MAX_ANSWER_BYTES = 512 * MIB
#: A process is replaced after this many tasks, so that leaks cannot fill its memory.
_MAX_TASKS = 200
#: How long the interpreter may take to start; does not count for the time-out of the task.
_START_SECONDS = 15.0
_PASSED_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_TEST_VARIABLES = ("IMAGEGEN_FAILPOINTS", "IMAGEGEN_TESTING")
#: Only classes of these packages are unpickled.
_PACKAGES = ("imagegen_app.imaging.", "imagegen_app.core.")
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from imagegen_app.imaging.decoder import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


class PoolClosed(RuntimeError):
    """The decoder pool was closed; create a new one."""


class _ProcessLost(Exception):
    """The decoder process died or was too slow; `reason` is one of `InvalidImage`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _AnswerUnpickler(pickle.Unpickler):
    """Unpickles our own value classes and errors only, since an image may control the decoder."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(_PACKAGES) and "." not in name:
            attribute = getattr(import_module(module), name, None)
            if isinstance(attribute, type) and attribute.__module__ == module:
                return attribute
        raise pickle.UnpicklingError("the answer contains a class that is not allowed")


class _DecoderProcess:
    """One decoder process and the socket to it."""

    def __init__(self, *, memory: int, executable: str) -> None:
        own_end, child_end = socket.socketpair()
        # With a default time-out, which Celery sets at times, the child's end would not block.
        child_end.setblocking(True)
        self._socket = own_end
        self._task_count = 0
        self._is_ready = False
        path = [entry or str(Path.cwd()) for entry in sys.path]
        names = (*_PASSED_VARIABLES, *_TEST_VARIABLES)
        environment = {name: os.environ[name] for name in names if name in os.environ}
        # Each malloc arena reserves 64 MiB of address space, which counts against the limit.
        environment["MALLOC_ARENA_MAX"] = "2"
        with child_end:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
                [
                    *(executable, "-B", "-E", "-s", "-c", _BOOT),
                    *(json.dumps(path), str(child_end.fileno()), str(memory)),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(child_end.fileno(),),
                # So that Ctrl-C at the terminal reaches the parent only.
                start_new_session=True,
            )

    @property
    def must_be_replaced(self) -> bool:
        """Whether it has ended, or has executed its number of tasks."""
        return self._task_count >= _MAX_TASKS or self._process.poll() is not None

    def execute(self, task: bytes, *, timeout: float) -> bytes:
        """Send a pickled task and return the pickled answer; `timeout` is in seconds.

        :raises _ProcessLost: if the process dies or takes too long.
        """
        self._task_count += 1
        try:
            if not self._is_ready:
                self._read(1, until=time.monotonic() + _START_SECONDS)
                self._is_ready = True
            until = time.monotonic() + timeout
            self._socket.settimeout(timeout)
            self._socket.sendall(len(task).to_bytes(8) + task)
            length = int.from_bytes(self._read(8, until=until))
            if length > _MAX_ANSWER_BYTES:
                raise _ProcessLost("decoder_died")
            return self._read(length, until=until)
        except TimeoutError as error:
            raise _ProcessLost("decoder_timeout") from error
        except OSError as error:
            raise _ProcessLost("decoder_died") from error

    def _read(self, length: int, *, until: float) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            remaining = until - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            self._socket.settimeout(remaining)
            part = self._socket.recv(min(length - len(parts), MIB))
            if not part:
                raise _ProcessLost("decoder_died")
            parts += part
        return bytes(parts)

    def stop(self) -> None:
        """Kill the process and wait until it has ended."""
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Close our copy of the socket to a process that belongs to the process we forked from."""
        self._socket.close()
        # It is not our child: its own parent stops it, and waiting for it would fail.
        self._process.returncode = 0


class DecoderPool:
    """Decoder processes for this process; may be used from any thread, and after a fork.

    `workers` is the number of decoder processes, `timeout` the seconds of one task, `memory` the
    bytes of address space of each process in addition to those of the interpreter: 40 megapixels
    of AVIF with alpha take 2.3 GiB, the other formats less than 1.4 GiB.
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
        self._processes: set[_DecoderProcess] = set()
        self._set_up()
        _POOLS.add(self)

    def _set_up(self) -> None:
        self._closing = threading.Lock()
        #: One slot for each process, the last used first; None until a process is needed.
        self._slots: queue.LifoQueue[_DecoderProcess | None] = queue.LifoQueue()
        for _ in range(self._size):
            self._slots.put(None)

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module-level function in a decoder process and return its result.

        :raises InvalidImage: if the function raises it, the process dies twice, or takes too long.
        :raises PoolClosed: if the pool was closed.
        """
        task = pickle.dumps((function.__module__, function.__qualname__, args, kwargs))
        try:
            return cast("T", self._execute(task))
        except _ProcessLost as error:
            if error.reason != "decoder_died":
                raise InvalidImage(error.reason) from error
        # The process may have died for another reason than the image: one more attempt.
        try:
            return cast("T", self._execute(task))
        except _ProcessLost as error:
            raise InvalidImage(error.reason) from error

    def _execute(self, task: bytes) -> object:
        """Execute a pickled task in a free process, and wait for one if none is free.

        :raises _ProcessLost: if the process dies or takes too long.
        """
        slots = self._slots
        process = slots.get()
        if self._is_closed:
            slots.put(process)
            raise PoolClosed("The decoder pool was closed.")
        try:
            if process is None or process.must_be_replaced:
                process = self._start(instead_of=process)
            answer = process.execute(task, timeout=self._timeout)
        except BaseException:
            # The next bytes from the socket might belong to this task, so the process is replaced.
            # The new one starts now, so that it is ready for the next image.
            with contextlib.suppress(OSError):
                process = self._start(instead_of=process)
            raise
        finally:
            slots.put(process)
        return _result_of(answer)

    def close(self) -> None:
        """Stop every decoder process, after its present task."""
        self._is_closed = True
        with self._closing:
            for process in [self._slots.get() for _ in range(self._size)]:
                if process is not None:
                    self._stop(process)
            for _ in range(self._size):
                self._slots.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, *, instead_of: _DecoderProcess | None) -> _DecoderProcess:
        if instead_of is not None:
            self._stop(instead_of)
        process = _DecoderProcess(memory=self._memory, executable=self._executable)
        self._processes.add(process)
        return process

    def _stop(self, process: _DecoderProcess) -> None:
        process.stop()
        self._processes.discard(process)

    def reset_after_fork(self) -> None:
        """Begin without processes in a forked child; the parent continues to use its own."""
        for process in self._processes:
            process.forget()
        self._processes = set()
        self._set_up()


_POOLS: weakref.WeakSet[DecoderPool] = weakref.WeakSet()


def _reset_all_after_fork() -> None:
    for pool in list(_POOLS):
        pool.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all_after_fork)


def _result_of(answer: bytes) -> object:
    """Return the result in a pickled answer, or raise the error in it.

    :raises InvalidImage: if the answer cannot be read.
    """
    try:
        is_error, value = _AnswerUnpickler(io.BytesIO(answer)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ValueError, TypeError) as error:
        raise InvalidImage("decoder_died", detail=type(error).__name__) from error
    if not is_error:
        return value
    raise value if isinstance(value, Exception) else InvalidImage("decoder_died")


def _interpreter() -> str:
    """Return the path of a Python interpreter, also where Python is embedded in a web server."""
    if Path(sys.executable or "").name.startswith(("python", "pypy")):
        return sys.executable
    return str(Path(sys.prefix) / "bin" / "python3")
