"""Read the input images of a job from the storage before the step that needs them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from imagegen_app.services.jobs.rebuilding import input_keys, read_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.models import Attempt, Job
    from imagegen_app.services.worker._call_loop import CallLoop, CallResult
    from imagegen_app.services.worker._storage_failures import StorageReads


class InputSteps:
    """The part of `JobSteps` that reads input images."""

    if TYPE_CHECKING:
        loop: CallLoop
        storage_reads: StorageReads

        def _wait_for_result(
            self,
            kind: str,
            job: Job,
            attempt: Attempt | None,
            *,
            proceed: Callable[[Mapping[str, bytes]], None],
        ) -> None: ...

    def _with_inputs(
        self, job: Job, attempt: Attempt | None, proceed: Callable[[Mapping[str, bytes]], None]
    ) -> None:
        """Read the job's input images, then proceed with them by key.

        Read in the pool, since a storage may take minutes to answer, and meanwhile the leases of
        all jobs are renewed here.

        :raises StorageFailed: if the storage failed for another job just now.
        """
        keys = input_keys(job)
        if not keys:
            proceed({})
            return
        self.storage_reads.check()
        self._wait_for_result("inputs", job, attempt, proceed=proceed)
        rank = (-job.priority, job.queue_order)
        self.loop.submit_work(job.pk, partial(read_inputs, keys), rank=rank)

    def _on_inputs(self, step: Any, done: CallResult) -> None:
        self.storage_reads.record(done.error)
        if done.error is not None:
            raise done.error
        if step.proceed is not None:
            # The storage may have taken long.
            step.job.refresh_from_db(fields=["cancel_requested_at"])
            step.proceed(done.result)
