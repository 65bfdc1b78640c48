"""The ready captioner keeps the contract, and says what is wrong with its options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imagegen_app.captioning import openai_chat
from imagegen_app.captioning.openai_chat import OpenAIChatCaptioner, plain_sentence
from imagegen_app.providers.chat_service import InvalidOption
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import BlockingClient, Connection
from imagegen_app.testing.contract.bench import KEY, KEY_VARIABLE, ContractBroken
from imagegen_app.testing.contract.captioner_faults import FAULTS, CaptionerFault, planted
from imagegen_app.testing.contract.captioners import (
    CaptionerContract,
    CaptionerSamples,
    Place,
    run_captioner_check,
    sample_jpeg,
    sample_options,
)
from imagegen_app.testing.contract.suite import simulator_for
from imagegen_app.testing.simulator.bill import fingerprint

HOSTED = Credential("chat", ("env:NOBODY_READS_IT",), frozenset({"api.openai.com"}))


def build(place: Place) -> OpenAIChatCaptioner:
    return OpenAIChatCaptioner(
        connection=place.connection,
        base_url=place.base_url,
        **sample_options(seconds=place.seconds),
    )


SAMPLES = CaptionerSamples(build=build, limit_seconds=0.2)


class TestContract(CaptionerContract):
    samples = SAMPLES


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_planted_fault_is_caught_by_its_check(
    pytestconfig: pytest.Config, fault: CaptionerFault
) -> None:
    simulator = simulator_for(pytestconfig, SAMPLES.protocol)

    # What hangs is waited for: no longer than it takes to see it.
    samples = planted(fault, replace(SAMPLES, patience_seconds=0.3))
    with pytest.raises(ContractBroken):
        run_captioner_check(fault.caught_by, samples, simulator=simulator)


def test_without_a_fault_the_planted_captioner_keeps_the_contract(
    pytestconfig: pytest.Config,
) -> None:
    simulator = simulator_for(pytestconfig, SAMPLES.protocol)

    for check in {fault.caught_by for fault in FAULTS}:
        run_captioner_check(check, planted(None, SAMPLES), simulator=simulator)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": ""}, "model has to name"),
        ({"credential": ""}, "credential has to name"),
        ({"base_url": "http://10.0.0.1/v1"}, "base_url has to begin with https"),
        ({"auth_header": "Cookie"}, "auth_header has to be one of"),
        ({"max_chars": 5}, "max_chars has to be a number from 20"),
        ({"max_chars": True}, "max_chars has to be a number"),
        ({"max_tokens": 300.5}, "max_tokens has to be a number"),
        ({"seconds": float("nan")}, "seconds has to be a number"),
        ({"seconds": 3600}, "seconds has to be a number"),
        ({"price_per_million_tokens": {"input": "1"}}, "price_per_million_tokens: the price of"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(options: dict[str, Any], said: str) -> None:
    usual = {"model": "m", "credential": "chat"}

    with pytest.raises(InvalidOption, match=said):
        OpenAIChatCaptioner(connection=Connection(BlockingClient(), HOSTED), **{**usual, **options})


@pytest.mark.parametrize(
    ("sends_prompt", "question"),
    [
        (False, openai_chat._QUESTION),
        (True, openai_chat._WITH_PURPOSE.format(purpose='{"prompt": "a \\"red\\" mug"}')),
    ],
)
def test_the_prompt_stays_here_unless_it_is_to_be_sent(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, sends_prompt: bool, question: str
) -> None:
    simulator = simulator_for(pytestconfig, SAMPLES.protocol)
    simulator.reset()
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    trusted = frozenset({simulator.base_url})
    key = Credential("contract", (f"env:{KEY_VARIABLE}",), frozenset({"127.0.0.1"}))
    captioner = OpenAIChatCaptioner(
        connection=Connection(BlockingClient(trusted_origins=trusted), key),
        base_url=simulator.openai_url,
        **sample_options(sends_prompt=sends_prompt, seconds=10),
    )

    captioner.describe(sample_jpeg(), media_type="image/jpeg", language="de", purpose='a "red" mug')

    (billed,) = simulator.bill()["entries"]
    said = openai_chat.INSTRUCTION.format(max_chars=150, language="de")
    assert billed["fingerprint"] == fingerprint(f"{said} {question}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“A red mug.”", "A red mug."),
        ("**A red mug**\n", "A red mug"),
        ("A red mug on a table. It stands in the sun.", "A red mug on a table."),
        ("A red mug and a blue mug on a table of wood", "A red mug and a blue mug on…"),
        ("x" * 50, "x" * 29 + "…"),
    ],
)
def test_a_text_ends_at_a_sentence_or_a_word(text: str, expected: str) -> None:
    assert plain_sentence(text, max_chars=30) == expected
