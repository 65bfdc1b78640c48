"""Decode two files as a plain site does: Pillow in the process itself, two threads."""

from __future__ import annotations

import io
import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

HEAD_START_SECONDS = 0.3


def main() -> None:
    """Print the seconds of the hostile file, the peak memory and the delay of the innocent one."""
    folder, copies = Path(sys.argv[1]), int(sys.argv[2])
    hostile, innocent = (folder / "hostile").read_bytes(), (folder / "innocent").read_bytes()
    _make(innocent)
    alone, _ = _make(innocent)
    seconds, outcome = _make(hostile)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(copies):
            threads.submit(_make, hostile)
        time.sleep(HEAD_START_SECONDS)
        began = time.perf_counter()
        threads.submit(_make, innocent).result()
        delayed = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "seconds": round(seconds, 2),
                "peak MB": round(peak, 1),
                "delay s": round(delayed - alone, 2),
                "outcome": outcome,
            }
        )
    )


def _make(data: bytes) -> tuple[float, str]:
    """Make a smaller JPEG; return the seconds and what became of the file."""
    began = time.perf_counter()
    outcome = "made"
    try:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        image.thumbnail((1920, 1920))
        image.save(io.BytesIO(), "JPEG")
    except Exception as error:  # noqa: BLE001 - any error is a result
        outcome = type(error).__name__
    return time.perf_counter() - began, outcome


if __name__ == "__main__":
    main()
