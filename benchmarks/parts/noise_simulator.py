"""Run the simulator with one prepared image of a size in place of drawings, so that it costs next to nothing.

Usage: python -m benchmarks.parts.noise_simulator BYTES [the simulator's own options]
"""

from __future__ import annotations

import random
import sys
from typing import Any

from imagegen_app.testing.simulator import generation, server
from imagegen_app.testing.simulator.generation import MEDIA_TYPES, DrawnImage


def noise(size: int) -> bytes:
    """Return always the same bytes, which begin as a PNG does."""
    start = b"\x89PNG\r\n\x1a\n"
    return start + random.Random(1).randbytes(size - len(start))  # noqa: S311 - noise


def main() -> None:
    """Serve until stopped."""
    data = noise(int(sys.argv[1]))

    async def prepared(request: Any, **_options: Any) -> list[DrawnImage]:
        return [DrawnImage(data, MEDIA_TYPES[request.output_format], seed=1)] * request.count

    generation.draw_images = prepared  # in this process alone
    server.main(sys.argv[2:])


if __name__ == "__main__":
    main()
