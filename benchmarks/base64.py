"""Read an answer of base64 inside of JSON from the disk: piece by piece, beside json + base64."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Report, Row, median
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.families import base64_json

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes of one image: 1024 and 2048 pixels square, as PNG.
SIZES = {"1.8 MB": 1_810_000, "7.3 MB": 7_260_000}
REPEATS = 15
FASTER, MEMORY = 2.0, 0.25


def run(*, rounds: int) -> Report:
    """Measure the milliseconds, and the memory beside the image in multiples of it."""
    ours: dict[str, float | int | str] = {}
    peer: dict[str, float | int | str] = {}
    ratios = {}
    for name, size in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            answer = SpooledAnswer(Path(folder))
            text = base64.b64encode(os.urandom(size)).decode()
            body = json.dumps({"created": 1, "data": [{"b64_json": text}], "usage": {}})
            answer.body_path.write_text(body, encoding="ascii")
            found = [_both(answer, size=size) for _ in range(rounds)]
        ours[f"ms, {name}"] = median([one[0][0] for one in found])
        ours[f"extra memory, {name}"] = median([one[0][1] for one in found])
        peer[f"ms, {name}"] = median([one[1][0] for one in found])
        peer[f"extra memory, {name}"] = median([one[1][1] for one in found])
        ratios[f"times as fast, {name}"] = median([one[1][0] / one[0][0] for one in found])
        ratios[f"memory, {name}"] = median([one[0][1] for one in found])
    return Report(
        name="base64",
        rows=[Row("ours", ours), Row("json + base64", peer)],
        ratios=ratios,
        goals={
            "speed": f"at least {FASTER:g} times as fast as json + base64",
            "memory": f"at most {MEMORY:g} times the image beside it",
        },
        met={
            "speed": all(v >= FASTER for k, v in ratios.items() if k.startswith("times")),
            "memory": all(v <= MEMORY for k, v in ratios.items() if k.startswith("memory")),
        },
    )


def _both(answer: SpooledAnswer, *, size: int) -> tuple[tuple[float, float], tuple[float, float]]:
    def ours() -> bytes:
        read = base64_json.load(answer)
        return read.image(read.content["data"][0]["b64_json"])

    def peer() -> bytes:
        document = json.loads(answer.read())
        return base64.b64decode(document["data"][0]["b64_json"], validate=True)

    # The image itself is what both return.
    return (_ms(ours), _peak(ours) / size - 1), (_ms(peer), _peak(peer) / size - 1)


def _ms(work: Callable[[], bytes]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def _peak(work: Callable[[], bytes]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
