"""Let jobs wait while the storage fails, and end those that cannot wait longer, with the true reason."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imagegen_app.core.errors import OutcomeUnknown, ProviderError
from imagegen_app.core.states import AttemptState, WaitingReason
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways.storage import FileMissing, StorageFailed
from imagegen_app.services.jobs import waiting

if TYPE_CHECKING:
    from imagegen_app.models import Attempt, Job

#: Seconds after a failed read during which no other job reads; see `StorageReads`.
PAUSE_SECONDS = 5.0
#: Seconds after which a read without an outcome no longer keeps others from trying.
PROBE_SECONDS = 60.0


class InputMissing(ProviderError):
    """The file of an input image is missing from the storage; nothing was sent."""

    code = "input_missing"
    remedy = (
        "Choose the image again, or another one; tell an image administrator of the missing file."
    )


class InputsUnreadable(ProviderError):
    """The storage did not give the input images before the job's deadline; nothing was sent."""

    code = "inputs_unreadable"
    remedy = "Request it again once an image administrator has repaired the storage."


class ImagesNotStored(ProviderError):
    """The storage did not take the images before the job's deadline."""

    code = "images_not_stored"
    billed = "yes"
    remedy = "An image administrator must repair the storage; the provider's answer is kept."


def final_error(attempt: Attempt | None, failure: StorageFailed) -> ProviderError | None:
    """Return the error that ends the wait of a call; None while it may go on."""
    is_missing = isinstance(failure, FileMissing)
    if attempt is not None and attempt.state != AttemptState.CREATED:
        # Only the question about the call needs the images; its outcome stays unknown.
        return OutcomeUnknown(detail="an input image is missing") if is_missing else None
    return InputMissing(detail=str(failure)) if is_missing else None


def wait(job: Job, attempt: Attempt | None, failure: StorageFailed) -> ProviderError | None:
    """Let a job wait whose input images cannot be read, or return the error that ends it.

    :raises LeaseLost: if the lease was lost.
    """
    error = final_error(attempt, failure)
    if error is None and job.deadline_at <= clock.now():
        sent = attempt is not None and attempt.state != AttemptState.CREATED
        kind = OutcomeUnknown if sent else InputsUnreadable
        error = kind(detail=str(failure))
    if error is None:
        waiting.wait_for(job, WaitingReason.STORAGE, detail=str(failure))
    return error


class StorageReads:
    """What one driver knows of a storage whose reads fail: one job tries at a time until one succeeds.

    Each try may take minutes and occupies one of the calls in flight: without this, thousands of
    edits would try one after the other while jobs that need no input images wait behind them.
    """

    def __init__(self) -> None:
        self._failure: StorageFailed | None = None
        self._next_try_at = 0.0

    def check(self) -> None:
        """Let the caller read, and nobody else for a while if the storage failed last.

        :raises StorageFailed: the last failure, if it is not the caller's turn to try.
        """
        if self._failure is None:
            return
        now = time.monotonic()
        if now < self._next_try_at:
            raise StorageFailed(str(self._failure))
        self._next_try_at = now + PROBE_SECONDS

    def record(self, error: BaseException | None) -> None:
        """Remember the outcome of a read; a missing file says that the storage answers."""
        if isinstance(error, StorageFailed) and not isinstance(error, FileMissing):
            self._failure = error
            self._next_try_at = time.monotonic() + PAUSE_SECONDS
        else:
            self._failure = None
