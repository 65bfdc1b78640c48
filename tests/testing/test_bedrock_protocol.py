"""Amazon Bedrock as the simulator speaks it: what it refuses, and what it gives."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from imagegen_app.testing.simulator.protocols.bedrock import APPLICATION_PROFILES
from imagegen_app.testing.simulator.protocols.bedrock_models import MODELS
from tests.testing.conftest import KEY, Caller

CORE = "stability.stable-image-core-v1:1"
ULTRA = "stability.stable-image-ultra-v1:1"
SD3 = "stability.sd3-5-large-v1:0"
GOOD = {"prompt": "a mug"}
CANONICAL = "The Canonical String for this request should have been"


def us(name: str) -> str:
    """Return the inference profile of a model."""
    return f"us.stability.stable-{name}-v1:0"


def path_of(model: str) -> str:
    return f"/model/{quote(model, safe='')}/invoke"


def invoked(caller: Caller, model: str, body: Any = None, **options: Any) -> httpx.Response:
    return caller.post(path_of(model), json=GOOD if body is None else body, **options)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers["x-amzn-errortype"].partition(":")[0]


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def signed(
    path: str, body: bytes = b'{"prompt": "a mug"}', **changes: Any
) -> tuple[bytes, dict[str, str]]:
    """Return a call and the headers that sign it; botocore's signer writes them."""
    auth = pytest.importorskip("botocore.auth")
    requests = pytest.importorskip("botocore.awsrequest")
    credentials = pytest.importorskip("botocore.credentials")
    given = {
        "key_id": "AKIASIMULATOR0000001",
        "secret": KEY,
        "token": None,
        "region": "us-west-2",
        "service": "bedrock",
        **changes,
    }
    keys = credentials.Credentials(given["key_id"], given["secret"], given["token"])
    call = requests.AWSRequest("POST", given["url"] + path, data=body)
    auth.SigV4Auth(keys, given["service"], given["region"]).add_auth(call)
    return body, dict(call.headers.items())


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (CORE, {}),
        (CORE, {"prompt": " "}),
        (CORE, {"prompt": "x" * 10_001}),
        (CORE, {"prompt": 7}),
        (CORE, GOOD | {"aspect_ratio": "7:5"}),
        (CORE, GOOD | {"seed": 4_294_967_295}),
        (CORE, GOOD | {"seed": "7"}),
        (CORE, GOOD | {"seed": 1.5}),
        (CORE, GOOD | {"seed": True}),
        (CORE, GOOD | {"output_format": "webp"}),
        (CORE, GOOD | {"style_preset": "anime"}),
        (CORE, GOOD | {"mode": "text-to-image"}),
        (CORE, GOOD | {"steps": 30}),
        (CORE, GOOD | {"n": 2}),
        (CORE, GOOD | {"image": "iVBORw0KGgo="}),
        (CORE, ["a mug"]),
        (ULTRA, GOOD | {"strength": 0.5}),
        (SD3, GOOD | {"mode": "image-to-image"}),
        (SD3, GOOD | {"output_format": "gif"}),
        (us("image-inpaint"), GOOD),
        (us("image-inpaint"), GOOD | {"image": "no image"}),
        (us("fast-upscale"), GOOD),
    ],
)
def test_a_body_that_breaks_the_schema_is_refused_and_not_billed(
    caller: Caller, model: str, body: Any
) -> None:
    answer = invoked(caller, model, body)

    assert kind(answer) == (400, "ValidationException")
    assert answer.json()["message"].startswith("Malformed input request: #")
    assert caller.simulator.bill()["images"] == 0


def test_images_are_checked_like_the_real_one(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    image = text(picture())
    wrong: dict[str, tuple[str, dict[str, Any]]] = {
        "too small": ("image-inpaint", GOOD | {"image": text(picture(63, 100))}),
        "too long": ("image-inpaint", GOOD | {"image": text(picture(64, 161))}),
        "too large": ("image-inpaint", GOOD | {"image": text(picture(3200, 3000))}),
        "a megapixel": ("creative-upscale", GOOD | {"image": text(picture(1100, 1000))}),
        "a long side": ("fast-upscale", {"image": text(picture(1537, 64))}),
        "a short side": ("fast-upscale", {"image": text(picture(31, 64))}),
        "GIF": ("image-inpaint", GOOD | {"image": text(picture(kind="GIF"))}),
        "data URL": ("image-inpaint", GOOD | {"image": f"data:image/png;base64,{image}"}),
        "no text": ("image-inpaint", GOOD | {"image": [image]}),
        "grown too far": ("image-erase-object", {"image": image, "grow_mask": 21}),
        "a prompt to erase": ("image-erase-object", GOOD | {"image": image}),
        "no direction": ("outpaint", {"image": image, "left": 0}),
        "too far": ("outpaint", {"image": image, "left": 2001}),
        "creativity": ("conservative-upscale", GOOD | {"image": image, "creativity": 0.6}),
        "too little": ("outpaint", {"image": image, "up": 9, "creativity": 0.05}),
        "nothing to search": ("image-search-replace", GOOD | {"image": image}),
        "nothing to select": ("image-search-recolor", GOOD | {"image": image}),
        "no style": ("style-transfer", GOOD | {"init_image": image}),
        "no mask here": ("image-remove-background", {"image": image, "mask": image}),
        "a seed to enlarge": ("fast-upscale", {"image": image, "seed": 7}),
    }

    answers = {name: invoked(caller, us(model), body) for name, (model, body) in wrong.items()}

    assert {name: kind(answer) for name, answer in answers.items()} == dict.fromkeys(
        wrong, (400, "ValidationException")
    )
    assert caller.simulator.bill()["images"] == 0


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("stability.stable-image-nano-v1:0", "model identifier is invalid"),
        ("amazon.nova-canvas-v1:0", "model identifier is invalid"),
        ("stability.stable-image-inpaint-v1:0", "on-demand throughput"),
        (f"us.{CORE}", "model identifier is invalid"),
        ("eu.stability.stable-outpaint-v1:0", "model identifier is invalid"),
        ("arn:aws:bedrock:us-west-2:12:inference-profile/x", "model identifier is invalid"),
    ],
)
def test_a_model_is_called_by_what_it_is_offered_under(
    caller: Caller, model: str, said: str
) -> None:
    answer = invoked(caller, model)

    assert kind(answer) == (400, "ValidationException")
    assert said in answer.json()["message"]


def test_a_signature_is_checked_to_the_last_byte(caller: Caller) -> None:
    path, url = path_of(CORE), caller.simulator.base_url
    body, good = signed(path, url=url)
    late = datetime.now(UTC) - timedelta(minutes=6)
    other: dict[str, Any] = {"url": url}
    header = good["Authorization"]
    session: dict[str, Any] = {"key_id": "ASIASIMULATOR0000001", **other}
    wrong: dict[str, tuple[bytes, dict[str, str], str]] = {
        "nothing": (body, {}, "MissingAuthenticationTokenException"),
        "a wrong API key": (body, {"Authorization": "Bearer x"}, "AccessDeniedException"),
        "no signature": (
            body,
            {**good, "Authorization": header.partition(", Signature")[0]},
            "IncompleteSignatureException",
        ),
        "another body": (body + b" ", good, "InvalidSignatureException"),
        "another secret": (*signed(path, secret="x" * 40, **other), "InvalidSignatureException"),
        "another path": (*signed(path_of(ULTRA), **other), "InvalidSignatureException"),
        "another service": (*signed(path, service="s3", **other), "InvalidSignatureException"),
        "no region": (*signed(path, region="here", **other), "InvalidSignatureException"),
        "an old date": (
            body,
            {**good, "X-Amz-Date": f"{late:%Y%m%dT%H%M%SZ}"},
            "InvalidSignatureException",
        ),
        "an unsigned header": (
            body,
            {**good, "x-amz-meta-more": "1"},
            "InvalidSignatureException",
        ),
        "an odd access key": (*signed(path, key_id="me", **other), "UnrecognizedClientException"),
        "no session token": (*signed(path, **session), "UnrecognizedClientException"),
        "a wrong session token": (
            *signed(path, token="gone", **session),
            "UnrecognizedClientException",
        ),
        "a token for a lasting key": (
            *signed(path, token=KEY, **other),
            "UnrecognizedClientException",
        ),
    }

    with httpx.Client(base_url=url, trust_env=False) as http:
        answers = {
            name: http.post(path, content=sent, headers=headers)
            for name, (sent, headers, _) in wrong.items()
        }
        accepted = [
            http.post(path, content=sent, headers=headers).status_code
            for sent, headers in (
                (body, good),
                signed(path, **other),
                signed(path, token=KEY, **session),
            )
        ]

    assert {name: kind(answer)[1] for name, answer in answers.items()} == {
        name: code for name, (_, _, code) in wrong.items()
    }
    assert {answer.status_code for answer in answers.values()} == {400, 403}
    assert CANONICAL in answers["another body"].json()["message"]
    assert accepted == [200] * 3
    assert caller.simulator.bill()["images"] == 3


def test_a_model_is_called_where_it_is(caller: Caller) -> None:
    url = caller.simulator.base_url
    places = [(CORE, "us-east-1"), (us("fast-upscale"), "eu-central-1"), (CORE, "us-west-2")]

    with httpx.Client(base_url=url, trust_env=False) as http:
        answers = [
            http.post(path_of(model), content=body, headers=headers)
            for model, region in places
            for body, headers in [signed(path_of(model), url=url, region=region)]
        ]

    assert [answer.status_code for answer in answers] == [400, 400, 200]


def test_what_is_no_json_call_is_refused(caller: Caller) -> None:
    body = json.dumps(GOOD).encode()
    kinds = [{"content-type": "text/plain"}, {"accept": "image/png"}]
    answers = [caller.post(path_of(CORE), content=body, headers=headers) for headers in kinds]
    answers += [
        caller.post(path_of(CORE), content=b"{"),
        caller.post(path_of(CORE), content=b" " * 25_000_001),
        caller.get(path_of(CORE)),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 400, 400, 404]
    assert caller.simulator.bill()["images"] == 0


#: What each model needs beside its prompt and its images.
_NEEDS: dict[str, dict[str, Any]] = {
    "outpaint": {"left": 64},
    "image-search-replace": {"search_prompt": "a cup"},
    "image-search-recolor": {"select_prompt": "a cup"},
}
_SIZES = {
    "outpaint": (160, 96),
    "fast-upscale": (384, 384),
    "conservative-upscale": (192, 192),
    "creative-upscale": (192, 192),
    "image-style-guide": (1024, 1024),
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_gives_an_image(
    caller: Caller, picture: Callable[..., bytes], name: str
) -> None:
    model, short = MODELS[name], name.removeprefix("stability.stable-").partition("-v1")[0]
    body: dict[str, Any] = dict(GOOD) if "prompt" in model.required else {}
    body |= _NEEDS.get(short, {}) | {file: text(picture()) for file in model.images}

    answer = invoked(caller, f"us.{name}" if model.needs_profile else name, body)

    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["finish_reasons"] == [None]
    assert len(document["seeds"]) == 1
    image = Image.open(io.BytesIO(base64.b64decode(document["images"][0])))
    assert image.format == "PNG"
    usual = (96, 96) if model.images else (1024, 1024)
    assert image.size == _SIZES.get(short, usual)
    assert answer.headers["x-amzn-requestid"] != answer.headers["x-request-id"]


def test_profiles_are_called_by_their_names_and_addresses(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    (made,) = APPLICATION_PROFILES
    account = "arn:aws:bedrock:us-west-2:123456789012"
    names = [
        f"{account}:inference-profile/{us('image-inpaint')}",
        f"{account}:application-inference-profile/{made}",
    ]
    body = GOOD | {"image": text(picture()), "mask": text(picture(128, 128, mode="L", colour=255))}

    answers = [invoked(caller, name, body) for name in names]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert caller.simulator.received()[-1].role == "mask"


def test_an_image_to_begin_with_keeps_its_size(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    image = {"image": text(picture(128, 64)), "strength": 0.6}
    answers = [
        invoked(caller, ULTRA, GOOD | image),
        invoked(caller, SD3, GOOD | image | {"mode": "image-to-image"}),
    ]
    refused = [
        invoked(caller, SD3, GOOD | image),
        invoked(caller, ULTRA, GOOD | image | {"aspect_ratio": "1:1"}),
    ]

    sizes = [
        Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))).size
        for answer in answers
    ]
    assert sizes == [(128, 64)] * 2
    assert [answer.status_code for answer in refused] == [400, 400]


def test_blocks_come_inside_of_a_success(caller: Caller) -> None:
    said = []
    for fault in ({"stage": "input"}, {"stage": "input_image"}):
        caller.simulator.fail("moderation_block", **fault)
        said.append(invoked(caller, CORE))
    caller.simulator.fail("output_block")
    made = invoked(caller, CORE)

    assert [answer.json() for answer in said] == [
        {"finish_reasons": ["Filter reason: prompt"]},
        {"finish_reasons": ["Filter reason: input image"]},
    ]
    assert made.json()["finish_reasons"] == ["Filter reason: output image"]
    assert {answer.status_code for answer in (*said, made)} == {200}
    assert caller.simulator.bill()["images"] == 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 400}, (400, "ValidationException")),
        ({"status": 403}, (403, "AccessDeniedException")),
        ({"status": 404}, (404, "ResourceNotFoundException")),
        ({"status": 408}, (408, "ModelTimeoutException")),
        ({"status": 424}, (424, "ModelErrorException")),
        ({"status": 429}, (429, "ThrottlingException")),
        (
            {"status": 429, "code": "ModelNotReadyException"},
            (429, "ModelNotReadyException"),
        ),
        ({"status": 500}, (500, "InternalServerException")),
        ({"status": 503}, (503, "ServiceUnavailableException")),
        ({"kind": "quota"}, (400, "ServiceQuotaExceededException")),
    ],
)
def test_errors_have_the_codes_of_aws_and_repeat_key_and_prompt(
    caller: Caller, fault: dict[str, Any], expected: tuple[int, str]
) -> None:
    caller.simulator.script(fault={"kind": "status", **fault})

    answer = invoked(caller, CORE)

    assert kind(answer) == expected
    assert KEY in answer.json()["message"]
    assert "a mug" in answer.json()["message"]
    assert answer.headers["x-amzn-requestid"]
