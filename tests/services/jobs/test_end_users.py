"""Providers are told who asked as a keyed hash of their own, or, where it is off, not at all."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app import conf
from imagegen_app.core.errors import ProviderError
from imagegen_app.services.jobs import rebuilding
from imagegen_app.testing.contract import bench
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.contract.suite import simulator_for
from imagegen_app.testing.factories import make_job, make_user

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.models import Job

pytestmark = pytest.mark.django_db
#: The samples whose calls say who asked.
TOLD = {
    "azure_openai",
    "azure_openai-deployments",
    "generic_jobs",
    "openai",
    "openai_compatible",
    "stability",
    "stability-generating",
    "stability-jobs",
    "xai",
}
IDENTIFIER = re.compile(rb"h:[0-9a-f]{40}")
#: What the providers call it, in headers, JSON and forms.
NAMES = re.compile(
    rb'stability-client-user-id|safety_identifier|"(?:end_)?user"\s*:|name="user"', re.IGNORECASE
)
PERSON = (b"ann-of-the-editors", b"ann@shop", b"918273645")


@pytest.fixture
def job() -> Job:
    return make_job(
        requester=make_user("ann-of-the-editors", email="ann@shop.example.org", pk=918273645)
    )


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that fills with all that goes to providers: addresses, headers and bodies."""
    found: list[bytes] = []
    original = bench.ContractClient._call

    async def call(self: Any, transport: Any, request: Any, *rest: Any) -> Any:
        headers = b"\n".join(name + b": " + value for name, value in request.headers.raw)
        body = await request.aread()
        found.append(b"\n".join([str(request.url).encode(), headers, body]))
        return await original(self, transport, request, *rest)

    monkeypatch.setattr(bench.ContractClient, "_call", call)
    return found


def submit_all(name: str, request: pytest.FixtureRequest, folder: Path, *, end_user: str) -> None:
    """Have an adapter send its samples as calls for this end user."""
    samples = SAMPLES[name]
    playing = simulator_for(request.config, samples.protocol) if samples.protocol else None
    if playing is not None:
        playing.reset()  # it keeps what a planted fault of another test sent
    place = bench.Bench(samples, simulator=playing, folder=folder)

    async def submit() -> None:
        async with place.account() as account:
            for number, sample in enumerate(samples.requests.values()):
                key = f"end-user-{end_user[2:8]}-{number}"
                # What becomes of the call is the contract's.
                with suppress(ProviderError):
                    await account.submit(replace(sample, end_user=end_user, idempotency_key=key))

    with place.watched():
        asyncio.run(submit())


@pytest.mark.parametrize("name", SAMPLES)
def test_no_adapter_sends_more_of_a_person_than_the_hash_for_its_provider(
    name: str,
    *,
    job: Job,
    sent: list[bytes],
    request: pytest.FixtureRequest,
    settings: Any,
    tmp_path: Path,
) -> None:
    digests = [rebuilding.end_user_digest(job, provider_id=number) for number in (1, 2)]
    wires = []

    for digest in digests:
        submit_all(name, request, tmp_path, end_user=digest)
        wires.append(b"\n".join(sent))
        sent.clear()
    settings.IMAGEGEN = {**settings.IMAGEGEN, "IDENTIFY_END_USERS": False}
    submit_all(name, request, tmp_path, end_user=rebuilding.end_user_digest(job, provider_id=1))
    off = b"\n".join(sent)

    told = [{digest.encode()} if name in TOLD else set() for digest in digests]
    assert [set(IDENTIFIER.findall(wire)) for wire in wires] == told
    assert digests[0] != digests[1]
    assert bool(off) == (name != "sandbox")
    assert not IDENTIFIER.search(off)
    assert not NAMES.search(off)
    assert not any(part in wire for part in PERSON for wire in (*wires, off))


def test_a_request_says_nothing_of_who_asked_where_that_is_off(job: Job, settings: Any) -> None:
    on = rebuilding.end_user_digest(job, provider_id=1)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "IDENTIFY_END_USERS": False}

    assert (on[:2], rebuilding.end_user_digest(job, provider_id=1)) == ("h:", "")


@pytest.mark.parametrize("value", ["no", 0, None])
def test_a_switch_that_is_neither_on_nor_off_is_refused(settings: Any, value: object) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "IDENTIFY_END_USERS": value}

    with pytest.raises(conf.InvalidSettings, match="IDENTIFY_END_USERS"):
        conf.get()
