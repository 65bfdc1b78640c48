"""Run a PostgreSQL of our own that may be killed: initialised in a folder, on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where Debian keeps the server's programs; the newest version.
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), default=None)
_OWNER = "postgres"


def is_possible() -> bool:
    """Return whether there is a server to start, and somebody to start it as: it refuses root."""
    return PROGRAMS is not None and (os.geteuid() != 0 or shutil.which("runuser") is not None)


class Cluster:
    """A server with its data in a folder of its own; a context manager."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        # Of its own: the folders of tests are closed to the server's user.
        self._folder = tempfile.TemporaryDirectory(prefix="imagegen-cluster-")
        self._options = f"-p {port} -h 127.0.0.1 -k {self._folder.name} -c max_connections=200"

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            shutil.chown(self._folder.name, _OWNER)
        self._run("initdb", "-D", f"{self._folder.name}/data", "-U", _OWNER, "-A", "trust")
        self._control("start")
        return self

    def __exit__(self, *_: object) -> None:
        self._control("stop", "-m", "immediate")
        self._folder.cleanup()

    def restart(self) -> None:
        """Kill the server as a crash does, and start it again: it recovers from its log."""
        self._control("restart", "-m", "immediate")

    def _control(self, what: str, *more: str) -> None:
        data, log = f"{self._folder.name}/data", f"{self._folder.name}/log"
        self._run("pg_ctl", "-D", data, "-l", log, "-o", self._options, "-w", what, *more)

    @staticmethod
    def _run(program: str, *arguments: str) -> None:
        if PROGRAMS is None:
            raise RuntimeError("there is no PostgreSQL here")
        command: Sequence[str] = [str(PROGRAMS.parent / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", _OWNER, "--", *command]
        subprocess.run(
            command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
