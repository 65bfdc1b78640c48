"""Check webhooks: good ones, and forged, repeated, late and malformed ones."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from imagegen_app.core.errors import AuthenticationFailed
from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.families import standard_webhooks
from imagegen_app.testing.contract.bench import ContractBroken, require
from imagegen_app.testing.contract.checks import check, remote, webhooks

if TYPE_CHECKING:
    from imagegen_app.testing.contract.bench import Bench
    from imagegen_app.testing.simulator.process import ForeignCall

_PATH = "/inbox"
_TRIES, _TRY_SECONDS = 4000, 0.005
_LATE_SECONDS = 3600.0
_OTHER_SECRET = "whsec_YW5vdGhlci13ZWJob29rLXNlY3JldC0wMDAwMDE="  # noqa: S105 - signs forgeries


def _no_webhooks(bench: Bench) -> bool:
    return remote(bench) and not bench.declared.webhook_kind


async def _delivered(bench: Bench) -> tuple[str, ForeignCall]:
    """Return a job's reference, and the webhook that reported its end."""
    url = f"{bench.simulator.other_url}{_PATH}?t=token"
    async with bench.account() as account:
        submission = await account.submit(bench.job(webhook_url=url))
    for _ in range(_TRIES):
        calls = [call for call in bench.simulator.elsewhere() if call.path == _PATH]
        if calls:
            return submission.ref, calls[0]
        await asyncio.sleep(_TRY_SECONDS)
    raise ContractBroken("no webhook came: is the request's `webhook_url` sent?")


@check(webhooks)
async def a_forged_webhook_is_refused(bench: Bench) -> None:
    """A webhook with another body, signature or secret, or without its headers, is refused."""
    _, call = await _delivered(bench)
    headers, body = dict(call.headers), call.body
    other = standard_webhooks.sign(
        delivery_id="msg_forged",
        timestamp=int(time.time()),
        body=body,
        secret=Secret(_OTHER_SECRET),
    )
    # In base64 or in hex: a text of the same form, and no genuine signature.
    signatures = {
        name: f"{value[:-4]}AAA=" if "=" in value else value[::-1]
        for name, value in headers.items()
        if "signature" in name
    }
    forgeries: dict[str, tuple[dict[str, str], bytes]] = {
        "another body": (headers, body.replace(b"{", b"{ ", 1)),
        "no body": (headers, b""),
        "no headers": ({}, body),
        "another signature": (headers | signatures, body),
        "other text": (headers, b"\xff\xfe"),
    }
    if "webhook-signature" in headers:
        forgeries["another secret"] = (headers | other, body)
    async with bench.account() as account:
        for what, forgery in forgeries.items():
            try:
                await bench.refusal(account.verify_webhook(*forgery), AuthenticationFailed)
            except ContractBroken as broken:
                raise ContractBroken(f"{what}: {broken}") from broken


@check(webhooks)
async def a_good_webhook_names_its_job(bench: Bench) -> None:
    """A webhook names the job, and one that comes twice has the same id both times."""
    ref, call = await _delivered(bench)
    async with bench.account() as account:
        first = await account.verify_webhook(dict(call.headers), call.body)
        second = await account.verify_webhook(dict(call.headers), call.body)
    require(first.ref == ref, "the webhook names another job")
    require(first.delivery_id and first == second, "the same webhook is not known again")


@check(webhooks)
async def a_late_webhook_is_refused(bench: Bench) -> None:
    """A webhook that is old, or from the future, is refused."""
    _, call = await _delivered(bench)
    for shift in (_LATE_SECONDS, -_LATE_SECONDS):
        moment = time.time() + shift
        async with bench.account(clock=partial(float, moment)) as account:
            await bench.refusal(
                account.verify_webhook(dict(call.headers), call.body), AuthenticationFailed
            )


@check(_no_webhooks)
async def a_webhook_that_nobody_sends_is_refused(bench: Bench) -> None:
    """An adapter without webhooks accepts none."""
    body = b'{"data": {"id": "job-1", "status": "succeeded"}}'
    headers = standard_webhooks.sign(
        delivery_id="msg_1",
        timestamp=int(time.time()),
        body=body,
        secret=Secret(bench.simulator.webhook_secret),
    )
    async with bench.account() as account:
        for given in ({}, headers):
            await bench.refusal(account.verify_webhook(given, body), AuthenticationFailed)
