"""A site's own service, described by a body and by paths in its answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from imagegen_app.core.errors import (
    BadResponse,
    ContentBlocked,
    NotFound,
    OutcomeUnknown,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.types import (
    Call,
    Lora,
    Operation,
    Size,
    SubmissionStatus,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential, Secret
from imagegen_app.providers.families import standard_webhooks
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.simulator.protocols import http_jobs
from tests.providers.samples import (
    a_mask,
    a_request,
    an_input,
    answering,
    http_answer,
    raw_server,
)

REQUEST = a_request(model="in-house-1", size=Size(256, 192), seed=0, idempotency_key="ours-1")
Use = Callable[[Any], Awaitable[Any]]


def at_server(
    options: dict[str, Any],
    use: Use,
    *replies: Any,
    credential: Credential | None = None,
    status: str = "200 OK",
    overrides: dict[str, Any] | None = None,
) -> tuple[Any, list[bytes]]:
    """Run `use` with an adapter at a server that answers with these documents, one after another."""

    async def run() -> tuple[Any, list[bytes]]:
        answers = [http_answer(json.dumps(reply).encode(), status=status) for reply in replies]
        async with (
            raw_server(answering(*answers)) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            adapter = registry.build(
                "http_jobs",
                base_url=server.url,
                http=http,
                options=options,
                credential=credential,
                overrides=overrides or {},
            )
            return await use(adapter), list(server.requests)

    return asyncio.run(run())


def capabilities(**options: Any) -> Any:
    return registry.capabilities("http_jobs", "in-house-1", options=options)


def test_a_service_that_says_nothing_special_needs_no_options(answer: SpooledAnswer) -> None:
    async def use(adapter: Any) -> Any:
        return await adapter.submit(REQUEST, answer=answer)

    submission, (sent,) = at_server({}, use, {"id": "j-1", "status": "queued"})

    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /jobs HTTP/1.1\r\n")
    assert b"authorization" not in head.lower()
    assert submission.ref == "j-1"
    assert json.loads(body) == {
        "model": "in-house-1",
        "prompt": REQUEST.prompt,
        "width": 256,
        "height": 192,
        "count": 1,
        "seed": 0,
    }


def test_a_result_at_a_place_in_a_list_is_found_and_read(answer: SpooledAnswer) -> None:
    options = {
        "answers": {"job": "reply.0", "output": "pictures.0", "base64": "png.text"},
        "words": {"Finished": "succeeded", "Broken": "failed"},
    }
    done = {
        "id": "j-1",
        "status": "FINISHED",
        "pictures": [{"png": {"text": an_input(size=(64, 64)).base64_text}}],
    }

    async def use(adapter: Any) -> Any:
        submission = await adapter.poll(Call("j-1"), answer=answer)
        return submission, adapter.read_answer(answer)

    (submission, result), _ = at_server(options, use, {"reply": [done]})

    assert submission.status is SubmissionStatus.ANSWERED
    assert [image.data for image in result.images] == [an_input(size=(64, 64)).data]


def test_a_service_without_look_up_cannot_be_asked_about_a_lost_call(
    answer: SpooledAnswer,
) -> None:
    async def use(adapter: Any) -> Any:
        return await adapter.reconcile(Call(""), REQUEST, answer=answer)

    assert at_server({}, use)[0] is None


LOOKED_UP = {
    "lookup_path": "/found?key={key}",
    "key_header": "X-Call",
    "answers": {"job": "job", "jobs": "jobs", "key": "mine"},
}


def looked_up(answer: SpooledAnswer, *replies: Any, status: str = "200 OK") -> Any:
    async def use(adapter: Any) -> Any:
        return await adapter.reconcile(Call(""), REQUEST, answer=answer)

    return at_server(LOOKED_UP, use, *replies, status=status)[0]


def test_a_lost_call_is_the_job_that_repeats_its_key(answer: SpooledAnswer) -> None:
    theirs = {"job": {"id": "j-1", "status": "running", "mine": "theirs"}}
    ours = {"job": {"id": "j-2", "status": "running", "mine": "ours-1"}}

    assert looked_up(answer, {"jobs": [theirs, ours]}).ref == "j-2"
    with pytest.raises(ProviderUnavailable):
        looked_up(answer, {"jobs": [theirs]})
    with pytest.raises(NotFound):
        looked_up(answer, {"jobs": []})


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone", "301 Moved", "302 Found"])
def test_a_look_up_that_fails_does_not_say_that_the_call_never_came(
    answer: SpooledAnswer, status: str
) -> None:
    with pytest.raises(ProviderUnavailable):
        looked_up(answer, {}, status=status)


@pytest.mark.parametrize(
    ("answers", "refusal"),
    [
        ({}, {"error": {"code": "nsfw"}}),
        ({"error": "fault"}, {"fault": {"code": "NSFW"}}),
        ({"error": "fault"}, {"fault": "nsfw"}),
        ({"job": "job"}, {"job": {"error": {"code": "nsfw"}}}),
        ({"error": "fault"}, {"error": {"code": "nsfw"}}),
    ],
)
def test_a_refusal_with_a_code_of_the_services_own_is_a_block(
    answer: SpooledAnswer, answers: dict[str, str], refusal: Any
) -> None:
    async def use(adapter: Any) -> Any:
        return await adapter.submit(REQUEST, answer=answer)

    with pytest.raises(ContentBlocked):
        at_server(
            {"blocked_codes": ["NSFW"], "answers": answers}, use, refusal, status="400 Refused"
        )


def test_a_job_whose_id_is_made_of_dots_is_none(answer: SpooledAnswer) -> None:
    async def use(adapter: Any) -> Any:
        return await adapter.submit(REQUEST, answer=answer)

    with pytest.raises(OutcomeUnknown):
        at_server({}, use, {"id": "..", "status": "queued"})


def test_an_error_code_of_the_services_own_is_a_block(answer: SpooledAnswer) -> None:
    broken = {"id": "j-1", "status": "failed", "error": {"code": "not_for_us"}}

    async def use(adapter: Any) -> Any:
        return await adapter.poll(Call("j-1"), answer=answer)

    with pytest.raises(ContentBlocked):
        at_server({"blocked_codes": ["not_for_us"]}, use, broken)
    with pytest.raises(BadResponse):
        at_server({}, use, broken)


@pytest.mark.parametrize(
    ("places", "operations", "images"),
    [
        ({}, {"generate"}, 0),
        ({"i": "$image"}, {"generate", "edit"}, 1),
        ({"i": ["$images"], "m": "$mask"}, {"generate", "edit", "inpaint"}, 8),
        ({"m": "$mask"}, {"generate"}, 0),
    ],
)
def test_the_body_decides_what_the_service_can_do(
    places: dict[str, Any], operations: set[str], images: int
) -> None:
    offer = capabilities(body={"p": "$prompt", **places})

    assert offer.operations == operations
    assert (offer.max_count, offer.max_inputs) == (1, images)
    assert not offer.supports_seed
    assert not offer.supports_negative_prompt


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"seed": 7}, "seed"),
        ({"negative_prompt": "fog"}, "negative_prompt"),
        ({"count": 2}, "count"),
        ({"quality": "high"}, "quality"),
        ({"background": "transparent"}, "background"),
        ({"parameters": {"grain": "fine"}}, "parameters.grain"),
        ({"inputs": (an_input(size=(64, 64)),), "operation": Operation.EDIT}, "image"),
        ({"loras": (Lora("ink", 1.0),)}, "loras"),
        ({"output_format": "jpeg"}, "output_format"),
    ],
)
def test_what_the_body_has_no_place_for_is_refused_whatever_was_corrected(
    answer: SpooledAnswer, changes: dict[str, Any], name: str
) -> None:
    promised = {
        "operations": ["generate", "edit"],
        "max_count": 4,
        "max_inputs": 2,
        "supports_seed": True,
        "supports_negative_prompt": True,
        "qualities": ["high"],
        "backgrounds": ["transparent"],
        "max_loras": 2,
        "sizes": {"allowed": ["256x192"]},
        "parameters": {"grain": {"kind": "text"}},
    }

    async def run() -> None:
        adapter: Any = registry.build(
            "http_jobs",
            base_url="https://render.example",
            http=HttpClient(),
            options={"body": {"p": "$prompt", "m": "$model"}},
            overrides={"in-house-1": promised},
        )
        plain = a_request(model="in-house-1", size=Size(256, 192))
        adapter.check(plain)
        if name == "output_format":
            adapter.account.overrides["in-house-1"]["output_formats"] = ["png", "jpeg"]
        with pytest.raises(UnsupportedParameter) as caught:
            await adapter.submit(
                a_request(**{"model": "in-house-1", "size": Size(256, 192), **changes}),
                answer=answer,
            )
        assert caught.value.detail == f"{name}: the body has no place for it"

    asyncio.run(run())


def test_a_service_with_one_size_of_its_own_needs_that_to_be_said(answer: SpooledAnswer) -> None:
    async def use(adapter: Any) -> Any:
        return await adapter.submit(REQUEST, answer=answer)

    with pytest.raises(UnsupportedParameter) as caught:
        at_server({"body": {"p": "$prompt", "s": "$seed"}}, use)

    assert caught.value.detail.startswith("size: the body has no place for it")
    none: dict[str, Any] = {REQUEST.model: {"sizes": {}}}
    _, sent = at_server(
        {"body": {"p": "$prompt", "s": "$seed"}},
        use,
        {"id": "j-1", "status": "queued"},
        overrides=none,
    )
    assert len(sent) == 1


def test_images_and_masks_go_as_the_service_wants_them(answer: SpooledAnswer) -> None:
    request = a_request(
        model="in-house-1",
        operation=Operation.INPAINT,
        size=Size(64, 64),
        inputs=(an_input(size=(64, 64)), a_mask((0, 0, 32, 16), size=(64, 64))),
    )
    options = {
        "body": {"p": "$prompt", "i": "$image", "m": "$mask", "op": "$operation"},
        "image_form": "data_url",
    }

    async def use(adapter: Any) -> Any:
        return await adapter.submit(request, answer=answer)

    _, (sent,) = at_server(options, use, {"id": "j-1", "status": "queued"})

    body = json.loads(sent.partition(b"\r\n\r\n")[2])
    assert body["i"] == request.inputs[0].data_url
    assert body["m"].startswith("data:image/png;base64,")
    assert body["op"] == "inpaint"


def test_the_key_travels_in_the_header_of_the_account(
    answer: SpooledAnswer, credential: Credential
) -> None:
    async def use(adapter: Any) -> Any:
        return await adapter.submit(REQUEST, answer=answer)

    options = {"auth_header": "X-Studio-Key", "auth_scheme": "", "key_header": "Request-Id"}
    _, (sent,) = at_server(options, use, {"id": "j-1", "status": "queued"}, credential=credential)

    head = sent.partition(b"\r\n\r\n")[0].decode()
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    by_name = {name.lower(): value for name, value in lines.items()}
    assert by_name["request-id"] == "ours-1"
    assert by_name["x-studio-key"].startswith("sk-canary")
    assert "authorization" not in by_name


def test_a_webhook_is_read_where_the_account_says(credential: Credential) -> None:
    secret = Secret("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = json.dumps({"about": {"uuid": "t-7", "phase": "DONE"}}).encode()
    headers = standard_webhooks.sign(delivery_id="msg_1", timestamp=1000, body=body, secret=secret)
    adapter: Any = registry.build(
        "http_jobs",
        base_url="https://127.0.0.1",
        http=HttpClient(),
        credential=credential,
        options=http_jobs.OPTIONS,
        webhook_secrets=(secret,),
        clock=lambda: 1000.0,
    )

    notice = asyncio.run(adapter.verify_webhook(headers, body))

    assert (notice.delivery_id, notice.ref, notice.status) == ("msg_1", "t-7", "succeeded")


def test_an_operation_that_images_do_not_show_needs_its_place(answer: SpooledAnswer) -> None:
    picture = an_input(size=(64, 64))
    request = a_request(model="in-house-1", operation=Operation.UPSCALE, inputs=(picture,))
    body = {"p": "$prompt", "i": "$image", "w": "$width", "h": "$height"}

    async def run() -> None:
        adapter: Any = registry.build(
            "http_jobs",
            base_url="https://render.example",
            http=HttpClient(),
            options={"body": body},
            overrides={"in-house-1": {"operations": ["generate", "edit", "upscale"]}},
        )
        with pytest.raises(UnsupportedParameter) as caught:
            await adapter.submit(request, answer=answer)
        assert caught.value.detail == "operation: the body has no place for it"

    asyncio.run(run())
