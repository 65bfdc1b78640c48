"""Wake workers of the same host through a Unix datagram socket that each of them listens on.

The sockets only save waiting: the task is in the database, where a worker that heard nothing finds
it when it looks the next time. So everything here may fail, and then does nothing. A datagram holds
one byte that says "look"; whoever may write to the folder may make a worker look, and no more.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
import socket
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("imagegen.engines")

_SUFFIX = ".socket"
#: The longest address of a Unix socket that every system allows, with its final zero.
_MAX_ADDRESS_BYTES = 104
#: Sockets that one wake-up is sent to; more workers on one host find the task by looking.
_MAX_WORKERS = 64
#: Datagrams that are read at once; more than any system keeps for a socket.
_MAX_DATAGRAMS = 1024
#: Nobody is bound to the file: its worker was killed.
_STALE = {errno.ECONNREFUSED}


def folder_for_host(state_dir: Path) -> Path:
    """Return the folder of this host's sockets: the state folder may be shared by several hosts.

    Containers on one host have the same kernel, so that a socket in a shared folder connects them.
    """
    return state_dir / "wake" / _host()


def _host() -> str:
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        name = socket.gethostname()
    return hashlib.sha256(name.encode()).hexdigest()[:8]


class Listener:
    """The socket of one worker; `close` removes it. Without one, nothing is ever heard."""

    def __init__(self, folder: Path) -> None:
        self._process = os.getpid()
        self._path = folder / f"{secrets.token_hex(4)}{_SUFFIX}"
        self._socket: socket.socket | None = None
        try:
            # The folder above is the door: a site may open it to the group of its web server.
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True)
            self._socket = _bound(self._path)
        except OSError as error:
            logger.info("Workers of this host are not woken at once (%s).", error)

    def fileno(self) -> int | None:
        """Return the descriptor to wait for; None if there is no socket."""
        return None if self._socket is None else self._socket.fileno()

    def drain(self) -> bool:
        """Read all wake-ups that arrived; return whether there were any."""
        heard = False
        if self._socket is None:
            return heard
        for _ in range(_MAX_DATAGRAMS):
            try:
                self._socket.recv(1)
            except OSError:
                break
            heard = True
        return heard

    def close(self) -> None:
        """Close the socket, and remove its file unless this is a forked copy of the worker."""
        if self._socket is None:
            return
        self._socket.close()
        self._socket = None
        if os.getpid() == self._process:
            with suppress(OSError):
                self._path.unlink()


def ring(folder: Path) -> int:
    """Wake all workers that listen in the folder; return how many. Never waits, never raises.

    The sockets of killed workers are removed.
    """
    woken = 0
    try:
        paths = [path for path in folder.iterdir() if path.suffix == _SUFFIX][:_MAX_WORKERS]
    except OSError:
        return woken
    if not paths:
        return woken
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for path in paths:
            try:
                with _address(path) as address:
                    sender.sendto(b"1", address)
            except BlockingIOError:
                # It has more wake-ups waiting than fit: it will look anyway.
                woken += 1
            except OSError as error:
                if error.errno in _STALE:
                    _remove_stale(path)
            else:
                woken += 1
    return woken


def _remove_stale(path: Path) -> None:
    with suppress(OSError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


def _bound(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        with _address(path) as address:
            made.bind(address)
        # The permissions of the folder decide who may wake the worker.
        path.chmod(0o666)
    except OSError:
        made.close()
        raise
    return made


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Give the address of a socket file; a long path is reached through its open folder (Linux)."""
    if len(os.fsencode(path)) < _MAX_ADDRESS_BYTES or sys.platform != "linux":
        yield str(path)
        return
    opened = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}/{path.name}"
    finally:
        os.close(opened)
