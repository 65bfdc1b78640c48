"""Die on purpose at a named point, for the fault tests.

Armed by the environment: `IMAGEGEN_TESTING=1` and `IMAGEGEN_FAILPOINTS="name@/path/of/token"`
(several separated by commas). The process kills itself with SIGKILL when it first reaches the
point; the token file, created exclusively, makes sure that this happens once.
"""

from __future__ import annotations

import os
import signal


def failpoint(name: str) -> None:
    """Kill this process here if the named point is armed and was not used yet."""
    armed = os.environ.get("IMAGEGEN_FAILPOINTS")
    if not armed or os.environ.get("IMAGEGEN_TESTING") != "1":
        return
    for entry in armed.split(","):
        point, _, token = entry.partition("@")
        if point != name:
            continue
        try:
            os.close(os.open(token, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
