"""Take what providers tell and show of calls under way: progress, and images on their way.

Whatever fails here is dropped: the call is paid for, and none of this is part of its answer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from imagegen_app.core import provider_values
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.services.gateways import adapters, decoding
from imagegen_app.services.jobs import call_facts, job_previews
from imagegen_app.services.jobs.leases import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping

    from imagegen_app.core.types import GenerationRequest, Submission
    from imagegen_app.models import Attempt, Job
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import ProviderAdapter
    from imagegen_app.services.worker._call_loop import CallLoop, CallResult
    from imagegen_app.services.worker._job_steps import RunningStep

logger = logging.getLogger("imagegen.driver")


@dataclass(frozen=True, slots=True)
class _Tag:
    """Names what came of a call among the results of the `CallLoop`: by attempt, for one call only."""

    attempt: UUID
    job: Any


class ProgressSteps:
    """The part of `JobSteps` that is about what comes while a call runs."""

    if TYPE_CHECKING:
        loop: CallLoop
        running: Mapping[Any, RunningStep]

    def __init__(self) -> None:
        #: What came last by attempt and was not looked at yet; written by the loop's thread.
        self._previews: dict[_Tag, bytes] = {}
        self._progress: dict[_Tag, Submission] = {}
        #: The attempts whose preview is being decoded.
        self._decoding: set[_Tag] = set()

    def _submission(
        self,
        job: Job,
        attempt: Attempt,
        adapter: ProviderAdapter,
        request: GenerationRequest,
        answer: SpooledAnswer,
    ) -> Coroutine[Any, Any, Submission]:
        """Return the billable call; it tells of its progress, and shows what somebody may see."""
        hooks = self._hooks(job, attempt, adapter)
        work: Coroutine[Any, Any, Submission] = cast("Any", adapter).submit(
            request, answer=answer, **hooks
        )
        return work

    def _poll(
        self, job: Job, attempt: Attempt, adapter: ProviderAdapter, answer: SpooledAnswer
    ) -> Coroutine[Any, Any, Submission]:
        """Return the query for a call, which shows and tells as much, if the adapter does it there."""
        is_live = getattr(adapter, "has_live_polls", False)
        hooks = self._hooks(job, attempt, adapter) if is_live else {}
        call = adapters.call_of(job, attempt)
        work: Coroutine[Any, Any, Submission] = cast("Any", adapter).poll(
            call, answer=answer, **hooks
        )
        return work

    def _hooks(
        self, job: Job, attempt: Attempt, adapter: ProviderAdapter
    ) -> dict[str, Callable[[Any], None]]:
        tag = _Tag(attempt.pk, job.pk)
        # An adapter declares what its `submit` takes beside these.
        hooks: dict[str, Callable[[Any], None]] = {}
        if getattr(adapter, "has_progress", False):
            hooks["on_progress"] = partial(self._arrived, tag, self._progress)
        if getattr(adapter, "has_previews", False) and job_previews.are_wanted(job):
            hooks["on_preview"] = partial(self._arrived, tag, self._previews)
        return hooks

    def _arrived(self, tag: _Tag, newest: dict[_Tag, Any], value: Any) -> None:
        """Take something in the thread of calls, instead of what was not looked at yet."""
        is_new = tag not in newest
        newest[tag] = value
        if is_new:
            self.loop.report(tag)

    def _without_progress(self, finished: Iterable[CallResult]) -> Iterator[CallResult]:
        """Yield the results that end a step, and handle those that came while one runs."""
        for done in finished:
            if isinstance(done.tag, _Tag):
                self._handle_arrival(done.tag, done)
            else:
                yield done

    def _handle_arrival(self, tag: _Tag, done: CallResult) -> None:
        if not done.is_extra:
            self._decoding.discard(tag)
        step = self.running.get(tag.job)
        if step is None or step.attempt is None or step.attempt.pk != tag.attempt:
            # The call has ended.
            self._previews.pop(tag, None)
            self._progress.pop(tag, None)
            return
        if done.error is not None:
            reason = done.error.reason if isinstance(done.error, InvalidImage) else ""
            logger.info("A preview was dropped: %s %s", type(done.error).__name__, reason)
        elif not done.is_extra:
            self._store(step.job, partial(job_previews.store, step.job, done.result))
        if tag in self._progress:
            told = self._progress.pop(tag)
            self._store(step.job, partial(_record_progress, step.job, step.attempt, told))
        if tag not in self._decoding and tag in self._previews:
            self._decoding.add(tag)
            work = partial(decoding.make_preview, self._previews.pop(tag))
            self.loop.submit_work(tag, work, rank=(-step.job.priority, step.job.queue_order))

    def _store(self, job: Job, work: Callable[[], None]) -> None:
        try:
            work()
        except LeaseLost:
            logger.info("The lease of job %s was lost; a preview was dropped.", job.pk)
        except Exception as error:  # noqa: BLE001 - a preview must not cost the call
            logger.warning("A preview could not be stored: %s", type(error).__name__)


def _record_progress(job: Job, attempt: Attempt, told: Submission) -> None:
    call_facts.record_progress(job, attempt, provider_values.clean_submission(told))
