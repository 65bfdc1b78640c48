"""A chat API: what is sent, what is read, and each way in which it can go wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.providers.chat_client import (
    MAX_TEXT_CHARS,
    ChatClient,
    ChatImage,
    ChatMessage,
    InvalidPrices,
    TokenPrices,
)
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import BlockingClient
from imagegen_app.testing.simulator.process import SimulatorProcess

MODEL = "gpt-5.4-mini"


def red_image() -> ChatImage:
    out = io.BytesIO()
    Image.new("RGB", (64, 32), (200, 40, 40)).save(out, "JPEG")
    return ChatImage(out.getvalue(), "image/jpeg")


@pytest.fixture
def chat_simulator(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    return start_simulator("openai_chat")


@pytest.fixture
def client(chat_simulator: SimulatorProcess, credential: Credential) -> ChatClient:
    return ChatClient(
        chat_simulator.openai_url,
        http=BlockingClient(trusted_origins=frozenset({chat_simulator.base_url})),
        credential=credential,
        seconds=10,
    )


def ask(client: ChatClient, text: str = "What is this?", **options: Any) -> Any:
    message = ChatMessage("user", text, images=(red_image(),))
    given: dict[str, Any] = {"model": MODEL, "max_tokens": 100} | options
    return client.ask([message], **given)


def test_an_answer_has_its_text_its_tokens_and_the_resolved_model(client: ChatClient) -> None:
    answer = ask(client)

    assert answer.outcome == "text"
    assert "wide picture in shades of red" in answer.text
    assert answer.model == "gpt-5.4-mini-2026-03-17"
    assert answer.request_id.startswith("req_")
    assert answer.tokens["input"] > 255
    assert answer.tokens["output"] > 5


def test_the_image_arrives_as_it_was_handed_over(
    client: ChatClient, chat_simulator: SimulatorProcess
) -> None:
    image = red_image()
    client.ask([ChatMessage("user", "?", images=(image,))], model=MODEL, max_tokens=50)

    (received,) = chat_simulator.received()
    assert (received.data, received.media_type) == (image.data, "image/jpeg")


def test_json_is_asked_for_and_read(client: ChatClient) -> None:
    answer = ask(client, "Answer in JSON.", as_json=True)

    assert "red" in answer.document()["description"]


def test_json_that_was_cut_off_is_none(client: ChatClient) -> None:
    answer = ask(client, "Answer in JSON.", as_json=True, max_tokens=3)

    assert answer.outcome == "cut_off"
    with pytest.raises(BadResponse, match="provider answered"):
        answer.document()


@pytest.mark.parametrize("kind", ["chat_refusal", "output_block"])
def test_a_refusal_of_the_model_is_told_apart_and_counted(
    client: ChatClient, chat_simulator: SimulatorProcess, kind: str
) -> None:
    chat_simulator.script(fault={"kind": kind, "on": "chat"})

    answer = ask(client)

    assert (answer.outcome, answer.text) == ("blocked", "")
    assert answer.tokens["input"] > 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "moderation_block"}, ContentBlocked),
        ({"kind": "quota"}, QuotaExhausted),
        ({"kind": "status", "status": 429}, RateLimited),
        ({"kind": "status", "status": 500}, OutcomeUnknown),
        ({"kind": "status", "status": 404}, NotFound),
        ({"kind": "html"}, BadResponse),
        ({"kind": "not_json"}, BadResponse),
        ({"kind": "error_in_200"}, BadResponse),
        ({"kind": "error_in_200", "code": "content_filter"}, ContentBlocked),
        ({"kind": "missing_data"}, BadResponse),
        ({"kind": "half_answer"}, OutcomeUnknown),
        ({"kind": "disconnect"}, OutcomeUnknown),
        ({"kind": "redirect"}, NotFound),
    ],
)
def test_each_failure_has_its_error(
    client: ChatClient,
    chat_simulator: SimulatorProcess,
    fault: dict[str, Any],
    error: type[ProviderError],
) -> None:
    chat_simulator.script(fault={**fault, "on": "chat"})

    with pytest.raises(error):
        ask(client)


def test_a_silent_server_is_given_up_in_time(
    chat_simulator: SimulatorProcess, client: ChatClient, credential: Credential
) -> None:
    chat_simulator.script(fault={"kind": "silence", "seconds": 20, "on": "chat"})
    hasty = ChatClient(client.base_url, http=client.http, credential=credential, seconds=0.3)

    with pytest.raises(OutcomeUnknown):
        ask(hasty)


def test_a_text_is_limited_and_content_that_is_none_is_empty(
    client: ChatClient, chat_simulator: SimulatorProcess
) -> None:
    chat_simulator.script(
        faults=[{"kind": "chat_long", "on": "chat"}, {"kind": "chat_nonsense", "on": "chat"}]
    )

    assert len(ask(client).text) == MAX_TEXT_CHARS
    assert ask(client).text == ""


def test_the_key_goes_to_its_own_host_alone(
    client: ChatClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = Credential("other", ("env:TEST_PROVIDER_KEY",), frozenset({"api.example.org"}))

    with pytest.raises(AuthenticationFailed):
        ask(ChatClient(client.base_url, http=client.http, credential=foreign))


def test_the_models_are_listed(client: ChatClient) -> None:
    assert MODEL in client.model_names()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://shop.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
        ("https://notapi.openai.com.example.org/v1", "max_tokens"),
    ],
)
def test_the_limit_of_tokens_is_named_as_the_server_knows_it(url: str, name: str) -> None:
    assert ChatClient(url)._limit_field == name


def test_tokens_cost_what_their_kinds_cost() -> None:
    prices = TokenPrices.read({"input": "0.40", "cached_input": "0.10", "output": "1.60"})

    cost = prices.cost_of({"input": 1000, "cached_input": 2000, "output": 50})

    assert cost == Decimal("0.00068")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"input": "1"}, "output tokens is missing"),
        ({"input": "1", "output": "-1"}, "output tokens is not an amount"),
        ({"input": "1", "output": "NaN"}, "not an amount"),
        ({"input": 0.4, "output": "1"}, "input tokens is not an amount"),
        ({"input": "1", "output": "1", "image": "1"}, "'image' is not one of"),
        ("0.4", "write"),
    ],
)
def test_prices_that_cannot_be_used_are_refused(given: Any, said: str) -> None:
    with pytest.raises(InvalidPrices, match=said):
        TokenPrices.read(given)
