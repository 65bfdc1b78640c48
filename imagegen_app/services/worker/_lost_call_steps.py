"""Take the steps of calls that were sent and not answered: ask about them, or send them again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import NotFound
from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.services.gateways import adapters, signing
from imagegen_app.services.jobs import leases, unknown_outcomes
from imagegen_app.services.jobs.rebuilding import rebuild_request
from imagegen_app.services.worker import _decisions, _outcomes, _recovery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.core.errors import ProviderError
    from imagegen_app.models import Attempt, Job
    from imagegen_app.providers.base import ProviderAdapter
    from imagegen_app.services.worker._spool_guard import SpoolGuard

#: Steps that ask what became of a lost call.
LOOKUPS = frozenset({"look_up", "reconcile"})


class LostCallSteps:
    """The part of `JobSteps` that is about lost calls."""

    if TYPE_CHECKING:

        def _adapter(self, job: Job) -> ProviderAdapter: ...

        def _call(
            self, kind: str, job: Job, attempt: Attempt, adapter: ProviderAdapter, work: Any
        ) -> None: ...

        spool_guard: SpoolGuard

        def _with_inputs(
            self, job: Job, attempt: Attempt | None, proceed: Callable[[Mapping[str, bytes]], None]
        ) -> None: ...

        def _answered(self, job: Job, attempt: Attempt, submission: Submission) -> None: ...

    def _recover(self, job: Job, attempt: Attempt) -> None:
        """Find out the outcome of a call that was sent but not answered, in the ways its adapter has."""
        if _recovery.is_answer_spooled(attempt):
            self._answered(job, attempt, Submission(status=SubmissionStatus.ANSWERED))
            return
        adapter = self._adapter(job)
        reference = _recovery.reference_of(attempt)
        if reference:
            answer = self.spool_guard.reserve(job, attempt)
            call = adapters.call_of(job, attempt, ref=reference)
            self._call("look_up", job, attempt, adapter, adapter.poll(call, answer=answer))
        elif not _recovery.can_look_up(attempt) and _recovery.can_resend(job, attempt):
            self._resend(job, attempt, adapter)
        else:
            self._with_inputs(job, attempt, partial(self._reconcile, job, attempt, adapter))

    def _reconcile(
        self, job: Job, attempt: Attempt, adapter: ProviderAdapter, files: Mapping[str, bytes]
    ) -> None:
        request = rebuild_request(job, attempt, files)
        answer = self.spool_guard.reserve(job, attempt)
        work = adapter.reconcile(adapters.call_of(job, attempt), request, answer=answer)
        self._call("reconcile", job, attempt, adapter, work)

    def _resend_if_safe(self, job: Job, attempt: Attempt, adapter: ProviderAdapter) -> None:
        """Handle a call that the provider says it never received.

        With idempotency keys it is sent again under the same key, and billed once even if a paused
        worker still sends the first one; with other providers the job goes back to the queue.
        """
        if _recovery.can_resend(job, attempt):
            self._resend(job, attempt, adapter)
        else:
            unknown_outcomes.requeue_not_received(job, attempt)

    def _resend(self, job: Job, attempt: Attempt, adapter: ProviderAdapter) -> None:
        """Send the same call again under the same idempotency key.

        By the adapter that asked about it, which has the key in hand.
        """
        signing.require_usable_identity()
        self._with_inputs(job, attempt, partial(self._resend_with, job, attempt, adapter))

    def _resend_with(
        self, job: Job, attempt: Attempt, adapter: ProviderAdapter, files: Mapping[str, bytes]
    ) -> None:
        request = rebuild_request(job, attempt, files)
        with self.spool_guard.reserved(job, attempt) as answer:
            unknown_outcomes.mark_resent(job, attempt)
        work = adapter.submit(request, answer=answer)
        self._call("resubmit", job, attempt, adapter, work)

    def _on_failed_resend(self, job: Job, attempt: Attempt, error: ProviderError) -> None:
        """Send the call once more later, keep its outcome open, or take the refusal as its end."""
        if _decisions.should_resend(error, job):
            leases.count_poll(attempt)
            tries = max(1, min(attempt.poll_count, 6))
            leases.postpone(job, seconds=_decisions.retry_delay(tries, error))
        elif _decisions.leaves_outcome_open(error):
            _recovery.continue_recovery(job, attempt, error=error)
        else:
            _outcomes.handle_error(job, attempt, error)

    def _on_failed_lookup(
        self, job: Job, attempt: Attempt, adapter: ProviderAdapter, *, error: ProviderError | None
    ) -> None:
        """Continue after a look-up that failed, that says nothing (no error), or that says that the
        provider has no such call.
        """
        # A reference came from the provider: that it is unknown now does not mean that it never was.
        if isinstance(error, NotFound) and not attempt.provider_ref:
            self._resend_if_safe(job, attempt, adapter)
        elif (error is None or isinstance(error, NotFound)) and _recovery.can_resend(job, attempt):
            self._resend(job, attempt, adapter)
        else:
            _recovery.continue_recovery(job, attempt, error=error)
