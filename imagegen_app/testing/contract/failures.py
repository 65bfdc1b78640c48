"""Check what becomes of failures: the class of each, waits, breaks, blocks and bills."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.core.provider_message import stored_message
from imagegen_app.providers.http import HttpLimits
from imagegen_app.testing.contract.bench import KEY, USUAL_LIMITS, ContractBroken, require
from imagegen_app.testing.contract.checks import check, remote
from imagegen_app.testing.contract.samples import PROMPT_MARK

if TYPE_CHECKING:
    from imagegen_app.testing.contract.bench import Bench

#: Planned failures by name, with the class that they usually become.
USUAL: Mapping[str, tuple[Mapping[str, Any], type[ProviderError]]] = {
    "400": ({"kind": "status", "status": 400}, InvalidRequest),
    "401": ({"kind": "status", "status": 401}, AuthenticationFailed),
    "403": ({"kind": "status", "status": 403}, PermissionDenied),
    "404": ({"kind": "status", "status": 404}, NotFound),
    "429": ({"kind": "status", "status": 429}, RateLimited),
    "500": ({"kind": "status", "status": 500}, OutcomeUnknown),
    "503": ({"kind": "status", "status": 503}, ProviderUnavailable),
    "quota": ({"kind": "quota"}, QuotaExhausted),
}
_WAIT, _LONG_WAIT = 7.0, 120.0
#: So short that a test of silence is quick.
_IMPATIENT = HttpLimits(connect=5, read=0.2, total=5, slow_grace=0.2, slow_window=0.2)


@check(remote)
async def every_failure_becomes_its_class(bench: Bench) -> None:
    """Each failure becomes the class that says what follows from it."""
    for name, (fault, usual) in USUAL.items():
        bench.simulator.script(fault=dict(fault), clear=True)
        expected = bench.samples.errors.get(name, usual)
        async with bench.account() as account:
            try:
                error = await bench.refusal(account.made(bench.request()), expected)
            except ContractBroken as broken:
                raise ContractBroken(f"{name}: {broken}") from broken
        require(type(error) is expected, f"{name}: {type(error).__name__} instead of its class")
        bench.require_honest_bill(error)


@check(remote)
async def a_server_that_cannot_be_reached_is_a_timeout(bench: Bench) -> None:
    """Where no connection is made, nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with bench.account(base_url=f"http://127.0.0.1:{port}") as account:
        error = await bench.refusal(
            account.submit(bench.request()), (ProviderTimeout, ProviderUnavailable)
        )
    require(error.billed == "no" and error.retryable, "it is not tried again")


@check(remote)
async def a_rate_limit_carries_its_wait(bench: Bench) -> None:
    """The wait that a provider asks for is handed on, and none is made up where it asks for none."""
    for status, kind in ((429, RateLimited), (503, ProviderUnavailable)):
        for wait in (_WAIT, _LONG_WAIT):
            fault = {"kind": "status", "status": status, "retry_after": f"{wait:g}"}
            bench.simulator.script(fault=fault, clear=True)
            async with bench.account() as account:
                error = await bench.refusal(account.made(bench.request()), kind)
            require(
                error.retry_after == wait,
                f"{status}: Retry-After {wait:g} became {error.retry_after}",
            )
    bench.simulator.script(fault={"kind": "status", "status": 429}, clear=True)
    async with bench.account() as account:
        error = await bench.refusal(account.made(bench.request()), RateLimited)
    usual = bench.samples.usual_wait
    require(error.retry_after == usual, f"no Retry-After became {error.retry_after}")


@check(remote)
async def a_slow_body_is_an_unknown_outcome(bench: Bench) -> None:
    """An answer that stops in the middle was probably billed."""
    await _require_unknown(bench, {"kind": "slow_body", "seconds": 1.5}, limits=_IMPATIENT)


@check(remote)
async def silence_is_an_unknown_outcome(bench: Bench) -> None:
    """A call that is never answered was probably billed."""
    await _require_unknown(bench, {"kind": "silence", "seconds": 1.5}, limits=_IMPATIENT)


@check(remote)
async def a_cut_connection_is_an_unknown_outcome(bench: Bench) -> None:
    """A connection that breaks leaves the outcome unknown, whenever it breaks."""
    for kind in ("half_answer", "disconnect", "disconnect_early"):
        await _require_unknown(bench, {"kind": kind})


async def _require_unknown(
    bench: Bench, fault: dict[str, Any], *, limits: HttpLimits = USUAL_LIMITS
) -> None:
    bench.simulator.script(fault=fault, clear=True)
    async with bench.account(limits=limits) as account:
        error = await bench.refusal(account.submit(bench.new_request()), OutcomeUnknown)
    require(not error.retryable, f"{fault['kind']}: it is sent again, and perhaps billed twice")
    bench.require_honest_bill(error)


@check(remote)
async def what_is_no_answer_is_told_as_billed(bench: Bench) -> None:
    """A success that makes no sense is no reason to pay twice."""
    kinds = ("not_json", "html", "error_in_200")
    for kind in kinds if bench.samples.has_jobs else (*kinds, "missing_data"):
        bench.simulator.script(fault={"kind": kind}, clear=True)
        async with bench.account() as account:
            error = await bench.refusal(
                account.made(bench.new_request()), (BadResponse, OutcomeUnknown)
            )
        require(not error.retryable, f"{kind}: it is sent again, and perhaps billed twice")
        bench.require_honest_bill(error)


def _blocks(bench: Bench) -> bool:
    return remote(bench) and bench.samples.has_blocks


@check(_blocks)
async def a_block_of_the_input_is_told_as_one(bench: Bench) -> None:
    """A prompt that the provider refuses is the editor's to change: it is never tried again."""
    bench.simulator.fail("moderation_block")
    async with bench.account() as account:
        error = await bench.refusal(account.made(bench.request()), ContentBlocked)
    stage = error.stage if isinstance(error, ContentBlocked) else ""
    require(stage in {"input", "unknown"}, f"it is told as a block of the {stage}")
    bench.require_honest_bill(error)


@check(_blocks)
async def a_block_inside_a_success_is_told_as_one(bench: Bench) -> None:
    """Images that were made and then filtered are a block, though the answer is a success."""
    bench.simulator.script(fault={"kind": "output_block"}, clear=True)
    async with bench.account() as account:
        error = await bench.refusal(account.made(bench.request()), ContentBlocked)
    stage = error.stage if isinstance(error, ContentBlocked) else ""
    require(stage in {"output", "unknown"}, f"it is told as a block of the {stage}")
    bench.require_honest_bill(error)


@check(remote)
async def an_answer_that_repeats_the_key_leaks_nothing(bench: Bench) -> None:
    """Neither the key nor the prompt gets from a provider's words into ours."""
    bench.simulator.script(echo="plain")
    async with bench.account() as account:
        await account.made(bench.request())
    for fault in ({"kind": "status", "status": 400}, {"kind": "moderation_block"}):
        bench.simulator.script(fault=fault, clear=True)
        async with bench.account() as account:
            await bench.refusal(account.made(bench.new_request()), ProviderError)


@check(remote)
async def a_refusal_keeps_the_providers_words(bench: Bench) -> None:
    """How the provider explains a refusal is kept for the attempt, without the key and the prompt."""
    for status in (400, 403):
        bench.simulator.script(fault={"kind": "status", "status": status}, clear=True)
        request = bench.new_request()
        async with bench.account() as account:
            error = await bench.refusal(account.made(request), ProviderError)
        require(error.provider_message, f"{status}: the provider's explanation is lost")
        stored = stored_message(error.provider_message, prompts=[request.prompt])
        require(stored, f"{status}: nothing of the provider's explanation can be stored")
        for what, mark in (("key", KEY), ("prompt", PROMPT_MARK)):
            require(mark not in stored, f"{status}: the {what} is in the provider's explanation")
