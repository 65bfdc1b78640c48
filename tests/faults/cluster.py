"""Run a PostgreSQL of our own that may be killed: initialised in a folder, on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where Debian keeps the server's programs; the newest version.
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), default=None)
_OWNER = "postgres"


def is_possible() -> bool:
    """Say whether there is a server to start, and somebody to start it as: it refuses root."""
    return PROGRAMS is not None and (os.geteuid() != 0 or shutil.which("runuser") is not None)


class Cluster:
    """A server with its data in a folder; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._options = f"-p {port} -h 127.0.0.1 -k {folder} -c max_connections=200"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, _OWNER)
            # Temporary folders are closed to others.
            for parent in self.folder.parents[:3]:
                if parent.stat().st_uid == 0 and parent != Path("/"):
                    parent.chmod(parent.stat().st_mode | 0o011)
        self._run("initdb", "-D", str(self.folder / "data"), "-U", _OWNER, "-A", "trust")
        self._control("start")
        return self

    def __exit__(self, *_: object) -> None:
        self._control("stop", "-m", "immediate")

    def restart(self) -> None:
        """Kill the server as a crash does, and start it again: it recovers from its log."""
        self._control("restart", "-m", "immediate")

    def _control(self, what: str, *more: str) -> None:
        data, log = str(self.folder / "data"), str(self.folder / "log")
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
