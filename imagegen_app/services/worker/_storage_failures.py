"""Let jobs wait while the storage fails, and end those that cannot wait longer, with the true reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.errors import OutcomeUnknown, ProviderError
from imagegen_app.core.states import AttemptState, WaitingReason
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways.storage import FileMissing
from imagegen_app.services.jobs import waiting

if TYPE_CHECKING:
    from imagegen_app.models import Attempt, Job
    from imagegen_app.services.gateways.storage import StorageFailed


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
