"""Give a site's spool a small disk of its own, and fill it while calls are under way."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1024 * 1024
DISK_BYTES = 64 * MIB
#: More than the calls in flight give back when they end; so nothing may be sent while it is full.
MIN_FREE_BYTES = 24 * MIB
IN_FLIGHT = 4


class SmallDisk:
    """A disk in memory at a folder."""

    def __init__(self, folder: Path, *, size: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)],
            check=True,
            capture_output=True,
        )

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)

    def leave(self, free: int) -> None:
        """Fill the disk or make room, so that so many bytes are free."""
        filler = self.folder / "filler"
        with suppress(FileNotFoundError):
            filler.unlink()
        while not self._fill(filler, free):
            # Somebody else took room between the look and the filling.
            pass

    def _fill(self, filler: Path, free: int) -> bool:
        state = os.statvfs(self.folder)
        size = state.f_bavail * state.f_frsize - free
        if size <= 0:
            return True
        with filler.open("wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return False
        return True


@contextmanager
def small_disk(folder: Path, *, size: int) -> Iterator[SmallDisk]:
    """Mount a disk for a while.

    :raises CalledProcessError: if this process may not mount.
    """
    disk = SmallDisk(folder, size=size)
    try:
        yield disk
    finally:
        disk.close()


def is_possible() -> bool:
    """Return whether this process may mount a disk."""
    with TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder) / "disk", size=MIB):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def play(running: Any) -> None:
    """Fill the disk of the spool in the middle of the calls, and make room again."""
    jobs, simulator, site = running.outage.jobs, running.simulator, running.site
    with small_disk(site.folder / "state" / "spool", size=DISK_BYTES) as disk:
        running.start()
        running.request()
        _until(lambda: running.ended() >= IN_FLIGHT, seconds=240)
        disk.leave(0)
        billed_before = int(simulator.bill()["images"])
        _until(lambda: bool(_alarms(site)), seconds=120)
        # What was on its way comes home; then nothing may be sent.
        time.sleep(4)
        billed = int(simulator.bill()["images"])
        calm = billed - billed_before <= IN_FLIGHT and len(_alarms(site)) == 1
        running.disturbed = site.states().count("queued") if calm else 0
        disk.leave(DISK_BYTES)
        _until(lambda: running.ended() == jobs, seconds=240)


def _alarms(site: Any) -> list[Any]:
    found: list[Any] = site.query("select id from imagegen_auditevent where type = 'spool.filled'")
    return found


def _until(is_so: Callable[[], bool], *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not is_so():
        time.sleep(0.1)
