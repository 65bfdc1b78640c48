"""Decode and encode untrusted images in separate processes, so that a crash does not hit our own.

Each decoder process is a new interpreter, never a fork: the parent may have threads, and may be a
daemonic child of its task engine, which multiprocessing does not allow to have children. A decoder
process gets almost no environment variables, so no secrets; its memory is limited, and it cannot
write files. It executes one task at a time; one that dies or is too slow is killed and replaced.

What a task may take follows from the pixels that its file declares (`decode_limits.py`). Files that
are expected to take long, or that turn out to, share all processes but one: that one is left for
quick tasks, so that no file can delay others for long.

Its answers are untrusted, too: only our own value classes and errors are unpickled from them.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import sys
import threading
import time
import weakref
from collections import deque
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from imagegen_app.imaging.decode_limits import MAX_MEMORY_BYTES, MIB, TaskLimits, task_limits
from imagegen_app.imaging.decoder_process import DecoderProcess, Overtaken, ProcessLost
from imagegen_app.imaging.errors import InvalidImage

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MIB", "DecoderPool", "PoolClosed"]

P = ParamSpec("P")
T = TypeVar("T")

#: Only classes of these packages are unpickled.
_PACKAGES = ("imagegen_app.imaging.", "imagegen_app.core.")
#: Functions of these modules load the library for Content Credentials, which takes a tenth of the
#: address space: other processes decode the pixels.
_CREDENTIALS_MODULES = ("imagegen_app.imaging.content_credentials", "imagegen_app.imaging.marking")


class PoolClosed(RuntimeError):
    """The decoder pool was closed; create a new one."""


class _AnswerUnpickler(pickle.Unpickler):
    """Unpickles our own value classes and errors only, since an image may control the decoder."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(_PACKAGES) and "." not in name:
            attribute = getattr(import_module(module), name, None)
            if isinstance(attribute, type) and attribute.__module__ == module:
                return attribute
        raise pickle.UnpicklingError("the answer contains a class that is not allowed")


class _Task:
    """A task and the place that it has, or waits for."""

    def __init__(self, body: bytes, limits: TaskLimits, *, reads_credentials: bool) -> None:
        self.body = body
        self.limits = limits
        self.reads_credentials = reads_credentials
        self.is_heavy = limits.is_heavy

    @property
    def process_kind(self) -> str:
        """Which processes may execute it: heavy ones have given way to all others for good."""
        if self.reads_credentials:
            return "credentials"
        return "heavy" if self.is_heavy else "quick"


class DecoderPool:
    """Decoder processes for this process; may be used from any thread, and after a fork.

    `workers` is the number of quick tasks at once, and of heavy ones; one place more than that
    exists, so that neither of them can take all. `memory` is the resident memory of one process in
    bytes, so that all of them take `workers + 1` times that at most. `timeout` is the seconds of
    processor time that the largest task may take; smaller ones get less.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        memory: int = MAX_MEMORY_BYTES,
        timeout: float = 20.0,
        idle_seconds: float = 600.0,
        limits_for: Callable[[bytes | None, float], TaskLimits] = task_limits,
        executable: str = "",
    ) -> None:
        self._most_of_a_kind = max(1, workers)
        self._size = self._most_of_a_kind + 1
        self._memory = memory
        self._timeout = timeout
        self._idle_seconds = idle_seconds
        self._limits_for = limits_for
        self._executable = executable or _interpreter()
        self._is_closed = False
        self._processes: set[DecoderProcess] = set()
        self._set_up()
        _POOLS.add(self)

    def _set_up(self) -> None:
        self._changed = threading.Condition()
        #: Processes without a task, the last used one at the end.
        self._idle: list[DecoderProcess] = []
        self._running: set[_Task] = set()
        self._waiting: deque[_Task] = deque()

    @property
    def process_ids(self) -> list[int]:
        """The operating system's numbers of the decoder processes."""
        return [process.process_id for process in list(self._processes)]

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module-level function in a decoder process and return its result.

        The first argument that is bytes is the file, whose declared size limits the task.

        :raises InvalidImage: if the function raises it, the process dies, or takes too long.
        :raises PoolClosed: if the pool was closed.
        """
        return self._run(None, function, args, kwargs)

    def run_within(
        self, patience: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do what `run` does, for somebody who waits: at most `patience` seconds in all.

        :raises InvalidImage: as `run`, and with the reason `decoder_busy` if none became free.
        :raises PoolClosed: if the pool was closed.
        """
        return self._run(patience, function, args, kwargs)

    def _run(
        self,
        patience: float | None,
        function: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> T:
        values = (*args, *kwargs.values())
        data = next((value for value in values if isinstance(value, bytes)), None)
        task = _Task(
            pickle.dumps((function.__module__, function.__qualname__, args, kwargs)),
            self._limits_for(data, self._timeout),
            reads_credentials=function.__module__ in _CREDENTIALS_MODULES,
        )
        until = None if patience is None else time.monotonic() + patience
        attempts = 2
        while True:
            try:
                return cast("T", self._execute(task, until=until))
            except Overtaken:
                # From now on it waits with the heavy ones.
                continue
            except ProcessLost as error:
                attempts -= 1
                if not (attempts and error.may_be_repeated):
                    raise InvalidImage(error.reason) from error
                # Something else may have ended the process; but nothing quick waits for it again.
                task.is_heavy = True

    def _execute(self, task: _Task, *, until: float | None) -> object:
        """Execute a task as soon as there is a place for it.

        :raises ProcessLost: if the process dies or takes too long.
        :raises Overtaken: if it is not quick, while quick ones wait.
        """
        # A fork replaces these; what began before it ends with the old ones.
        changed = self._changed
        process: DecoderProcess | None = None
        with changed:
            self._take_place(task, until=until)
        try:
            with changed:
                process = self._take_idle(task.process_kind)
            if process is None or process.must_be_replaced:
                process = self._start(instead_of=process)
            process.take_kind(task.process_kind)
            limits = task.limits
            if until is not None:
                wall = min(limits.wall_seconds, max(0.1, until - time.monotonic()))
                limits = replace(limits, wall_seconds=wall)
            answer = process.execute(
                task.body, limits=limits, may_continue=partial(self._may_continue, task, process)
            )
        except BaseException:
            # The next bytes from the socket might belong to this task, so the process is replaced.
            # The new one starts now, so that it is ready for the next image.
            if process is not None:
                self._stop(process)
            process = None
            with contextlib.suppress(OSError):
                process = self._start()
            raise
        finally:
            with changed:
                if process is not None:
                    self._idle.append(process)
                self._running.discard(task)
                changed.notify_all()
        return _result_of(answer)

    def _take_place(self, task: _Task, *, until: float | None) -> None:
        """Wait until the task may run: first come, first served, among the heavy and the quick."""
        self._waiting.append(task)
        try:
            while not self._is_closed and not self._is_next(task):
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise InvalidImage("decoder_busy")
                self._changed.wait(left)
            if self._is_closed:
                raise PoolClosed("The decoder pool was closed.")
            self._running.add(task)
        finally:
            self._waiting.remove(task)
            self._changed.notify_all()

    def _is_next(self, task: _Task) -> bool:
        first = next(other for other in self._waiting if other.is_heavy == task.is_heavy)
        return (
            first is task
            and len(self._running) < self._size
            and self._count(is_heavy=task.is_heavy) < self._most_of_a_kind
        )

    def _count(self, *, is_heavy: bool) -> int:
        return sum(task.is_heavy == is_heavy for task in self._running)

    def _may_continue(self, task: _Task, process: DecoderProcess) -> bool:
        """Decide whether a task goes on that is no longer a quick one.

        If quick ones wait, it must count as heavy; if there are too many of these, it is stopped,
        and begins again when it is its turn among them.
        """
        with self._changed:
            if task.is_heavy or all(other.is_heavy for other in self._waiting):
                return True
            has_room = self._count(is_heavy=True) < self._most_of_a_kind
            task.is_heavy = True
            if has_room:
                process.take_kind(task.process_kind)
            self._changed.notify_all()
            return has_room

    def _take_idle(self, kind: str) -> DecoderProcess | None:
        """Take a process that has loaded what the task needs, or one that will be replaced."""
        for index in reversed(range(len(self._idle))):
            if self._idle[index].kind in {"", kind}:
                return self._idle.pop(index)
        if len(self._running) + len(self._idle) > self._size:
            self._stop(self._idle.pop(0))
        return None

    def close(self) -> None:
        """Stop every decoder process, after its present task."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            while self._running:
                self._changed.wait()
            for process in self._idle:
                self._stop(process)
            self._idle = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, *, instead_of: DecoderProcess | None = None) -> DecoderProcess:
        if instead_of is not None:
            self._stop(instead_of)
        process = DecoderProcess(
            memory=self._memory, idle_seconds=self._idle_seconds, executable=self._executable
        )
        self._processes.add(process)
        return process

    def _stop(self, process: DecoderProcess) -> None:
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
