"""Start one decoder process and talk to it, within the limits of each task."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from imagegen_app.imaging.decode_limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.imaging.decode_limits import TaskLimits

_MAX_ANSWER_BYTES = 384 * MIB
#: A process is replaced after this many tasks, so that leaks cannot fill its memory.
_MAX_TASKS = 200
#: How long the interpreter may take to start; does not count for the time-out of the task.
_START_SECONDS = 15.0
#: How often a task is looked at that takes longer than a quick one.
_LOOK_SECONDS = 0.1
#: The lowest priority. A process keeps it, since it could not be raised again.
_HEAVY_NICENESS = 19
#: How much longer than its processor time a task may take before that counts, too.
_BUSY_FACTOR = 5
_PASSED_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_TEST_VARIABLES = ("IMAGEGEN_FAILPOINTS", "IMAGEGEN_TESTING")
#: Ways to die that the file has caused: trying again would cost as much again.
_CAUSED_BY_FILE = frozenset(
    -number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL,
                           signal.SIGFPE)
)  # fmt: skip
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from imagegen_app.imaging.decoder import main; "
    "main(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))"
)


class ProcessLost(Exception):
    """The decoder process died or was too slow; `reason` is one of `InvalidImage`."""

    def __init__(self, reason: str, *, may_be_repeated: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        #: Whether something else than the file may have caused it.
        self.may_be_repeated = may_be_repeated


class Overtaken(Exception):
    """The task took longer than a quick one while others waited, and was stopped."""


class DecoderProcess:
    """One decoder process and the socket to it."""

    def __init__(self, *, memory: int, idle_seconds: float, executable: str) -> None:
        own_end, child_end = socket.socketpair()
        # With a default time-out, which Celery sets at times, the child's end would not block.
        child_end.setblocking(True)
        self._socket = own_end
        self._task_count = 0
        self._is_ready = False
        #: What it has done before: `credentials`, `quick` or `heavy`; empty for nothing yet.
        self.kind = ""
        path = [entry or str(Path.cwd()) for entry in sys.path]
        names = (*_PASSED_VARIABLES, *_TEST_VARIABLES)
        environment = {name: os.environ[name] for name in names if name in os.environ}
        # Each malloc arena reserves 64 MiB of address space, which counts against the limit.
        environment["MALLOC_ARENA_MAX"] = "2"
        # Large blocks go back to the system when they are freed, for the next ones.
        environment["MALLOC_MMAP_THRESHOLD_"] = str(MIB)
        with child_end:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
                [
                    *(executable, "-B", "-E", "-s", "-c", _BOOT),
                    *(json.dumps(path), str(child_end.fileno()), str(memory)),
                    str(idle_seconds),
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

    @property
    def process_id(self) -> int:
        """The operating system's number of it."""
        return self._process.pid

    def take_kind(self, kind: str) -> None:
        """Use it for tasks of this kind from now on; for heavy ones it gives way to all others."""
        self.kind = kind
        if kind == "heavy":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.pid, _HEAVY_NICENESS)

    def execute(
        self, task: bytes, *, limits: TaskLimits, may_continue: Callable[[], bool]
    ) -> bytes:
        """Send a pickled task and return the pickled answer.

        `may_continue` is asked now and then, once the task has taken longer than a quick one.

        :raises ProcessLost: if the process dies or takes too long.
        :raises Overtaken: if the task may not continue.
        """
        self._task_count += 1
        head = pickle.dumps((limits.cpu_seconds, limits.memory))
        try:
            if not self._is_ready:
                self._read(1, until=time.monotonic() + _START_SECONDS)
                self._is_ready = True
            until = time.monotonic() + limits.wall_seconds
            self._socket.settimeout(limits.wall_seconds)
            for message in (head, task):
                self._socket.sendall(len(message).to_bytes(8) + message)
            self._wait(limits, until=until, may_continue=may_continue)
            length = int.from_bytes(self._read(8, until=until))
            if length > _MAX_ANSWER_BYTES:
                raise ProcessLost("decoder_died")
            return self._read(length, until=until)
        except TimeoutError as error:
            raise ProcessLost("decoder_timeout") from error
        except OSError as error:
            raise self._death() from error

    def _wait(self, limits: TaskLimits, *, until: float, may_continue: Callable[[], bool]) -> None:
        """Wait for the first byte of the answer."""
        began, spent = time.monotonic(), self._cpu_seconds()
        look = limits.quick_seconds
        while True:
            remaining = until - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            self._socket.settimeout(min(look, remaining))
            with contextlib.suppress(TimeoutError):
                if not self._socket.recv(1, socket.MSG_PEEK):
                    raise self._death()
                return
            look = _LOOK_SECONDS
            # On a busy machine a decoder waits for a processor: that is not the file's fault.
            waited = (time.monotonic() - began) / _BUSY_FACTOR
            used = max(self._cpu_seconds() - spent, waited)
            if used >= limits.quick_seconds and not may_continue():
                raise Overtaken

    def _cpu_seconds(self) -> float:
        """Return the processor time that it has used; 0 where the system does not tell."""
        try:
            text = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        except OSError:
            return 0.0
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _read(self, length: int, *, until: float) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            remaining = until - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            self._socket.settimeout(remaining)
            part = self._socket.recv(min(length - len(parts), MIB))
            if not part:
                raise self._death()
            parts += part
        return bytes(parts)

    def _death(self) -> ProcessLost:
        """Say how the process died, which closed its end of the socket."""
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return ProcessLost("decoder_died")
        if code == -signal.SIGXCPU:
            return ProcessLost("decoder_timeout")
        return ProcessLost("decoder_died", may_be_repeated=code not in _CAUSED_BY_FILE)

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
