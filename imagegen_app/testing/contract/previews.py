"""Check images on their way, where an adapter declares that it shows them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from imagegen_app.core.errors import ContentBlocked, OutcomeUnknown
from imagegen_app.testing.contract.bench import require
from imagegen_app.testing.contract.checks import check, remote

if TYPE_CHECKING:
    from imagegen_app.core.types import GenerationRequest, ProviderResult
    from imagegen_app.testing.contract.bench import Account, Bench


_LATENCY_SECONDS = 0.8


def _shows(bench: Bench) -> bool:
    return remote(bench) and bench.declared.has_previews


def _shows_and_blocks(bench: Bench) -> bool:
    return _shows(bench) and bench.samples.has_blocks


async def _shown(
    account: Account, request: GenerationRequest, previews: list[bytes]
) -> ProviderResult:
    answer = account.answer()
    submission = await account.submit(request, answer=answer, on_preview=previews.append)
    await account.ended(submission, answer=answer, on_preview=previews.append)
    require(answer.is_complete, "the answer's bytes are not in the spool when it is answered")
    return await account.read(answer)


@check(_shows)
async def a_preview_changes_nothing_of_the_answer(bench: Bench) -> None:
    """Images on their way are shown where somebody sees them; the answer is the same without."""
    previews: list[bytes] = []
    # Long enough for an adapter that asks now and then.
    bench.simulator.script(latency=_LATENCY_SECONDS)
    async with bench.account(options=bench.samples.preview_options) as account:
        unseen = await account.made(bench.new_request())
        seen = await _shown(account, bench.new_request(), previews)
    require(previews, "no preview was shown; `Samples.preview_options` must ask for some")
    for preview in previews:
        with Image.open(io.BytesIO(preview)) as opened:
            opened.load()
    require(len(seen.images) == len(unseen.images), "another number of images")
    require(seen.usage == unseen.usage, "another usage")
    require(seen.images[0].data not in previews, "a preview was taken for the image")
    entries = bench.simulator.bill()["entries"]
    require(len(entries) == 2, f"{len(entries)} calls were billed instead of 2")  # noqa: PLR2004


@check(_shows)
async def a_call_cut_off_after_a_preview_is_of_unknown_outcome(bench: Bench) -> None:
    """A preview is no answer: a call that is cut off after one is of unknown outcome."""
    bench.simulator.fail("half_answer")
    previews: list[bytes] = []
    async with bench.account(options=bench.samples.preview_options) as account:
        answer = account.answer()
        work = account.submit(bench.new_request(), answer=answer, on_preview=previews.append)
        error = await bench.refusal(work, OutcomeUnknown)
    bench.require_honest_bill(error)
    require(not answer.is_complete, "a preview was kept as the answer")


@check(_shows_and_blocks)
async def a_block_after_previews_is_told_as_one(bench: Bench) -> None:
    """Images that were made, shown on their way and then blocked are a block, and billed."""
    bench.simulator.fail("output_block")
    async with bench.account(options=bench.samples.preview_options) as account:
        error = await bench.refusal(_shown(account, bench.new_request(), []), ContentBlocked)
    bench.require_honest_bill(error)
