"""Check that nothing that was asked for is dropped in silence: it changes the call, or is refused."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import ProviderError, ProviderUnavailable
from imagegen_app.core.fitted_sizes import size_like
from imagegen_app.core.model_names import is_other_model
from imagegen_app.core.types import PROMPT_CLEANED, ControlGuide, InputRole, Lora, Operation, Size
from imagegen_app.testing.contract.bench import Bench, ContractClient, require
from imagegen_app.testing.contract.checks import check, remote
from imagegen_app.testing.contract.samples import sample_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.capabilities import Capabilities, SizeRule
    from imagegen_app.core.model_parameters import Parameter
    from imagegen_app.core.types import GenerationRequest, ImageInput
    from imagegen_app.providers.http import Reply
    from imagegen_app.testing.contract.bench import Account

#: The request, as it would leave: where to, and what.
_Sent = tuple[str, bytes, tuple[tuple[str, str], ...]]
#: What local servers take for a command: a file of weights.
_COMMAND = "<lora:evil:1>"
_LARGER = Size(1536, 1024)
_SHAPES = (Size(1024, 1024), Size(1536, 1024), Size(1024, 1536), Size(1344, 768))
#: How many times as large an image becomes.
_FACTORS = (2, 3)


class _FreeClient(ContractClient):
    """A client that asks what is free, and keeps the billable call to itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: _Sent | None = None

    async def send(self, method: str, url: str, **options: Any) -> Reply:
        if not options.get("billable"):
            return await super().send(method, url, **options)
        headers = options.get("headers") or {}
        self.sent = (url, options.get("body", b""), tuple(sorted(headers.items())))
        raise ProviderUnavailable(detail="nothing is bought here")


@check(remote)
async def what_is_asked_for_changes_the_call(bench: Bench) -> None:
    """Whatever a model offers changes the call when it is asked for, or is refused."""
    dropped = []
    async with bench.account(client_class=_FreeClient) as account:
        for sample in bench.samples.requests.values():
            offered = bench.samples.capabilities_of(sample.model)
            named = sample.operation.value
            dropped += [f"{named}: {one}" for one in await _dropped(account, sample, offered)]
    require(not dropped, f"dropped in silence: {', '.join(dropped)}")


@check(remote)
async def a_prompt_that_is_not_sent_as_written_is_told(bench: Bench) -> None:
    """Where a server's commands are taken out of a prompt, the answer says so."""
    request = bench.request(prompt=f"{bench.samples.first.prompt} {_COMMAND}")
    if request.operation in bench.capabilities.promptless:
        return
    async with bench.account(client_class=_FreeClient) as account:
        sent = await _sent(account, request)
    require(sent is not None, "the sample with another prompt is refused")
    if sent is None or _COMMAND.encode() in sent[1]:
        return
    async with bench.account() as account:
        result = await account.made(request)
    require(result.resolved.get("prompt") == PROMPT_CLEANED, "a changed prompt is not told")


@check(lambda bench: remote(bench) and bench.declared.names_models)
async def another_model_that_answers_is_told(bench: Bench) -> None:
    """Where answers name their model, another one than the one asked for is told."""
    bench.simulator.fail("other_model")
    async with bench.account() as account:
        other = await account.made(bench.request())
        same = await account.made(bench.new_request())
    asked = bench.samples.first.model
    require(is_other_model(other.model_version, asked=asked), "another model is not told")
    require(not is_other_model(same.model_version, asked=asked), "the model is taken for another")


async def _dropped(account: Account, sample: GenerationRequest, offered: Capabilities) -> list[str]:
    """Return what makes no difference to the call of a sample, whatever is asked for."""
    rule = offered.sizes_for(sample.operation)
    good = sample
    if sample.operation is Operation.OUTPAINT and rule.error_for(_LARGER) is None:
        # So that it matters where the image stays.
        good = replace(sample, size=_LARGER)
    calls = [await _sent(account, good) for _ in range(2)]
    require(calls[0] == calls[1], "the same request is another call each time")
    require(calls[0] is not None, f"the sample of {sample.operation.value} is refused")
    found = []
    for name, requests in _variants(good, offered):
        calls = [call for one in requests if (call := await _sent(account, one)) is not None]
        # Some values of a choice may mean the same for this image.
        least = 2 if name in offered.parameters else len(calls)
        if len(calls) > 1 and len(set(calls)) < least:
            found.append(name)
    if good.operation in offered.promptless:
        calls = [await _sent(account, replace(good, prompt=text)) for text in ("", *_prompts(good))]
        require(len(set(calls)) == 1, "a prompt changes the call, and none is taken")
    if not rule.is_choosable and good.operation is not Operation.REMOVE_BACKGROUND:
        calls = [await _sent(account, replace(good, size=size)) for size in _shapes(good)]
        made = {call for call in calls if call is not None}
        require(len(made) <= 1, "a size changes the call, and none is offered")
    return found


async def _sent(account: Account, request: GenerationRequest) -> _Sent | None:
    """Return the call that a request would make; None if it is refused, or cannot be bought here."""
    account.adapter.http.sent = None
    with suppress(ProviderError):
        await account.submit(request)
    sent: _Sent | None = account.adapter.http.sent
    return sent


def _variants(
    good: GenerationRequest, offered: Capabilities
) -> Iterator[tuple[str, list[GenerationRequest]]]:
    """Return requests that differ in one thing that the model offers, by its name."""
    fields: dict[str, list[Any]] = {
        "prompt": [] if good.operation in offered.promptless else _prompts(good),
        "size": _sizes(good, offered.sizes_for(good.operation)),
        "seed": [None, 7, 8] if offered.supports_seed else [],
        "negative_prompt": ["", "fog"] if offered.supports_negative_prompt else [],
        "quality": list(offered.qualities),
        "background": list(offered.backgrounds),
        "output_format": list(offered.output_formats),
        "count": [1, 2] if offered.max_count > 1 else [],
        "loras": _loras(offered),
    }
    for name, values in fields.items():
        yield name, [replace(good, **{name: value}) for value in values]
    for name, inputs in _inputs(good, offered).items():
        yield name, [replace(good, inputs=one) for one in inputs]
    for name, parameter in offered.parameters.items():
        if parameter.belongs_to(good.operation):
            given = ({**good.parameters, name: value} for value in values_of(name, parameter))
            yield name, [replace(good, parameters=one) for one in given]


def _prompts(good: GenerationRequest) -> list[str]:
    return [good.prompt, f"{good.prompt}, in fog"]


def _sizes(good: GenerationRequest, rule: SizeRule) -> list[Size]:
    """Return sizes of several shapes that the rule has; none for a model that takes no size."""
    if not rule.is_choosable:
        return []
    found = dict.fromkeys(size_like(size, rule) for size in _shapes(good))
    fitting = [size for size in found if rule.error_for(size) is None]
    if rule.ratios:
        # The provider chooses the pixels: what has the same proportions is the same.
        return list({rule.ratio_of(size): size for size in fitting}.values())
    return fitting


def _shapes(good: GenerationRequest) -> list[Size]:
    if good.operation is Operation.UPSCALE:
        image = good.inputs[0]
        return [Size(image.width * by, image.height * by) for by in _FACTORS]
    return list(_SHAPES)


def _loras(offered: Capabilities) -> list[tuple[Lora, ...]]:
    if not offered.max_loras:
        return []
    low, high = offered.lora_weights
    first = (Lora("mugs", high),)
    found = [(), first, (Lora("mugs", (low + high) / 2),), (Lora("cups", high),)]
    return [*found, (*first, Lora("cups", high))] if offered.max_loras > 1 else found


def _inputs(
    good: GenerationRequest, offered: Capabilities
) -> dict[str, list[tuple[ImageInput, ...]]]:
    """Return input images that differ: more of them, of other roles, and with other guides."""
    found: dict[str, list[tuple[ImageInput, ...]]] = {}
    size = good.inputs[0].size if good.inputs else good.size
    for role in InputRole:
        if role in offered.inputs and role is not InputRole.MASK:
            more = sample_image(size, role=role)
            found[f"{role.value} images"] = [good.inputs, (*good.inputs, more)]
    if InputRole.CONTROL in offered.inputs:
        image = sample_image(size, role=InputRole.CONTROL)
        rest = tuple(one for one in good.inputs if one.role is not InputRole.CONTROL)
        kinds = offered.control_kinds or ("",)
        guides = [
            *(ControlGuide(kind) for kind in kinds),
            ControlGuide(kinds[0], weight=0.5),
            ControlGuide(kinds[0], start=0.25),
            ControlGuide(kinds[0], end=0.75),
        ]
        found["guides"] = [(*rest, replace(image, guide=guide)) for guide in guides]
    return found


def values_of(name: str, parameter: Parameter) -> list[Any]:
    """Return values of a parameter that a request may have, none twice."""
    low, high = parameter.low or 0, parameter.high
    match parameter.kind:
        case "int" | "float":
            top = high if high is not None else low + 1
            kind = int if parameter.kind == "int" else float
            return list(dict.fromkeys([kind(low), kind(top)]))
        case "bool":
            return [True, False]
        case "choice":
            return list(parameter.choices)
        case "list":
            colours = islice(cycle(["#1a2b3c", "#ffffff"]), int(high or 1))
            return [list(colours), ["#0f0f0f"]]
        case _:
            return ["#1a2b3c", "#ffffff"] if "color" in name else ["a mug", "another mug"]
