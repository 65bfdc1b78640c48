"""The copies of OpenAI's Images API as the simulator speaks them: what they refuse and ignore."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.testing.conftest import Caller

GOOD: dict[str, Any] = {"model": "m", "prompt": "a mug", "n": 1, "size": "64x64"}
B64 = {"response_format": "b64_json"}


@pytest.mark.parametrize(
    ("server", "changes", "status"),
    [
        ("vllm-omni", {}, 200),
        ("vllm-omni", {"true_cfg_scale": 2}, 200),
        ("vllm-omni", {"safety_identifier": "h"}, 400),
        ("vllm-omni", {"n": 11}, 400),
        ("vllm-omni", {"n": "1"}, 400),
        ("vllm-omni", {"prompt": ""}, 400),
        ("sglang", {}, 400),
        ("sglang", B64, 200),
        ("sglang", B64 | {"output_format": "png"}, 400),
        ("sd-cpp", {}, 200),
        ("sd-cpp", {"seed": 1}, 400),
        ("localai", {}, 200),
        ("localai", {"response_format": "url"}, 400),
        ("localai", {"negative_prompt": "fog"}, 400),
        ("litellm", {"model": "gpt-image-2", "size": "1024x1024"}, 200),
        ("litellm", {"model": "m"}, 404),
    ],
)
def test_what_a_server_refuses_is_refused_and_not_billed(
    caller: Caller, server: str, changes: dict[str, Any], status: int
) -> None:
    answer = caller.post(f"/{server}/v1/images/generations", json=GOOD | changes)

    assert answer.status_code == status
    assert caller.simulator.bill()["images"] == (status == 200)


@pytest.mark.parametrize(
    ("server", "document"),
    [
        ("vllm-omni", {"error": "Unauthorized"}),
        ("localai", {"error": {"code": 401, "message": "Unauthorized", "type": ""}}),
    ],
)
def test_a_server_with_keys_wants_one(
    caller: Caller, server: str, document: dict[str, Any]
) -> None:
    answer = caller.post(
        f"/{server}/v1/images/generations", json=GOOD, headers={"authorization": "Bearer no"}
    )

    assert answer.status_code == 401
    assert str(document["error"])[:12] in str(answer.json()["error"])


@pytest.mark.parametrize(
    ("server", "part", "arrives"),
    [
        ("sd-cpp", "mask", True),
        ("vllm-omni", "mask_image", True),
        ("vllm-omni", "mask", False),
        ("sglang", "mask", False),
    ],
)
def test_a_mask_by_another_name_is_ignored(
    caller: Caller, picture: Callable[..., bytes], server: str, part: str, arrives: bool
) -> None:
    fields = GOOD | (B64 if server == "sglang" else {})
    files = {
        "image": ("a.png", picture(64, 64), "image/png"),
        part: ("m.png", picture(64, 64, mode="L"), "image/png"),
    }
    data = {name: str(value) for name, value in fields.items()}
    answer = caller.post(f"/{server}/v1/images/edits", data=data, files=files)

    assert answer.status_code == 200
    roles = [image.role for image in caller.simulator.received()]
    assert roles == (["image", "mask"] if arrives else ["image"])


def test_localai_ignores_an_image_that_it_cannot_read_and_has_no_edits(caller: Caller) -> None:
    answer = caller.post(
        "/localai/v1/images/generations", json=GOOD | {"file": "data:image/png;base64,aGk="}
    )
    assert answer.status_code == 200
    assert caller.simulator.bill()["entries"][0]["operation"] == "generate"

    assert caller.post("/localai/v1/images/edits", json=GOOD).status_code == 404


def test_litellm_tells_what_a_call_cost(caller: Caller) -> None:
    body = GOOD | {"model": "gpt-image-2", "size": "1024x1024"}
    answer = caller.post("/litellm/v1/images/generations", json=body)

    assert answer.headers["x-litellm-response-cost"] == "0.042"
    assert answer.headers["x-litellm-call-id"]


@pytest.mark.parametrize(
    ("fault", "status", "kind", "words"),
    [
        ({"kind": "quota"}, 429, "budget_exceeded", "Budget has been exceeded!"),
        (
            {"kind": "moderation_block"},
            400,
            "invalid_request_error",
            "litellm.BadRequestError: litellm.ContentPolicyViolationError: ",
        ),
        ({"kind": "status", "status": 429}, 429, "rate_limit_error", "litellm.RateLimitError: "),
        ({"kind": "status", "status": 403}, 403, "permission_error", "litellm.PermissionDenied"),
        (
            {"kind": "status", "status": 503},
            503,
            "service_unavailable_error",
            "litellm.ServiceUnavailableError: ",
        ),
        (
            {"kind": "status", "status": 500},
            500,
            "internal_server_error",
            "litellm.InternalServerError: ",
        ),
    ],
)
def test_litellm_hands_on_words_without_codes(
    caller: Caller, fault: dict[str, Any], status: int, kind: str, words: str
) -> None:
    caller.simulator.script(fault=fault)

    answer = caller.post(
        "/litellm/v1/images/generations",
        json=GOOD | {"model": "gpt-image-2", "size": "1024x1024"},
    )

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (status, str(status), kind)
    assert error["message"].startswith(words)
    assert error["param"] is None


def test_litellm_has_no_other_paths(caller: Caller) -> None:
    answer = caller.post("/litellm/v1/images/variations", json=GOOD)

    assert (answer.status_code, list(answer.json())) == (404, ["detail"])
    assert answer.json()["detail"].startswith("Not Found")
