"""Kill the process at a named point of the code, for the fault injection tests.

Enabled by the environment: `IMAGEGEN_TESTING=1` and `IMAGEGEN_FAILPOINTS="name@/path/of/token"`
(several separated by commas). The process kills itself with SIGKILL when it first reaches the
point. It creates the token file first, and skips the point where the file exists: so this
happens once, even with several processes.
"""

from __future__ import annotations

import os
import signal


def failpoint(name: str) -> None:
    """Kill this process if the named failpoint is enabled and was not used yet."""
    enabled = os.environ.get("IMAGEGEN_FAILPOINTS")
    if not enabled or os.environ.get("IMAGEGEN_TESTING") != "1":
        return
    for entry in enabled.split(","):
        point, _, token = entry.partition("@")
        if point != name:
            continue
        try:
            os.close(os.open(token, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
