"""Run the simulator: `python -m imagegen_app.testing.simulator`."""

from __future__ import annotations

import contextlib
import sys

from imagegen_app.testing.simulator.protocols import UnknownProtocol
from imagegen_app.testing.simulator.server import UvicornMissing, main

if __name__ == "__main__":
    try:
        with contextlib.suppress(KeyboardInterrupt):
            main()
    except (UnknownProtocol, UvicornMissing) as error:
        sys.exit(str(error))
