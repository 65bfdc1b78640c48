"""Record the requests that adapters send: over the contract's samples, and with all that they offer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.errors import (
    NotFound,
    ProviderError,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import (
    MASK_OPERATIONS,
    Call,
    GenerationRequest,
    InputRole,
    Lora,
    Operation,
    Size,
)
from imagegen_app.providers import registry
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, Reply
from imagegen_app.testing.contract.bench import Bench, ContractClient
from imagegen_app.testing.contract.samples import Samples, sample_image, sample_mask
from imagegen_app.testing.simulator.process import SimulatorProcess

#: Of every input image: large enough for all models.
_INPUT = Size(256, 256)
#: Requests with a value of every field.
_MIXED = 8
_HOOK = "https://site.example/hooks/1/"


@dataclass(frozen=True)
class Recorded:
    """One request as it was to leave."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str
    #: Of the account's base URL and the query relieved.
    path: str = ""

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query))


class _Recording:
    """Remember what is sent."""

    recorded: list[Recorded]

    def paths_below(self, base: str) -> list[Recorded]:
        return [
            replace(one, path=one.url.removeprefix(base).partition("?")[0]) for one in self.recorded
        ]

    def note(self, method: str, url: str, options: Mapping[str, Any]) -> None:
        self.recorded.append(
            Recorded(
                method,
                url,
                options.get("headers") or {},
                options.get("body", b""),
                options.get("content_type", ""),
            )
        )


class RecordingClient(_Recording, ContractClient):
    """The contract's client, which remembers what it sends."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.recorded = []

    async def send(self, method: str, url: str, **options: Any) -> Reply:
        self.note(method, url, options)
        return await super().send(method, url, **options)


class SilentClient(_Recording, HttpClient):
    """A client that sends nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded = []

    async def send(self, method: str, url: str, **options: Any) -> Reply:
        self.note(method, url, options)
        raise ProviderUnavailable(detail="nothing is sent here")


class _RecordingBench(Bench):
    client_class = RecordingClient


def sent_for_samples(
    samples: Samples, *, simulator: SimulatorProcess, folder: Path
) -> list[Recorded]:
    """Make every sample's call and all free calls of an adapter, and return what was sent.

    What an account asks about itself and its models comes first.
    """
    simulator.reset()
    bench = _RecordingBench(samples, simulator=simulator, folder=folder)
    found: list[Recorded] = []

    async def make() -> None:
        async with bench.account() as account:
            adapter = account.adapter
            await adapter.check_key()
            if hasattr(adapter, "describe_model"):
                with suppress(NotFound):
                    await adapter.describe_model(samples.model)
            if hasattr(adapter, "list_models"):
                await adapter.list_models(search="flux", page="")
            if hasattr(adapter, "check_marks"):
                await adapter.check_marks(sample_image(_INPUT).data, media_type="image/png")
            for request in samples.requests.values():
                hooked = replace(request, webhook_url=_HOOK)
                await account.made(hooked if bench.declared.webhook_kind else request)
            if samples.can_cancel:
                submission = await account.submit(bench.new_request())
                await account.cancel(submission.ref)
            with suppress(ProviderError):
                lost = replace(samples.first, idempotency_key="never-answered")
                call = Call("", model=lost.model, operation=lost.operation)
                await adapter.reconcile(call, lost, answer=account.answer())
            found.extend(adapter.http.paths_below(adapter.base))

    with bench.watched():
        asyncio.run(make())
    return found


def sent_at_most(adapter: str, model: str) -> dict[Operation, list[Recorded]]:
    """Return what would be sent for requests that take turns in all values that a model offers."""
    client = SilentClient()
    base_url = registry.describe(adapter).base_url
    hosts = frozenset({urlsplit(base_url).netloc})
    credential = Credential("recorded", ("env:UNUSED",), hosts)
    built: Any = registry.build(
        adapter,
        base_url=base_url,
        credential=credential,
        http=client,
        options={},
    )
    capabilities: Capabilities = built.capabilities(model)
    found: dict[Operation, list[Recorded]] = {}
    for operation in sorted(capabilities.operations):
        client.recorded.clear()
        for request in _requests(operation, model=model, capabilities=capabilities):
            try:
                asyncio.run(built.submit(request, answer=None))
            except UnsupportedParameter:
                # Not every pair of values goes together.
                continue
            except ProviderUnavailable:
                pass
        found[operation] = client.paths_below(built.base)
    return found


def _requests(
    operation: Operation, *, model: str, capabilities: Capabilities
) -> Iterator[GenerationRequest]:
    """Return requests that together have each value of each field at least once."""
    fields: dict[str, list[Any]] = {
        "size": _sizes(capabilities.sizes_for(operation)),
        "count": [1, capabilities.max_count],
        "output_format": list(capabilities.output_formats),
        "quality": ["", *capabilities.qualities],
        "background": ["", *capabilities.backgrounds],
        "seed": [None, *((0, 2**31 - 1) if capabilities.supports_seed else ())],
        "negative_prompt": ["", *(["rain"] if capabilities.supports_negative_prompt else ())],
        "inputs": _inputs(operation, capabilities),
        "loras": [(Lora("site-lora", capabilities.lora_weights[1]),)]
        if capabilities.max_loras
        else [()],
    }
    parameters = {
        name: [None, *values_of(name, parameter)]
        for name, parameter in capabilities.parameters.items()
        if parameter.belongs_to(operation)
    }

    def made(chosen: Mapping[str, Any], given: Mapping[str, Any]) -> GenerationRequest:
        return GenerationRequest(
            operation=operation,
            model=model,
            prompt="a mug on a wooden table",
            end_user="h:5d41402abc4b2a76",
            idempotency_key="recorded",
            parameters={name: value for name, value in given.items() if value is not None},
            **{"output_format": capabilities.usual_format, **chosen},
        )

    # What every call has; the first one of each is the plainest.
    usual = {name: fields[name][0] for name in ("size", "inputs", "loras")}
    for name, values in fields.items():
        for value in values:
            yield made({**usual, name: value}, {})
    for name, values in parameters.items():
        for value in values:
            yield made(usual, {name: value})
    turns = {name: _turns(name, values) for name, values in (fields | parameters).items()}
    for _ in range(_MIXED):
        taken = {name: next(values) for name, values in turns.items()}
        yield made(
            {name: value for name, value in taken.items() if name in fields},
            {name: value for name, value in taken.items() if name in parameters},
        )


def _turns(name: str, values: list[Any]) -> Iterator[Any]:
    """Yield all values again and again, each time in another order, which is always the same."""
    order = random.Random(name)  # noqa: S311 - it hides nothing
    while True:
        yield from order.sample(values, len(values))


def _sizes(rule: SizeRule) -> list[Size]:
    if rule.allowed:
        return list(rule.allowed)
    if rule.ratios:
        shapes = [tuple(map(int, ratio.split(":"))) for ratio in rule.ratios]
        scaled = [
            Size(round(side * w / max(w, h)), round(side * h / max(w, h)))
            for side in (1024, 2048)
            for w, h in shapes
        ]
        return [size for size in scaled if rule.error_for(size) is None]
    found = [Size(1024, 1024), Size(1024, 768), Size(512, 384), _INPUT]
    return [size for size in found if rule.error_for(size) is None]


def _inputs(operation: Operation, capabilities: Capabilities) -> list[tuple[Any, ...]]:
    mask = (sample_mask(_INPUT),) if operation in MASK_OPERATIONS else ()
    if operation is Operation.GENERATE:
        return [()]
    one = (sample_image(_INPUT),)
    most = one * max(1, capabilities.max_inputs)
    references = (*one, sample_image(_INPUT, role=InputRole.REFERENCE))
    return [one + mask, most + mask, references + mask]


def values_of(name: str, parameter: Parameter) -> list[Any]:
    """Return values of a parameter that a request may have."""
    low, high = parameter.low or 0, parameter.high
    whole = parameter.kind == "int"
    match parameter.kind:
        case "int" | "float":
            top = high if high is not None else low + 1
            return [int(low), int(top)] if whole else [float(low), float(top)]
        case "bool":
            return [True, False]
        case "choice":
            return list(parameter.choices)
        case "list":
            return [list(islice(cycle(["#1a2b3c", "#ffffff"]), int(high or 1)))]
        case _:
            return ["#1a2b3c" if "color" in name else "a mug"]
