"""Clients that are not ours against the simulator: its author did not write their requests.

They are in the extra `dev`; where one is missing, its tests are skipped, or fail if
`IMAGEGEN_REQUIRE_SERVICES=1` is set.
"""

from __future__ import annotations

import base64
import importlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegen_app.core.errors import AuthenticationFailed
from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.families import standard_webhooks
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY

MODEL = "gpt-image-2.6-flare"


def client_module(name: str) -> Any:
    """Import a client whatever it warns of: that is its makers' business."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ModuleNotFoundError:
        if os.environ.get("IMAGEGEN_REQUIRE_SERVICES") == "1":
            raise
        pytest.skip(f"{name} is not installed")


@pytest.fixture
def openai(simulator: SimulatorProcess) -> Iterator[Any]:
    module = client_module("openai")
    client = module.OpenAI(api_key=KEY, base_url=simulator.openai_url, max_retries=0)
    yield client
    client.close()


@pytest.fixture
def replicate(simulator: SimulatorProcess) -> Iterator[Any]:
    module = client_module("replicate")
    client = module.Client(api_token=KEY, base_url=simulator.base_url, timeout=10)
    yield client
    client._client.close()


def test_the_openai_client_gets_images(openai: Any, simulator: SimulatorProcess) -> None:
    answer = openai.images.generate(
        model=MODEL,
        prompt="a mug",
        n=2,
        size="1536x864",
        quality="xhigh",
        output_format="webp",
        output_compression=80,
        background="transparent",
        moderation="low",
    )

    images = [Image.open(io.BytesIO(base64.b64decode(one.b64_json))) for one in answer.data]
    assert [(image.format, image.size) for image in images] == [("WEBP", (1536, 864))] * 2
    assert answer.usage.total_tokens > 0
    assert simulator.bill()["images"] == 2


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"model": "dall-e-3"}, "NotFoundError", "model_not_found"),
        ({"model": "gpt-image-77"}, "NotFoundError", "model_not_found"),
        ({"size": "1000x1000"}, "BadRequestError", "invalid_value"),
        ({"quality": "ultra"}, "BadRequestError", "invalid_value"),
        ({"prompt": ""}, "BadRequestError", "missing_required_parameter"),
        ({"response_format": "url"}, "BadRequestError", "unknown_parameter"),
        ({"extra_body": {"seed": 7}}, "BadRequestError", "unknown_parameter"),
        (
            {"background": "transparent", "output_format": "jpeg"},
            "BadRequestError",
            "invalid_value",
        ),
    ],
)
def test_the_openai_client_is_refused_as_by_the_real_one(
    openai: Any, simulator: SimulatorProcess, changes: dict[str, Any], error: str, code: str
) -> None:
    module = client_module("openai")

    with pytest.raises(getattr(module, error)) as caught:
        openai.images.generate(**({"model": MODEL, "prompt": "a mug"} | changes))

    assert caught.value.code == code
    assert simulator.bill()["images"] == 0


def test_the_openai_client_edits_and_is_refused_a_wrong_mask(
    openai: Any, simulator: SimulatorProcess, picture: Callable[..., bytes]
) -> None:
    module = client_module("openai")

    def edit(mask: bytes) -> Any:
        return openai.images.edit(
            model=MODEL,
            prompt="a mug",
            image=("image.png", picture(), "image/png"),
            mask=("mask.png", mask, "image/png"),
        )

    for wrong in (picture(64, 64, mode="RGBA"), picture(mode="L")):
        with pytest.raises(module.BadRequestError):
            edit(wrong)
    answer = edit(picture(mode="RGBA"))

    assert len(answer.data) == 1
    assert simulator.bill()["images"] == 1
    several = openai.images.edit(model=MODEL, prompt="a", image=[picture(), picture()])
    assert len(several.data) == 1


@pytest.mark.parametrize("partial_images", [0, 2])
def test_the_openai_client_reads_a_stream(
    openai: Any, simulator: SimulatorProcess, picture: Callable[..., bytes], partial_images: int
) -> None:
    options = {"model": MODEL, "stream": True, "partial_images": partial_images}
    generated = list(openai.images.generate(prompt="a mug", size="1024x1024", **options))
    edited = list(
        openai.images.edit(prompt="a mug", image=("a.png", picture(), "image/png"), **options)
    )

    for events, kind in ((generated, "image_generation"), (edited, "image_edit")):
        types = [f"{kind}.partial_image"] * partial_images + [f"{kind}.completed"]
        assert [event.type for event in events] == types
        Image.open(io.BytesIO(base64.b64decode(events[-1].b64_json))).load()
        assert events[-1].usage.total_tokens > 0
        assert [event.partial_image_index for event in events[:-1]] == list(range(partial_images))
    assert simulator.bill()["images"] == 2


def test_the_openai_client_meets_an_error_inside_a_stream(
    openai: Any, simulator: SimulatorProcess
) -> None:
    module = client_module("openai")
    simulator.fail("output_block")

    with pytest.raises(module.APIError) as caught:
        list(openai.images.generate(model=MODEL, prompt="a mug", stream=True))

    assert caught.value.code == "moderation_blocked"


def test_the_openai_client_reads_errors_of_every_kind(
    openai: Any, simulator: SimulatorProcess
) -> None:
    module = client_module("openai")

    planned: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"kind": "status", "status": 429, "retry_after": "7"}, module.RateLimitError),
        ({"kind": "quota"}, module.RateLimitError),
        ({"kind": "moderation_block"}, module.BadRequestError),
        ({"kind": "status", "status": 401}, module.AuthenticationError),
        ({"kind": "status", "status": 403}, module.PermissionDeniedError),
        ({"kind": "status", "status": 500}, module.InternalServerError),
        ({"kind": "disconnect"}, module.APIConnectionError),
    ]
    for fault, error in planned:
        simulator.script(fault=fault)
        with pytest.raises(error):
            openai.images.generate(model=MODEL, prompt="a mug")


def test_the_replicate_client_runs_official_models_and_versions(
    replicate: Any, simulator: SimulatorProcess, picture: Callable[..., bytes]
) -> None:
    image = io.BytesIO(picture())
    image.name = "image.png"

    official = replicate.run(
        "black-forest-labs/flux-fill-pro", input={"prompt": "a mug", "image": image}
    )
    version = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
    pinned = replicate.run(
        f"stability-ai/sdxl:{version}",
        input={"prompt": "a mug", "num_outputs": 2, "width": 64, "height": 64},
    )

    # The client makes files of https addresses only; these are plain ones.
    files = [httpx.get(address, trust_env=False).content for address in (official, *pinned)]
    assert [Image.open(io.BytesIO(file)).size for file in files] == [(96, 96), (64, 64), (64, 64)]
    assert simulator.bill()["images"] == 3


def test_the_replicate_client_is_refused_as_by_the_real_one(
    replicate: Any, simulator: SimulatorProcess
) -> None:
    errors = client_module("replicate.exceptions")
    flux = "black-forest-labs/flux-2-pro"
    for inputs in ({"prompt": "a", "steps": 3}, {"prompt": "a", "aspect_ratio": "7:5"}):
        with pytest.raises(errors.ReplicateError) as caught:
            replicate.run(flux, input=inputs)
        assert caught.value.status == 422
    with pytest.raises(errors.ReplicateError) as caught:
        replicate.run("nobody/nothing", input={"prompt": "a"})
    assert caught.value.status == 404
    assert simulator.bill()["images"] == 0
    simulator.fail("output_block")
    with pytest.raises(errors.ModelError):
        replicate.run(flux, input={"prompt": "a"})


def test_the_replicate_client_cancels_lists_and_reads_models(
    replicate: Any, simulator: SimulatorProcess
) -> None:
    flux = "black-forest-labs/flux-2-pro"
    simulator.script(hold_jobs=True)
    prediction = replicate.predictions.create(model=flux, input={"prompt": "a"})

    assert replicate.predictions.list().results[0].id == prediction.id
    assert replicate.predictions.cancel(prediction.id).status == "canceled"
    assert replicate.models.get(flux).latest_version.openapi_schema["components"]


def test_the_replicate_client_accepts_the_simulators_webhooks(
    replicate: Any, simulator: SimulatorProcess
) -> None:
    module = client_module("replicate.webhook")
    replicate.predictions.create(
        model="black-forest-labs/flux-2-pro",
        input={"prompt": "a"},
        webhook=f"{simulator.other_url}/inbox",
        webhook_events_filter=["completed"],
    )
    arrived = next(filter(None, (simulator.elsewhere() for _ in range(6_000))))[0]
    secret = module.WebhookSigningSecret(key=replicate.webhooks.default.secret().key)

    module.Webhooks.validate(
        headers=dict(arrived.headers), body=arrived.body.decode(), secret=secret, tolerance=300
    )
    with pytest.raises(module.InvalidSignatureError):
        module.Webhooks.validate(headers=dict(arrived.headers), body="{}", secret=secret)


def test_what_standardwebhooks_signs_we_verify_and_what_we_sign_it_does() -> None:
    module = client_module("standardwebhooks")
    secret = "whsec_c3RhbmRhcmQtd2ViaG9va3Mtc2VjcmV0LTAwMDE="
    theirs, body = module.Webhook(secret), '{"data": {"id": "job_1", "status": "succeeded"}}'
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": theirs.sign("msg_1", now, body),
    }

    delivery = standard_webhooks.verify(
        headers, body=body.encode(), secrets=[Secret(secret)], now=now.timestamp()
    )
    ours = standard_webhooks.sign(
        delivery_id="msg_2",
        timestamp=int(now.timestamp()),
        body=body.encode(),
        secret=Secret(secret),
    )

    assert delivery == "msg_1"
    assert theirs.verify(body, ours)["data"]["id"] == "job_1"
    with pytest.raises(AuthenticationFailed):
        standard_webhooks.verify(
            headers, body=body.encode() + b" ", secrets=[Secret(secret)], now=now.timestamp()
        )


@pytest.fixture
def fal(simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    module = client_module("fal_client")
    # It takes no base URL, and nobody else closes its connections.
    monkeypatch.setattr(module.client, "QUEUE_URL_FORMAT", f"{simulator.base_url}/")
    client = module.SyncClient(key=KEY)
    yield client
    client._client.close()


def test_the_fal_client_submits_polls_and_reads(fal: Any) -> None:
    arguments = {
        "prompt": "a cup",
        "image_size": {"width": 256, "height": 128},
        "num_images": 2,
    }

    handle = fal.submit("fal-ai/flux/dev", arguments=arguments, priority="low")
    states = [type(event).__name__ for event in handle.iter_events(with_logs=True)]
    result = handle.get()

    assert states[-1] == "Completed"
    with httpx.Client(trust_env=False) as http:
        files = [http.get(image["url"]).content for image in result["images"]]
    assert [Image.open(io.BytesIO(data)).size for data in files] == [(256, 128)] * 2


@pytest.mark.parametrize(
    ("endpoint", "arguments", "status", "said"),
    [
        ("fal-ai/flux/dev", {"prompt": "a cup", "nonsense": 1}, 422, "extra_forbidden"),
        ("fal-ai/flux/dev", {"prompt": "a cup", "num_images": 9}, 422, "value_error"),
        ("fal-ai/flux/dev", {"prompt": "simulate-blocked"}, 422, "content_policy_violation"),
        ("fal-ai/flux/dev", {}, 422, "missing"),
        ("fal-ai/no-such-app", {"prompt": "a cup"}, 404, "not found"),
    ],
)
def test_the_fal_client_is_refused_as_by_the_real_one(
    fal: Any, endpoint: str, arguments: dict[str, Any], status: int, said: str
) -> None:
    errors = client_module("fal_client")

    with pytest.raises(errors.FalClientHTTPError) as caught:
        fal.subscribe(endpoint, arguments=arguments)

    assert caught.value.status_code == status
    assert said in str(caught.value)


def test_the_fal_client_cannot_cancel_what_has_ended(fal: Any) -> None:
    errors = client_module("fal_client")
    handle = fal.submit("fal-ai/flux/dev", arguments={"prompt": "a cup"})
    handle.get()

    with pytest.raises(errors.FalClientHTTPError, match="ALREADY_COMPLETED"):
        handle.cancel()
