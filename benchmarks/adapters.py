"""Make calls by each family of adapters: our CPU for one, beside the official client's for the same answer."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from benchmarks.parts.adapter_calls import FAMILIES
from benchmarks.report import Report, Row, median

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.report import Figures

#: Bytes of the image in each answer.
SIZES = {"0.5 MB": 500_000, "2 MB": 2_000_000}
CALLS = 20
GOAL = 0.5
#: By family: what people call it, and the distribution of the official client; none has one.
NAMES = {
    "openai": ("OpenAI, JSON with base64", "openai"),
    "openai_edit": ("OpenAI, form with an image", "openai"),
    "gemini": ("Gemini, generateContent", "google-genai"),
    "replicate": ("Replicate, job and URL", "replicate"),
    "fal": ("fal, job and URL", "fal-client"),
    "stability": ("Stability, form", ""),
}
_PLAIN = frozenset({"openai", "openai_edit", "gemini", "stability"})


def run(*, rounds: int) -> Report:
    """Measure all of them in turn, so that what else the machine does meets each alike."""
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    for size, count in SIZES.items():
        with simulator(count) as url:
            for family in FAMILIES:
                figures, ratio = _family(family, url=url, rounds=rounds)
                rows.append(Row(f"{NAMES[family][0]}, {size}", figures))
                if ratio is not None:
                    ratios[f"{NAMES[family][0]}, {size}"] = ratio
                print(f"{family} {size}: {figures}", file=sys.stderr)
    return Report(
        name="adapters",
        rows=rows,
        ratios=ratios,
        goals={"cpu": f"at most {GOAL:g} times the CPU of the official client"},
        met={"cpu": all(ratio <= GOAL for ratio in ratios.values())},
    )


def _family(family: str, *, url: str, rounds: int) -> tuple[Figures, float | None]:
    client = NAMES[family][1]
    systems = ["ours", *(["client", "async"] if client else []), *(["plain"] * (family in _PLAIN))]
    found: dict[str, list[float]] = {system: [] for system in systems}
    for _ in range(rounds):
        images = set()
        for system in systems:
            measured = _measured(family, system, url=url)
            found[system].append(measured["ms"])
            images.add(measured["sha256"])
        if len(images) != 1:
            raise RuntimeError(f"{family}: they did not get the same image")
    figures: Figures = {"ours, CPU ms": median(found["ours"])}
    if client:
        figures["client"] = f"{client} {version(client)}"
        figures["client, CPU ms"] = median(found["client"])
    if "async" in found:
        figures["its async, CPU ms"] = median(found["async"])
    if "plain" in found:
        figures["plain httpx, CPU ms"] = median(found["plain"])
    if not client:
        return figures, None
    ratio = median([a / b for a, b in zip(found["ours"], found["client"], strict=True)])
    return figures, ratio


def _measured(family: str, system: str, *, url: str) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.parts.adapter_calls"]
    done = subprocess.run(
        [*command, family, system, url, str(CALLS)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def simulator(size: int) -> Iterator[str]:
    """Run the simulator with images of so many bytes; return its address."""
    command = [sys.executable, "-m", "benchmarks.parts.noise_simulator", str(size)]
    with subprocess.Popen(
        [*command, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            ready = json.loads(process.stdout.readline())
            yield str(ready["base_url"])
        finally:
            process.terminate()
