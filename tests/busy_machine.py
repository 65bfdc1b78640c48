"""Play a busy machine, to find tests that count on a quick one: `-p tests.busy_machine`.

Each claim of a worker, each result that it takes and each start of a decoder take a moment longer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEFORE_A_SLICE_SECONDS = 0.2
CLAIM_SECONDS = 0.15
RESULT_SECONDS = 0.4
DECODER_START_SECONDS = 1.0


def _slower(patch: pytest.MonkeyPatch, owner: type, name: str, wait: Callable[..., float]) -> None:
    """Have a method wait before it works, as long as its arguments say."""
    usual = getattr(owner, name)

    def late(*arguments: Any, **options: Any) -> Any:
        time.sleep(wait(*arguments[1:]))
        return usual(*arguments, **options)

    patch.setattr(owner, name, late)


@pytest.fixture(scope="session", autouse=True)
def busy_machine() -> Iterator[None]:
    """Delay what waits for a processor, for all tests."""
    from imagegen_app.imaging.decoder_process import DecoderProcess  # noqa: PLC0415 - after the settings are chosen
    from imagegen_app.services.worker._job_steps import JobSteps  # noqa: PLC0415 - as above
    from imagegen_app.services.worker.driver import Driver  # noqa: PLC0415 - as above

    with pytest.MonkeyPatch.context() as patch:
        _slower(patch, Driver, "run", lambda: BEFORE_A_SLICE_SECONDS)
        _slower(patch, Driver, "_claim", lambda: CLAIM_SECONDS)
        _slower(patch, JobSteps, "finish", lambda results: RESULT_SECONDS if results else 0.0)
        _slower(patch, DecoderProcess, "__init__", lambda: DECODER_START_SECONDS)
        yield
