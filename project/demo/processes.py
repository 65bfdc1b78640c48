"""Start processes that never outlive the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys

from django.conf import settings

_DIE_WITH_PARENT = 1
_GRACE_SECONDS = 25


def start(*arguments: str, quiet: bool = False) -> subprocess.Popen[bytes]:
    """Start a management command beside this process."""
    return _start([str(settings.BASE_DIR / "manage.py"), *arguments], quiet=quiet)


def start_module(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a module beside this process, without what it prints."""
    return _start(["-m", name, *arguments], quiet=True, cwd=str(settings.BASE_DIR))


def _start(command: list[str], *, quiet: bool, cwd: str | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own commands
        [sys.executable, *command],
        cwd=cwd,
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=None,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one call, before any thread of ours
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and make it end."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port(host: str, wanted: int) -> int:
    """Return the wanted port, or the next one that is free."""
    for port in range(wanted, wanted + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no port is free between {wanted} and {wanted + 49}")


def any_free_port(host: str) -> int:
    """Return a free port, and another one to a demo that starts at the same moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    # Without this, a killed demo would leave its worker running.
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)
