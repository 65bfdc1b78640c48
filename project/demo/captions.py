"""Play a chat API that sees images, so that the demo suggests alternative texts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.conf import settings

from imagegen_app.testing.simulator.server import DEFAULT_KEY
from project.demo import processes, simulated
from project.settings import simulator
from project.settings.base import VAR_DIR

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from project.demo.supervision import Supervised

_PROTOCOL = "openai_chat"


def prepare() -> str:
    """Choose the address of the simulated API, and let this process and its worker call it."""
    url = f"http://{simulated.HOST}:{processes.any_free_port(simulated.HOST)}"
    os.environ[simulator.CAPTIONS_URL_VARIABLE] = url
    settings.IMAGEGEN = simulator.with_text_services(settings.IMAGEGEN, url=url, folder=VAR_DIR)
    (VAR_DIR / simulator.CAPTIONS_KEY_FILE).write_text(DEFAULT_KEY)
    return url


def running(url: str, *, say: Callable[[str], None]) -> AbstractContextManager[Supervised]:
    """Have the simulator play the API while the block runs.

    :raises SimulatorFailed: if it does not start.
    """
    return simulated.playing(_PROTOCOL, url=url, say=say, name="simulated captioner")
