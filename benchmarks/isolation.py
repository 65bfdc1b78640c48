"""Decode hostile files while an innocent image waits: delay, memory and seconds, beside Pillow alone."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Report, Row, median
from imagegen_app.core.source_types import GENERATED
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.isolation import DecoderPool, PoolClosed
from imagegen_app.imaging.metadata import XmpFields
from imagegen_app.imaging.pipeline import ProcessingOptions, prepare
from tests.imaging import hostile_files, sample_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Hostile files at once; two of them held both decoders before.
COPIES = 4
#: Seconds between the hostile files and the innocent one.
HEAD_START_SECONDS = 0.3
MAX_DELAY_SECONDS, MAX_PEAK_MB, MAX_SECONDS = 1.0, 512.0, 60.0
#: How long the peer may take for one file.
PEER_SECONDS = 240
OPTIONS = ProcessingOptions(marks=XmpFields(digital_source_type=GENERATED, ai_system="benchmark"))

HOSTILE: dict[str, Callable[[], bytes]] = {
    "JPEG, 3,000 empty scans": lambda: hostile_files.jpeg_of_scans(3_000),
    "AVIF, boxes say 20,000 x 20,000": lambda: hostile_files.avif_declaring(20_000, 20_000),
    "AVIF, 64 pixels scaled to 40 megapixels": lambda: hostile_files.avif_declaring(6_300, 6_300),
    "AVIF, 40 megapixels said to be 64 x 64": lambda: hostile_files.avif_declaring(
        64, 64, side=hostile_files.SIDE
    ),
    "AVIF, one colour, alpha": lambda: hostile_files.flat(
        "avif", mode="RGBA", speed=10, subsampling="4:4:4"
    ),
    "WebP, lossless noise": hostile_files.slow_webp,
    "WebP, one colour, 38 bytes": lambda: hostile_files.flat(
        "webp", mode="RGBA", lossless=True, quality=0, method=0
    ),
    "PNG, interlaced, a thousand to one": hostile_files.interlaced_png,
}
HONEST = ("jpeg", "webp", "png", "avif")


def run(*, rounds: int) -> Report:
    """Measure each file alone, and then an innocent image behind four of them."""
    innocent = sample_images.encoded(sample_images.picture(1024, 1024), "png")
    rows, alone, delays, peaks, seconds = [], [], {}, {}, {}
    for name, make in HOSTILE.items():
        data = make()
        seconds[name], peaks[name], outcome = _alone(data)
        found = [_delayed(data, innocent) for _ in range(rounds)]
        delays[name] = median([delayed - before for before, delayed in found])
        alone += [before for before, _ in found]
        figures = {"KB": len(data) / 1000, "seconds": seconds[name], "peak MB": peaks[name]}
        rows.append(Row(f"ours: {name}", {**figures, "delay s": delays[name], "outcome": outcome}))
        rows.append(Row(f"Pillow in process: {name}", _peer(data, innocent)))
    passed = {}
    for name in HONEST:
        data = hostile_files.photograph(name)
        taken, peak, outcome = _alone(data)
        passed[name] = outcome.startswith("master") and peak <= MAX_PEAK_MB
        figures = {"KB": len(data) / 1000, "seconds": taken, "peak MB": peak}
        rows.append(Row(f"ours: honest {name}, 39 megapixels", {**figures, "outcome": outcome}))
    return Report(
        name="isolation",
        rows=rows,
        ratios={
            "innocent image alone, seconds": median(alone),
            "longest delay": max(delays.values()),
        },
        goals={
            "delay": f"no hostile file delays an innocent image by more than {MAX_DELAY_SECONDS:g} s",
            "memory": f"no decoder process takes more than {MAX_PEAK_MB:g} MB, whatever the file",
            "seconds": f"no file takes more than {MAX_SECONDS:g} s",
            "honest": "39 megapixels pass in all four formats within the same memory",
        },
        met={
            "delay": max(delays.values()) <= MAX_DELAY_SECONDS,
            "memory": max(peaks.values()) <= MAX_PEAK_MB,
            "seconds": max(seconds.values()) <= MAX_SECONDS,
            "honest": all(passed.values()),
        },
    )


def _alone(data: bytes) -> tuple[float, float, str]:
    """Return seconds, peak memory of the decoder process in MB, and what became of the file."""
    with DecoderPool(timeout=MAX_SECONDS) as pool, _watched(pool) as peak:
        taken, outcome = _seconds(pool, data)
    return taken, max(peak), outcome


def _seconds(pool: DecoderPool, data: bytes) -> tuple[float, str]:
    began = time.perf_counter()
    try:
        made = pool.run(prepare, data, OPTIONS)
        outcome = f"master is {made.master.format}"
    except InvalidImage as error:
        outcome = error.reason
    return round(time.perf_counter() - began, 2), outcome


def _delayed(hostile: bytes, innocent: bytes) -> tuple[float, float]:
    """Return the seconds that an innocent image takes alone, and then behind four hostile ones."""

    def ignore() -> None:
        with contextlib.suppress(InvalidImage, PoolClosed):
            pool.run(prepare, hostile, OPTIONS)

    with ThreadPoolExecutor(COPIES) as threads, DecoderPool(timeout=MAX_SECONDS) as pool:
        # As in a site that runs: the first decoder has been started.
        pool.run(prepare, innocent, OPTIONS)
        alone, _ = _seconds(pool, innocent)
        for _ in range(COPIES):
            threads.submit(ignore)
        time.sleep(HEAD_START_SECONDS)
        return alone, _seconds(pool, innocent)[0]


@contextlib.contextmanager
def _watched(pool: DecoderPool) -> Iterator[list[float]]:
    """Collect the highest resident memory of each of the pool's processes, in MB."""
    peaks, is_over = [0.0], threading.Event()

    def look() -> None:
        while not is_over.wait(0.005):
            for process in pool.process_ids:
                with contextlib.suppress(OSError, StopIteration):
                    text = Path(f"/proc/{process}/status").read_text(encoding="ascii")
                    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
                    peaks.append(round(int(line.split()[1]) / 1024, 1))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        is_over.set()
        thread.join()


def _peer(hostile: bytes, innocent: bytes) -> dict[str, float | int | str]:
    """Have Pillow make a smaller JPEG of the same files, with two threads in one process."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("hostile", hostile), ("innocent", innocent)):
            (Path(folder) / name).write_bytes(data)
        command = [sys.executable, "-m", "benchmarks.parts.plain_pillow", folder, str(COPIES)]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=PEER_SECONDS, check=True, text=True
            )
        except subprocess.TimeoutExpired:
            return {"outcome": f"not done after {PEER_SECONDS} s"}
        except subprocess.CalledProcessError as error:
            return {"outcome": f"the process died: {error.returncode}"}
    figures: dict[str, float | int | str] = json.loads(done.stdout)
    return figures
