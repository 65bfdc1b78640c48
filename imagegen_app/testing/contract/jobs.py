"""Check jobs: their states, queries that fail, cancelling, and finding lost calls again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imagegen_app.core.errors import (
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from imagegen_app.core.types import RecoveryMethod, SubmissionStatus
from imagegen_app.testing.contract.bench import require
from imagegen_app.testing.contract.checks import check, jobs, remote
from imagegen_app.testing.contract.samples import KEY_MARK

if TYPE_CHECKING:
    from imagegen_app.testing.contract.bench import Account, Bench

#: A word for the state of a job that no provider uses yet.
UNKNOWN_WORD = "reticulating"
_UNDER_WAY = frozenset({SubmissionStatus.ACCEPTED, SubmissionStatus.RUNNING})
_WAIT = 7.0
_TRIES, _TRY_SECONDS = 200, 0.005


def _at_once(bench: Bench) -> bool:
    return not bench.samples.has_jobs


def _keys(bench: Bench) -> bool:
    return RecoveryMethod.IDEMPOTENCY_KEY in bench.declared.recovery


def _lookup(bench: Bench) -> bool:
    return remote(bench) and RecoveryMethod.LOOKUP in bench.declared.recovery


def _no_way_to_ask(bench: Bench) -> bool:
    ways = {RecoveryMethod.LOOKUP, RecoveryMethod.CLIENT_REFERENCE}
    return not ways & bench.declared.recovery


@check(_at_once)
async def a_call_without_jobs_is_answered_at_once(bench: Bench) -> None:
    """An adapter without jobs answers at once, and says that it has nothing to poll or cancel."""
    async with bench.account() as account:
        submission = await account.submit(bench.request())
        require(submission.status is SubmissionStatus.ANSWERED, "the call is not answered")
        await bench.refusal(account.poll("job-1"), NotFound)
        require(await account.cancel("job-1") == "not_offered", "it offers to cancel")


@check(jobs)
async def an_unknown_state_is_still_running(bench: Bench) -> None:
    """A state that we do not know is no end: new ones appear, and the call was paid for."""
    bench.simulator.script(hold_jobs=True, status_word=UNKNOWN_WORD)
    async with bench.account() as account:
        answer = account.answer()
        submission = await account.submit(bench.job(), answer=answer)
        require(submission.status in _UNDER_WAY, "the submitted job is not under way")
        require(submission.ref, "the submitted job has no reference")
        polled = await account.poll(submission.ref, answer=answer)
        require(polled.status in _UNDER_WAY, f"the unknown state became {polled.status.value}")
        bench.simulator.script(hold_jobs=False)
        ended = await account.ended(polled, answer=answer)
    require(ended.status is SubmissionStatus.ANSWERED, "the job did not end well")


@check(jobs)
async def a_query_that_fails_says_nothing_about_the_job(bench: Bench) -> None:
    """A query that fails is asked again; the job goes on."""
    async with bench.account() as account:
        answer = account.answer()
        ref = (await account.submit(bench.job(), answer=answer)).ref
        for kind in ("html", "not_json", "disconnect_early", "status"):
            bench.simulator.script(fault={"kind": kind, "on": "poll"}, clear=True)
            error = await bench.refusal(account.poll(ref, answer=answer), ProviderError)
            require(error.retryable, f"{kind}: it is not asked again")
            require(not error.is_call_outcome, f"{kind}: it is taken for the end of the job")
        polled = await account.poll(ref, answer=answer)
        ended = await account.ended(polled, answer=answer)
    require(ended.status is SubmissionStatus.ANSWERED, "the job did not end well")


@check(jobs)
async def a_query_carries_the_wait_that_it_is_asked_for(bench: Bench) -> None:
    """A rate limit of queries carries its wait, too."""
    async with bench.account() as account:
        ref = (await account.submit(bench.job())).ref
        for status in (429, 503):
            fault = {"kind": "status", "status": status, "on": "poll", "retry_after": f"{_WAIT:g}"}
            bench.simulator.script(fault=fault, clear=True)
            error = await bench.refusal(account.poll(ref), (RateLimited, ProviderUnavailable))
            require(error.retry_after == _WAIT, f"{status}: the wait became {error.retry_after}")


@check(jobs)
async def a_job_that_failed_is_the_end_of_its_call(bench: Bench) -> None:
    """A job that failed raises an error that ends the call."""
    bench.simulator.fail("job_failed", code="internal")
    async with bench.account() as account:
        error = await bench.refusal(account.made(bench.job()), ProviderError)
    require(error.is_call_outcome, "it is taken for a query that failed")


@check(jobs)
async def an_unknown_or_odd_reference_is_not_found(bench: Bench) -> None:
    """A job that is not there is not found, and an odd reference stays inside its path."""
    async with bench.account() as account:
        await bench.refusal(account.poll("no-such-job"), NotFound)
        for ref in ("../models?x=1", "a/b", "a?b", "a#b"):
            await bench.refusal(account.poll(ref), ProviderError)
    # Inside of its path, the whole reference is the last part of it.
    strayed = [
        route for route in bench.simulator.calls() if "/models" in route and "?" not in route
    ]
    require(not strayed, f"an odd reference reached {strayed}")


@check(jobs)
async def a_job_is_cancelled_while_it_runs(bench: Bench) -> None:
    """A job that runs can be cancelled, or the adapter says that it cannot."""
    bench.simulator.script(hold_jobs=True)
    async with bench.account() as account:
        answer = account.answer()
        submission = await account.submit(bench.job(), answer=answer)
        outcome = await account.cancel(submission.ref)
        if not bench.samples.can_cancel:
            require(outcome == "not_offered", f"cancelling gave {outcome}")
            return
        require(outcome in {"cancelled", "requested"}, f"cancelling gave {outcome}")
        bench.simulator.script(hold_jobs=False)
        ended = await account.ended(await account.poll(submission.ref), answer=answer)
        require(ended.status is SubmissionStatus.CANCELLED, "the job is not cancelled")
        require(not ended.is_unbilled, "it says that nothing was billed, but it was")
        await _require_too_late(account, bench)


async def _require_too_late(account: Account, bench: Bench) -> None:
    answer = account.answer()
    request = bench.job(idempotency_key=f"{KEY_MARK}late")
    submission = await account.submit(request, answer=answer)
    await account.ended(submission, answer=answer)
    outcome = await account.cancel(submission.ref)
    require(outcome == "too_late", f"cancelling a job that has ended gave {outcome}")


@check(_keys)
async def the_same_key_is_billed_once(bench: Bench) -> None:
    """An adapter that declares idempotency keys sends them: the same request is billed once."""
    async with bench.account() as account:
        first = await account.made(bench.request())
        second = await account.made(bench.request())
        same = [one.data for one in first.images] == [one.data for one in second.images]
        require(same, "the same key gave other images")
        if not bench.declared.is_remote:
            return
        await account.made(bench.request(idempotency_key=f"{KEY_MARK}another"))
    entries = bench.simulator.bill()["entries"]
    require(len(entries) == 2, f"two keys were billed {len(entries)} times")  # noqa: PLR2004


@check(_lookup)
async def a_lost_call_is_found_again(bench: Bench) -> None:
    """A call whose answer was lost is found at no cost, and one that never came is known not to be."""
    request = bench.request()
    bench.simulator.fail("disconnect_early")
    async with bench.account() as account:
        await bench.refusal(account.submit(request), OutcomeUnknown)
        await bench.refusal(account.reconcile(request), NotFound)
        bench.simulator.fail("disconnect")
        await bench.refusal(account.submit(request), OutcomeUnknown)
        answer = account.answer()
        for _ in range(_TRIES):
            found = await account.reconcile(request, answer=answer)
            if found is not None:
                break
            await asyncio.sleep(_TRY_SECONDS)
        else:
            found = None
        require(found is not None, "the call is not found")
        if found is not None:
            ended = await account.ended(found, answer=answer)
            require(ended.status is SubmissionStatus.ANSWERED, "the found call did not end well")
            await account.read(answer)
    billed = bench.simulator.bill()["images"]
    require(billed == request.count, f"{billed} images were billed")


@check(_no_way_to_ask)
async def an_adapter_that_cannot_ask_says_so(bench: Bench) -> None:
    """An adapter that declares no way to ask about a lost call returns None, and sends nothing."""
    async with bench.account() as account:
        require(await account.reconcile(bench.request()) is None, "it claims to know the outcome")
    if bench.declared.is_remote:
        require(bench.simulator.bill()["images"] == 0, "asking was billed")
