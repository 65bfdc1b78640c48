"""Check where an adapter goes: redirects, results at other hosts, and who sees the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.errors import BadResponse, ProviderError
from imagegen_app.testing.contract.bench import RESULTS_HOST, require
from imagegen_app.testing.contract.checks import check, jobs, remote

if TYPE_CHECKING:
    from imagegen_app.testing.contract.bench import Bench


def _addresses(bench: Bench) -> bool:
    return remote(bench) and bench.samples.has_addresses


@check(remote)
async def a_redirected_call_is_not_followed(bench: Bench) -> None:
    """A call that is redirected is not sent again elsewhere, with key and cost; its error says so."""
    for host in (bench.simulator.other_url, f"https://{RESULTS_HOST}"):
        bench.simulator.script(fault={"kind": "redirect", "host": host}, clear=True)
        async with bench.account() as account:
            error = await bench.refusal(account.submit(bench.request()), ProviderError)
        require(not error.retryable, "a redirected call is tried again")
        require("redirect" in error.detail, f"nobody is told of the redirect: {error.detail}")
    followed = [call.path for call in bench.simulator.elsewhere()]
    require(not followed, f"the redirect was followed, to {followed}")


@check(jobs)
async def a_redirected_query_is_not_followed(bench: Bench) -> None:
    """A query that is redirected is not sent elsewhere with the key."""
    async with bench.account() as account:
        ref = (await account.submit(bench.job())).ref
        for host in (bench.simulator.other_url, f"https://{RESULTS_HOST}"):
            fault = {"kind": "redirect", "on": "poll", "host": host}
            bench.simulator.script(fault=fault, clear=True)
            await bench.refusal(account.poll(ref), ProviderError)
    followed = [call.path for call in bench.simulator.elsewhere()]
    require(not followed, f"the redirect was followed, to {followed}")


@check(_addresses)
async def a_result_at_another_host_is_fetched_without_the_key(bench: Bench) -> None:
    """Results lie at other hosts, which are strangers: they are fetched without the key."""
    async with bench.account() as account:
        here = await account.made(bench.request())
    bench.simulator.script(results_host=f"https://{RESULTS_HOST}")
    async with bench.account() as account:
        result = await account.made(bench.request())
    require(len(result.images) == bench.samples.first.count, "the result was not fetched")
    same = [image.data for image in result.images] == [image.data for image in here.images]
    require(same, "an image has other bytes when it is fetched from elsewhere")
    calls = bench.simulator.elsewhere()
    require(calls, "the result was fetched from elsewhere")
    require(
        not any("authorization" in call.headers or "cookie" in call.headers for call in calls),
        "credentials went to the host of the result",
    )


@check(_addresses)
async def a_result_inside_of_the_network_is_not_fetched(bench: Bench) -> None:
    """An address inside of the site's own network is never fetched."""
    bench.simulator.script(results_host=bench.simulator.other_url)
    async with bench.account() as account:
        answer = account.answer()
        submission = await account.submit(bench.request(), answer=answer)
        await account.ended(submission, answer=answer)
        await bench.refusal(account.read(answer), BadResponse)
    require(not bench.simulator.elsewhere(), "the address was fetched")
