"""What a model offers changes the call, or is refused: nothing that was asked for is dropped in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagegen_app.core.capabilities import Capabilities
from imagegen_app.core.errors import ProviderError, ProviderUnavailable
from imagegen_app.core.types import GenerationRequest, Lora, Size
from imagegen_app.providers import registry
from imagegen_app.providers.http import Reply
from imagegen_app.testing.contract.bench import Bench, ContractClient
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.contract.suite import simulator_for
from tests.providers.recorded_requests import values_of

#: What makes no difference for a reason.
KNOWN: Mapping[str, list[str]] = {
    # A model without this input has a format of its own; files are read by what they hold.
    "replicate": [f"{of}: output_format" for of in ("generate", "edit", "inpaint")],
}
_LARGER = Size(1536, 1024)
REMOTE = [name for name, one in SAMPLES.items() if registry.describe(one.adapter).is_remote]


class FreeClient(ContractClient):
    """A client that asks what is free, and keeps the billable call to itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.call: tuple[str, bytes] | None = None

    async def send(self, method: str, url: str, **options: Any) -> Reply:
        if not options.get("billable"):
            return await super().send(method, url, **options)
        self.call = (url, options.get("body", b""))
        raise ProviderUnavailable(detail="nothing is bought here")


class FreeBench(Bench):
    client_class = FreeClient


def variants(
    good: GenerationRequest, offered: Capabilities
) -> Iterator[tuple[str, list[GenerationRequest]]]:
    """Return requests that differ in one thing that the model offers, by its name."""
    fields: dict[str, list[Any]] = {
        "seed": [None, 7, 8] if offered.supports_seed else [],
        "negative_prompt": ["", "fog"] if offered.supports_negative_prompt else [],
        "quality": list(offered.qualities),
        "background": list(offered.backgrounds),
        "output_format": list(offered.output_formats),
        "count": [1, 2] if offered.max_count > 1 else [],
        "loras": [(), *((Lora("mugs", weight),) for weight in offered.lora_weights)]
        if offered.max_loras
        else [],
    }
    for name, values in fields.items():
        yield name, [replace(good, **{name: value}) for value in values]
    for name, parameter in offered.parameters.items():
        if parameter.belongs_to(good.operation):
            every = values_of(name, parameter)
            values = [*every[:2], *every[2:][-1:]]
            values += ["another mug"] if parameter.kind == "text" else []
            given = [{**good.parameters, name: value} for value in values]
            yield name, [good, *(replace(good, parameters=one) for one in given)]


async def dropped(bench: FreeBench) -> list[str]:
    """Return what makes no difference to the call, whatever is asked for."""
    found = []
    async with bench.account() as account:

        async def call_of(request: GenerationRequest) -> tuple[str, bytes] | None:
            account.adapter.http.call = None
            # What is refused has no call, and neither does what cannot be bought here.
            with suppress(ProviderError):
                await account.submit(request)
            call: tuple[str, bytes] | None = account.adapter.http.call
            return call

        for sample in bench.samples.requests.values():
            offered = account.adapter.capabilities(sample.model)
            is_larger = offered.sizes_for(sample.operation).error_for(_LARGER) is None
            # So that it matters where the image stays.
            good = replace(sample, size=_LARGER) if is_larger else sample
            for name, requests in variants(good, offered):
                calls = [call for one in requests if (call := await call_of(one)) is not None]
                if len(calls) > 1 and len(set(calls)) == 1:
                    found.append(f"{good.operation.value}: {name}")
    return found


@pytest.mark.parametrize("name", REMOTE)
def test_what_is_offered_is_sent_or_refused(
    name: str, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    samples = SAMPLES[name]
    simulator = simulator_for(pytestconfig, samples.protocol)
    simulator.reset()
    bench = FreeBench(samples, simulator=simulator, folder=tmp_path)
    with bench.watched():
        found = asyncio.run(dropped(bench))

    assert found == KNOWN.get(name, [])
