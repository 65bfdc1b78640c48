"""Clean what a provider's call brought home, before anything reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imagegen_app.core import provider_values
from imagegen_app.core.errors import ProviderError
from imagegen_app.core.types import Submission

if TYPE_CHECKING:
    from imagegen_app.services.worker._call_loop import CallResult


def cleaned(done: CallResult) -> CallResult:
    """Return the result of a call with all of the provider's values in their ranges."""
    try:
        if isinstance(done.error, ProviderError):
            provider_values.clean_error(done.error)
        elif isinstance(done.result, Submission):
            return replace(done, result=provider_values.clean_submission(done.result))
    except Exception as error:  # noqa: BLE001 - of a stranger's adapter; results of other calls follow
        return replace(done, result=None, error=error)
    return done
