"""The Ideogram adapter against the simulator, over a real socket."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    BadResponse,
    ContentBlocked,
    ProviderError,
    UnsupportedParameter,
)
from imagegen_app.core.types import Call, GenerationRequest, InputRole, Operation, Size
from imagegen_app.core.types import SubmissionStatus as Status
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.families import price_quotes
from imagegen_app.providers.http import Reply
from imagegen_app.providers.ideogram import _form, _query, _routes
from imagegen_app.testing.contract.bench import Bench
from imagegen_app.testing.simulator import forms
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import (
    a_mask,
    a_request,
    an_input,
)

SIZE = (512, 256)
IMAGE, MASK = an_input(size=SIZE), a_mask((0, 0, 99, 99), size=SIZE)
OLD = a_request(model="ideogram-v3")
NEW = a_request(model="ideogram-4-5")
Use = Callable[[Any], Awaitable[Any]]
Talk = Callable[..., Any]


@pytest.fixture
def talk(bench_of: Callable[[str], Bench]) -> Talk:
    """Run `use` with a built adapter."""

    def make(use: Use, **options: Any) -> Any:
        async def run() -> Any:
            async with bench_of("ideogram").account(options=options) as account:
                return await use(account.adapter)

        return asyncio.run(run())

    return make


@pytest.fixture
def made(bench_of: Callable[[str], Bench]) -> Callable[[GenerationRequest], Any]:
    """Have a request made, and read its answer."""

    async def run(request: GenerationRequest) -> Any:
        async with bench_of("ideogram").account() as account:
            return await account.made(request)

    return lambda request: asyncio.run(run(request))


@pytest.mark.parametrize(
    ("request_", "size", "count"),
    [
        (
            replace(
                OLD,
                size=Size(1312, 736),
                count=2,
                seed=5,
                quality="TURBO",
                negative_prompt="fog",
                parameters={"style_type": "REALISTIC"},
            ),
            (1312, 736),
            2,
        ),
        (replace(OLD, operation=Operation.INPAINT, inputs=(IMAGE, MASK)), SIZE, 1),
        (replace(OLD, operation=Operation.EDIT, inputs=(IMAGE, IMAGE)), (1024, 1024), 1),
        (replace(OLD, operation=Operation.REMOVE_BACKGROUND, inputs=(IMAGE,)), SIZE, 1),
        (
            replace(
                OLD,
                operation=Operation.UPSCALE,
                inputs=(IMAGE,),
                parameters={"resemblance": 80, "detail": 20},
            ),
            (1024, 512),
            1,
        ),
        (
            replace(NEW, count=3, quality="low", parameters={"magic_prompt": "auto"}),
            (1024, 1024),
            3,
        ),
        (
            replace(
                NEW,
                operation=Operation.EDIT,
                quality="very_low",
                inputs=(IMAGE, an_input(role=InputRole.REFERENCE, size=(64, 64))),
            ),
            SIZE,
            1,
        ),
        (
            replace(NEW, model="ideogram-4-6", operation=Operation.EDIT, inputs=(IMAGE, IMAGE)),
            SIZE,
            1,
        ),
    ],
)
def test_each_operation_goes_where_its_model_has_it(
    made: Callable[[GenerationRequest], Any],
    request_: GenerationRequest,
    size: tuple[int, int],
    count: int,
) -> None:
    result = made(request_)

    assert [Image.open(io.BytesIO(one.data)).size for one in result.images] == [size] * count
    assert result.usage.images == count


@pytest.mark.parametrize("request_", [OLD, NEW])
def test_a_mask_is_black_where_the_image_changes(
    made: Callable[[GenerationRequest], Any],
    simulator: SimulatorProcess,
    request_: GenerationRequest,
) -> None:
    made(replace(request_, operation=Operation.INPAINT, inputs=(IMAGE, MASK)))

    mask = next(one for one in simulator.received() if one.role == InputRole.MASK)
    sent = Image.open(io.BytesIO(mask.data)).convert("L")
    assert (sent.getpixel((5, 5)), sent.getpixel((200, 200))) == (0, 255)


@pytest.mark.parametrize(
    "request_",
    [
        replace(OLD, size=Size(1000, 1000)),
        replace(NEW, negative_prompt="fog"),
        replace(OLD, operation=Operation.INPAINT, inputs=(IMAGE, MASK), negative_prompt="fog"),
        replace(OLD, operation=Operation.REMOVE_BACKGROUND, inputs=(IMAGE,), seed=3),
        replace(OLD, operation=Operation.REMOVE_BACKGROUND, inputs=(IMAGE,), count=2),
        replace(OLD, operation=Operation.EDIT, inputs=(IMAGE,), quality="TURBO"),
        replace(OLD, inputs=(IMAGE,)),
        replace(NEW, inputs=(an_input(role=InputRole.REFERENCE),)),
        replace(NEW, quality="very_low"),
        replace(OLD, operation=Operation.INPAINT, inputs=(IMAGE, a_mask((0, 0, *SIZE), size=SIZE))),
        replace(OLD, operation=Operation.UPSCALE, inputs=(IMAGE, IMAGE)),
        replace(
            NEW,
            operation=Operation.EDIT,
            inputs=(IMAGE,),
            parameters={"magic_prompt": "auto"},
        ),
        replace(NEW, model="ideogram-9", operation=Operation.EDIT, inputs=(IMAGE,)),
    ],
)
def test_what_an_operation_does_not_take_is_refused_before_any_call(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer, request_: GenerationRequest
) -> None:
    with pytest.raises(UnsupportedParameter):
        talk(lambda provider: provider.submit(request_, answer=answer))

    assert not simulator.calls()


@pytest.mark.parametrize(
    ("reason", "expected", "billed"),
    [
        ("content_policy_violation", ContentBlocked, "unknown"),
        ("out_of_patience", BadResponse, "yes"),
    ],
)
def test_a_job_that_failed_names_its_reason(
    made: Callable[[GenerationRequest], Any],
    simulator: SimulatorProcess,
    reason: str,
    expected: type[ProviderError],
    billed: str,
) -> None:
    simulator.fail("job_failed", code=reason)

    with pytest.raises(expected) as caught:
        made(NEW)

    assert caught.value.is_call_outcome
    assert caught.value.billed == billed


@pytest.mark.parametrize("name", ["error", "detail"])
def test_a_refusal_of_the_prompt_is_no_invalid_request(talk: Talk, name: str) -> None:
    async def use(provider: Any) -> Any:
        return provider.error_of(Reply(422, {}, json.dumps({name: "unsafe"}).encode()))

    error = talk(use)

    assert isinstance(error, ContentBlocked)
    assert (error.stage, error.billed) == ("input", "no")


@pytest.mark.parametrize(("magic", "revised"), [(None, ""), ("on", OLD.prompt)])
def test_a_rewritten_prompt_is_told_where_rewriting_was_asked_for(
    made: Callable[[GenerationRequest], Any], magic: str | None, revised: str
) -> None:
    parameters = {"magic_prompt": magic} if magic else {}

    for request in (OLD, NEW):
        assert made(replace(request, parameters=parameters)).images[0].revised_prompt == revised


def test_what_was_filtered_leaves_the_other_images(
    talk: Talk, spooled: Callable[..., SpooledAnswer]
) -> None:
    items = [
        {"url": "", "is_image_safe": False, "seed": 1},
        {"url": "data:image/png;base64,aWNo", "is_image_safe": True, "seed": 2},
    ]
    lain = spooled(json.dumps({"data": items}).encode())

    async def use(provider: Any) -> Any:
        return provider.read_answer(lain)

    result = talk(use)

    assert [(one.data, one.seed) for one in result.images] == [(b"ich", 2)]
    assert result.unusable == ("the provider filtered this image",)


def test_an_image_that_could_not_be_fetched_at_once_is_fetched_later(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    async def use(provider: Any) -> Any:
        simulator.script(faults=[{"kind": "status", "status": 503, "on": "file", "times": 3}])
        submission = await provider.submit(OLD, answer=answer)
        assert submission.status is Status.ANSWERED
        with pytest.raises(BadResponse):
            provider.read_answer(answer)
        await provider.fetch_again(Call(""), answer=answer)
        return provider.read_answer(answer)

    assert len(talk(use).images) == 1


def sent_fields(request: GenerationRequest) -> dict[str, str]:
    """Return the fields of a call's form."""
    form = _form(request, _routes(request.model)[request.operation])
    return dict(forms.parse(form.body, content_type=form.content_type).fields)


@pytest.mark.parametrize(
    "request_",
    [
        OLD,
        NEW,
        replace(NEW, model="ideogram-4-6"),
        replace(NEW, model="ideogram-4-6", operation=Operation.EDIT, inputs=(IMAGE,)),
    ],
    ids=["3.0", "4.5", "4.6", "4.6 with an image"],
)
def test_a_prompt_is_never_rewritten_unasked(request_: GenerationRequest) -> None:
    assert sent_fields(request_)["magic_prompt"].lower() == "off"


def test_the_newest_model_is_asked_for_a_job_by_the_address() -> None:
    hook = "https://site.example/hook?token=a b"
    request = replace(NEW, model="ideogram-4-6", webhook_url=hook)

    fields = sent_fields(request)
    query = parse_qs(_query(request, _routes(request.model)[request.operation]).lstrip("?"))

    assert not {"async", "webhook_url"} & fields.keys()
    assert query == {"async": ["true"], "webhook_url": [hook]}
    assert sent_fields(replace(request, model="ideogram-4-5"))["async"] == "true"


def test_the_prices_of_a_model_are_those_that_it_quotes(
    talk: Talk, bench_of: Callable[[str], Bench]
) -> None:
    found = talk(lambda adapter: adapter.describe_model("ideogram-4-5"))

    assert found.is_known
    fine = [{"quality": "low", "amount": "0.03"}, {"quality": "medium", "amount": "0.06"}]
    fine += [{"quality": "high", "amount": "0.1"}, {"amount": "0.06"}]
    cheap = {"quality": "very_low", "amount": "0.008"}
    assert found.price_list["per_image"] == [
        {"operation": operation, **row}
        for operation, rows in (
            ("generate", fine),
            ("edit", [cheap, *fine]),
            ("inpaint", [cheap, *fine]),
        )
        for row in rows
    ]
    assert found.price_list["source"].endswith("/v2/image/generate/ideogram-4-5?dry_run=true")
    assert str(found.unknown[0]) == (
        "it quotes no price of an image for: remove_background, upscale"
    )
    assert bench_of("ideogram").simulator.bill()["images"] == 0


def test_nothing_is_asked_of_the_paths_that_quote_no_prices(talk: Talk) -> None:
    old = talk(lambda adapter: adapter.describe_model("ideogram-v3"))
    none = talk(lambda adapter: adapter.describe_model("ideogram-9"))

    assert (old.is_known, old.price_list, len(old.unknown)) == (None, {}, 1)
    assert (none.is_known, none.price_list) == (False, {})


@pytest.mark.parametrize(
    ("document", "amount"),
    [
        ({"object": "price_quote", "quantity": 2, "usd_micros": 60_000}, "0.03"),
        (
            {
                "object": "price_quote",
                "quantity": 1,
                "usd_micros": 60_000,
                "upper_bound_usd_micros": 90_000,
            },
            "0.09",
        ),
        ({"generation_id": "g-1"}, None),
        ({"object": "price_quote", "quantity": 0, "usd_micros": 60_000}, None),
        ({"object": "price_quote", "quantity": 1, "usd_micros": -1}, None),
        ({"object": "price_quote", "quantity": 1, "usd_micros": 0.5}, None),
    ],
)
def test_a_quote_is_read_at_its_upper_bound_or_not_at_all(
    document: Any, amount: str | None
) -> None:
    read = price_quotes.dollars_in(document)

    assert read == (None if amount is None else Decimal(amount))
