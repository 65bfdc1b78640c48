"""Check what an adapter makes: every operation, several images, masks, and what it must refuse."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageStat

from imagegen_app.core.errors import BadResponse, InvalidRequest
from imagegen_app.core.types import (
    IMAGE_INPUT_OPERATIONS,
    ControlGuide,
    InputRole,
    Lora,
    Operation,
    Size,
)
from imagegen_app.testing.contract.asked_for import values_of
from imagegen_app.testing.contract.bench import require
from imagegen_app.testing.contract.checks import always, check, remote
from imagegen_app.testing.contract.samples import (
    changed_box,
    sample_image,
    sample_mask,
)
from imagegen_app.testing.simulator.generation import SPELLINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.testing.contract.bench import Bench

_MOST = 3
_MANY = 17
_ALMOST_WHITE, _ALMOST_BLACK = 250, 5
_ROUGHLY = (30, 127)


def _has_masks(bench: Bench) -> bool:
    return bench.capabilities.supports_mask and Operation.INPAINT in bench.samples.requests


def _several(bench: Bench) -> bool:
    return bench.capabilities.max_count > 1


def _several_remote(bench: Bench) -> bool:
    return remote(bench) and _several(bench)


def _base64(bench: Bench) -> bool:
    return remote(bench) and bench.samples.has_base64


@check(always)
async def what_does_not_fit_is_refused_before_any_call(bench: Bench) -> None:
    """What the model does not offer is refused before anything is sent."""
    for what, request in _unfit(bench):
        async with bench.account() as account:
            try:
                await bench.refusal(account.submit(request), InvalidRequest)
            except AssertionError as broken:
                raise AssertionError(f"{what}: {broken}") from broken
    if bench.declared.is_remote:
        sent = bench.simulator.calls()
        require(not sent, f"calls were made for what had to be refused: {sent}")


def _unfit(bench: Bench) -> Iterator[tuple[str, GenerationRequest]]:
    """Return requests that the model cannot fulfil, by what is wrong with them."""
    can, good = bench.capabilities, bench.samples.first
    yield "too many images", replace(good, count=can.max_count + 1)
    yield "no image", replace(good, count=0)
    yield "an unknown parameter", replace(good, parameters={"no_such_parameter": "1"})
    yield "an unknown format", replace(good, output_format="tiff")
    yield "an unknown quality", replace(good, quality="no-such-quality")
    yield "a prompt that is too long", replace(good, prompt="a" * (can.max_prompt_chars + 1))
    rule = can.sizes_for(good.operation)
    size = next((size for size in _ODD_SIZES if rule.error_for(size) is not None), None)
    if size is not None:
        yield "a size that is not offered", replace(good, size=size)
    for operation in Operation:
        if operation not in can.operations:
            yield f"{operation.value} is not offered", replace(good, operation=operation)
    if can.max_inputs:
        inputs = (sample_image(good.size),) * max(_MANY, can.max_inputs + 1)
        editing = next(iter(IMAGE_INPUT_OPERATIONS & bench.samples.requests.keys()), None)
        if editing is not None:
            yield "too many inputs", replace(bench.samples.requests[editing], inputs=inputs)
            yield "no input", replace(bench.samples.requests[editing], inputs=())
    if _has_masks(bench):
        inpaint = bench.samples.requests[Operation.INPAINT]
        image = inpaint.inputs[0]
        other = Size(image.width // 2, image.height // 2)
        yield "a mask of another size", replace(inpaint, inputs=(image, sample_mask(other)))
        yield "no mask", replace(inpaint, inputs=(image,))
    yield from _unfit_values(good, can)
    yield from _unfit_guides(good, can)
    yield from bench.samples.refused.items()


def _unfit_values(
    good: GenerationRequest, can: Capabilities
) -> Iterator[tuple[str, GenerationRequest]]:
    if not can.supports_seed:
        yield "a seed", replace(good, seed=7)
    if not can.supports_negative_prompt:
        yield "a negative prompt", replace(good, negative_prompt="fog")
    yield "an unknown background", replace(good, background="no-such-background")
    weight = can.lora_weights[1]
    loras = (Lora("mugs", weight),) * (can.max_loras + 1)
    yield "more LoRA than are offered", replace(good, loras=loras)
    if can.max_loras:
        yield "a LoRA that counts too much", replace(good, loras=(Lora("mugs", weight + 1),))
    for name, parameter in can.parameters.items():
        if not parameter.belongs_to(good.operation):
            value = values_of(name, parameter)[0]
            yield f"{name}, of another operation", replace(good, parameters={name: value})


def _unfit_guides(
    good: GenerationRequest, can: Capabilities
) -> Iterator[tuple[str, GenerationRequest]]:
    size = good.inputs[0].size if good.inputs else good.size
    for role in (InputRole.CONTROL, InputRole.STYLE):
        image = sample_image(size, role=role)
        if role not in can.inputs:
            yield f"a {role.value} image", replace(good, inputs=(*good.inputs, image))
        elif role is InputRole.CONTROL:
            odd = replace(image, guide=ControlGuide("no-such-kind"))
            yield "an unknown kind of guide", replace(good, inputs=(*good.inputs, odd))


_ODD_SIZES = (Size(1001, 1003), Size(1, 1), Size(100_000, 16), Size(16, 100_000))


@check(always)
async def every_operation_has_a_sample(bench: Bench) -> None:
    """There is a sample for every operation that the model offers."""
    lacking = bench.capabilities.operations - bench.samples.requests.keys()
    require(not lacking, f"no sample for {', '.join(sorted(lacking))}")
    for operation, request in bench.samples.requests.items():
        require(
            request.operation is operation, f"the sample of {operation} is of another operation"
        )


@check(always)
async def every_operation_is_made(bench: Bench) -> None:
    """Every operation gives the images that were asked for, billed once."""
    for operation, request in bench.samples.requests.items():
        async with bench.account() as account:
            result = await account.made(request)
        named = f"{operation.value}: "
        require(len(result.images) == request.count, named + "another number of images")
        for image in result.images:
            with Image.open(io.BytesIO(image.data)) as opened:
                opened.load()
    if bench.declared.is_remote:
        billed = [entry["operation"] for entry in bench.simulator.bill()["entries"]]
        require(
            len(billed) == len(bench.samples.requests),
            f"{len(bench.samples.requests)} calls were billed as {billed}",
        )


@check(_several)
async def several_images_come_in_one_call(bench: Bench) -> None:
    """Several images are made by one call."""
    count = min(_MOST, bench.capabilities.max_count)
    async with bench.account() as account:
        result = await account.made(bench.request(count=count))
    require(len(result.images) == count, f"{len(result.images)} images instead of {count}")
    if bench.declared.is_remote:
        bill = bench.simulator.bill()
        require((len(bill["entries"]), bill["images"]) == (1, count), "billed otherwise")


@check(_several_remote)
async def fewer_images_than_asked_for_are_kept(bench: Bench) -> None:
    """Fewer images than asked for are no error."""
    bench.simulator.fail("fewer_images")
    async with bench.account() as account:
        result = await account.made(bench.request(count=2))
    require(len(result.images) == 1, f"{len(result.images)} images of one")


@check(_several_remote)
async def one_bad_image_leaves_the_others(bench: Bench) -> None:
    """An image that cannot be read does not cost the others."""
    bench.simulator.fail("one_bad_image")
    async with bench.account() as account:
        result = await account.made(bench.request(count=2))
    require(len(result.images) == 1, f"{len(result.images)} images of two, one of them bad")
    require(len(result.unusable) == 1, "the answer does not say that one image is unusable")


@check(_base64)
async def every_spelling_of_an_image_gives_the_same_bytes(bench: Bench) -> None:
    """Base64 with or without padding, line breaks, escapes or as a data URL is the same image."""
    found = {}
    for spelling in SPELLINGS:
        bench.simulator.script(spelling=spelling, job_output="b64_json")
        async with bench.account() as account:
            result = await account.made(bench.request())
        found[spelling] = result.images[0].data
    wrong = [spelling for spelling, data in found.items() if data != found["plain"]]
    require(not wrong, f"other bytes for {', '.join(wrong)}")


@check(_base64)
async def an_unreadable_answer_stays_and_can_be_read_again(bench: Bench) -> None:
    """An answer that cannot be read was paid for: its bytes stay, and reading them is repeatable."""
    kinds = ["truncated_base64"]
    if not bench.samples.has_jobs:
        kinds += ["html", "not_json", "unknown_coding"]
    for billed, kind in enumerate(kinds, 1):
        bench.simulator.script(fault={"kind": kind}, job_output="b64_json")
        async with bench.account() as account:
            answer = account.answer()
            submission = await account.submit(bench.request(), answer=answer)
            await account.ended(submission, answer=answer)
            for _ in range(2):
                error = await bench.refusal(account.read(answer), BadResponse)
                require(error.billed != "no", f"{kind}: it says that nothing was billed")
                require(answer.is_complete and answer.read(), f"{kind}: the bytes are gone")
        entries = bench.simulator.bill()["entries"]
        require(len(entries) == billed, f"{kind}: {len(entries)} calls were billed")


@check(always)
async def a_damaged_answer_is_a_bad_response(bench: Bench) -> None:
    """Whatever the bytes of an answer are, reading them ends in images or in `BadResponse`."""
    async with bench.account() as account:
        answer = account.answer()
        await account.ended(await account.submit(bench.request(), answer=answer), answer=answer)
        for body in (b"", b"{", b"[]", b"null", b'{"data": 3}', b"\xff\xfe", b"[" * 50_000):
            answer.body_path.write_bytes(body)
            for part in answer.parts():
                if part != "body":
                    (answer.folder / part).unlink()
            await bench.refusal(account.read(answer), BadResponse)


@check(_has_masks)
async def a_mask_changes_what_ours_marks(bench: Bench) -> None:
    """The part that our mask marks is changed, and no other, whatever the provider's masks mean."""
    request = bench.samples.requests[Operation.INPAINT]
    image, mask = request.inputs[0], request.inputs[-1]
    box = changed_box(Size(mask.width, mask.height))
    async with bench.account() as account:
        result = await account.made(request)
    if bench.declared.is_remote:
        masks = [one for one in bench.simulator.received() if one.role == InputRole.MASK]
        require(masks, "no mask arrived")
        area: Image.Image = Image.open(io.BytesIO(masks[-1].area))
    else:
        made = Image.open(io.BytesIO(result.images[0].data)).convert("RGB")
        before = Image.open(io.BytesIO(image.data)).convert("RGB")
        changed = ImageChops.difference(made, before).convert("L")
        area = changed.point(lambda value: 255 if value > _ALMOST_BLACK else 0)
    outside = area.copy()
    outside.paste(0, box)
    inside, left_alone = ImageStat.Stat(area.crop(box)).mean[0], ImageStat.Stat(outside).mean[0]
    # Drawn images may by chance be alike in a few pixels, and the sandbox's have a label.
    low, high = (_ALMOST_BLACK, _ALMOST_WHITE) if bench.declared.is_remote else _ROUGHLY
    require(
        inside > high and left_alone < low,
        "another part of the image is changed than the mask marks",
    )
