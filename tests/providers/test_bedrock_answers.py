"""Keys, regions and answers of Bedrock: what is signed, blocked, billed and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    NotFound,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.types import Operation
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.simulator.process import SimulatorProcess
from imagegen_app.testing.simulator.protocols.bedrock import APPLICATION_PROFILES
from tests.providers.bedrock_calls import MASK, PICTURE, REQUEST, Talk, altered, made, talking
from tests.providers.conftest import KEY


@pytest.fixture
def provider(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    return start_simulator("bedrock")


@pytest.fixture
def talk(provider: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Talk:
    return talking(provider, monkeypatch)


@pytest.fixture
def adapter() -> Any:
    """Return an adapter that makes no calls."""
    host = "bedrock-runtime.us-west-2.amazonaws.com"
    credential = Credential("aws", ("env:UNUSED",), frozenset({host}))
    return registry.build("bedrock", credential=credential, http=HttpClient())


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"ASIACANARY0000000001:{KEY}:{KEY}",
        json.dumps({"AccessKeyId": "AKIACANARY0000000001", "SecretAccessKey": KEY}),
    ],
)
def test_every_form_of_a_credential_is_accepted(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer, text: str
) -> None:
    assert made(talk, REQUEST, answer, text).images

    assert provider.bill()["images"] == 1


@pytest.mark.parametrize("refused", ["sk-replaced-0123456789", f"AKIACANARY0000000001:{'x' * 40}"])
def test_while_a_key_is_rotated_the_other_one_is_tried(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer, refused: str
) -> None:
    assert made(talk, REQUEST, answer, refused, KEY).images

    assert provider.calls() == {"POST /model/{id}/invoke": 2}
    assert provider.bill()["images"] == 1


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("sk-wrong-0123456789", {}),
        (f"AKIACANARY0000000001:{'x' * 40}", {}),
        (f"ASIACANARY0000000001:{KEY}:expired", {}),
        (f"AKIACANARY0000000001:{KEY}", {"region": ""}),
        ("AKIACANARY0000000001:", {}),
    ],
)
def test_a_key_that_is_not_accepted_is_told_as_one(
    talk: Talk,
    provider: SimulatorProcess,
    answer: SpooledAnswer,
    text: str,
    options: dict[str, str],
) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        made(talk, REQUEST, answer, text, options=options)

    assert caught.value.billed == "no"
    assert KEY not in caught.value.detail
    assert provider.bill()["images"] == 0


@pytest.mark.parametrize(
    ("base_url", "region"),
    [
        ("", "us-west-2"),
        ("https://bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("https://bedrock-runtime-fips.us-east-2.amazonaws.com", "us-east-2"),
        ("https://bedrock-runtime.us-east-1.api.aws", "us-east-1"),
        ("https://vpce-1a.bedrock-runtime.us-west-2.vpce.amazonaws.com", "us-west-2"),
        ("https://proxy.example.org/aws", "eu-west-1"),
    ],
)
def test_the_region_is_that_of_the_address_or_the_option(base_url: str, region: str) -> None:
    url = base_url or registry.describe("bedrock").base_url
    host = url.partition("//")[2].partition("/")[0]
    adapter: Any = registry.build(
        "bedrock",
        base_url=url,
        credential=Credential("aws", ("env:UNUSED",), frozenset({host})),
        http=HttpClient(),
        options={"region": "eu-west-1"},
    )

    assert adapter.auth.region == region


def test_a_profile_whose_name_hides_its_model_is_named_in_the_account(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    (profile,) = APPLICATION_PROFILES
    arn = f"arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/{profile}"
    request = replace(altered(Operation.INPAINT, "image-inpaint", PICTURE, MASK), model=arn)
    options = {"models": {arn: "stability.stable-image-inpaint-v1:0"}}

    assert made(talk, request, answer, options=options).images

    with pytest.raises(UnsupportedParameter):
        made(talk, request, answer)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("stability.stable-image-core-v9:0", NotFound),
        ("stability.stable-image-inpaint-v1:0", NotFound),
    ],
)
def test_a_model_that_is_not_offered_here_is_told_as_one(
    talk: Talk, answer: SpooledAnswer, model: str, expected: type[Exception]
) -> None:
    masked = altered(Operation.INPAINT, "image-inpaint", PICTURE, MASK)
    request = replace(masked if "inpaint" in model else REQUEST, model=model)

    with pytest.raises(expected):
        made(talk, request, answer)


@pytest.mark.parametrize(
    ("reason", "stage", "billed"),
    [
        ("Filter reason: prompt", "input", "no"),
        ("Filter reason: input image", "input", "no"),
        ("Filter reason: output image", "output", "unknown"),
        ("Filter reason: something new", "unknown", "unknown"),
    ],
)
def test_a_block_says_what_was_blocked_and_if_it_is_billed(
    adapter: Any, spooled: Callable[..., SpooledAnswer], reason: str, stage: str, billed: str
) -> None:
    bodies = (
        {"finish_reasons": [reason]},
        {"seeds": [7], "finish_reasons": [reason], "images": [None]},
        {"seeds": [7], "finish_reasons": [reason], "images": ["iVBORw0KGgo="]},
    )

    for body in bodies:
        with pytest.raises(ContentBlocked) as caught:
            adapter.read_answer(spooled(json.dumps(body).encode()))
        assert (caught.value.stage, caught.value.billed) == (stage, billed)
        assert "new" not in caught.value.detail


@pytest.mark.parametrize(
    "body",
    [
        {"finish_reasons": ["Inference error"]},
        {"finish_reasons": ["Inference error"], "images": ["iVBORw0KGgo="]},
        {"finish_reasons": [{"a": 1}], "images": ["iVBORw0KGgo="]},
        {"finish_reasons": [None], "images": [], "seeds": []},
        {"finish_reasons": [None], "images": [None], "seeds": [7]},
        {"finish_reasons": "x", "images": "y"},
        {},
    ],
)
def test_an_answer_without_an_image_is_none(
    adapter: Any, spooled: Callable[..., SpooledAnswer], body: dict[str, Any]
) -> None:

    with pytest.raises(BadResponse) as caught:
        adapter.read_answer(spooled(json.dumps(body).encode()))

    assert caught.value.billed in {"yes", "unknown"}


@pytest.mark.parametrize(
    ("seeds", "seed"),
    [([7], 7), (["7"], 7), ([0], 0), ([True], None), (["x"], None), ([], None), (None, None)],
)
def test_the_seed_is_the_one_that_was_used(
    adapter: Any, spooled: Callable[..., SpooledAnswer], seeds: Any, seed: int | None
) -> None:
    body = {"seeds": seeds, "finish_reasons": [None], "images": ["iVBORw0KGgo="]}

    (image,) = adapter.read_answer(spooled(json.dumps(body).encode())).images

    assert image.seed == seed


def test_the_request_id_is_that_of_aws(talk: Talk, answer: SpooledAnswer) -> None:
    async def use(adapter: Any) -> Any:
        return await adapter.submit(REQUEST, answer=answer)

    submission = talk(use)

    # The simulator's own ids look otherwise.
    assert len(submission.request_id) == 36
    assert answer.metadata()["request_id"] == submission.request_id


def test_a_model_that_is_being_loaded_is_asked_again(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    provider.fail("status", status=429, code="ModelNotReadyException", retry_after="7")

    with pytest.raises(ProviderUnavailable) as caught:
        made(talk, REQUEST, answer)

    assert caught.value.retry_after == 7
    assert caught.value.request_id
