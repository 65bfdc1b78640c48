"""Code that the settings name is imported by the checks, and tried for how it will be called."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from django.conf import settings as django_settings

from imagegen_app import checks
from imagegen_app.captioning.base import Captioner
from imagegen_app.core.types import Call
from imagegen_app.moderation.base import Screener
from imagegen_app.providers import configured_code, registry
from imagegen_app.providers.base import ProviderAdapter
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.gateways.site_code import ADAPTER_ARGUMENTS

HERE = __name__


def key() -> str:
    return "a key"


def key_with_default(name: str = "main") -> str:
    return name


def key_by_name(name: str) -> str:
    return name


async def key_later() -> str:
    return "a key"


def purge(urls: list[str]) -> None:
    """Empty a site's caches."""


async def purge_later(urls: list[str]) -> None:
    """Cannot be called by a worker."""


def purge_nothing() -> None:
    """Takes no list."""


partial_key = functools.partial(key_by_name, "main")
no_function = "a key"


class Sound(Sandbox):
    """An adapter of a site's own."""


class Positional(Sandbox):
    """Cannot be built with the arguments that the registry gives."""

    def __init__(self, base_url: str) -> None:
        del base_url


class WithoutAnswer(Sandbox):
    """Its method lacks an argument."""

    async def poll(self, call: Call) -> Any:  # type: ignore[override]  # what is tested
        return call


class Blocking(Sandbox):
    """Its method is not asynchronous."""

    def cancel(self, call: Call) -> Any:
        return call


class Empty:
    """Has nothing of an adapter, a content check or a captioner."""

    def __init__(self, **_options: Any) -> None:
        pass


def reported(settings: Any, **changes: Any) -> list[tuple[str, str]]:
    settings.IMAGEGEN = {**django_settings.IMAGEGEN, **changes}
    messages = checks.check_settings()
    assert all(message.hint for message in messages)
    return [(str(message.id), str(message.msg)) for message in messages]


@pytest.mark.parametrize("name", ["key", "key_with_default", "partial_key"])
def test_a_source_that_can_be_called_without_arguments_is_sound(settings: Any, name: str) -> None:
    entry = {"SOURCE": f"{HERE}.{name}", "WEBHOOK_SOURCE": f"{HERE}:{name}", "HOSTS": ["a.example"]}

    assert reported(settings, CREDENTIALS={"a": entry}) == []


@pytest.mark.parametrize(
    ("source", "spelling"),
    [
        ("vault:images#openai", "vault:MOUNT/PATH#FIELD"),
        ("vault:secret/data/images", "vault:MOUNT/PATH#FIELD"),
        ("aws:ima ges#openai", "aws:NAME"),
        ("aws:images#", "aws:NAME"),
        ("google:images", "google:projects/PROJECT/secrets/NAME/versions/latest"),
        ("google:projects/p/secrets/images", "google:projects/PROJECT"),
        ("azure:images", "azure:VAULT/NAME"),
        ("azure:evil.example.com/x", "azure:VAULT/NAME"),
    ],
)
@pytest.mark.parametrize("place", ["SOURCE", "WEBHOOK_SOURCE"])
def test_a_place_in_a_store_that_is_spelled_otherwise_is_reported_with_its_spelling(
    settings: Any, place: str, source: str, spelling: str
) -> None:
    entry = {"SOURCE": "env:A_KEY", "HOSTS": ["a.example"], place: source}

    ((code, message),) = reported(settings, CREDENTIALS={"a": entry})

    assert code == "imagegen.E005"
    assert f"write {spelling}" in message
    assert place in message
    # The place itself may be confidential.
    assert source not in message


@pytest.mark.parametrize(
    "source",
    [
        "vault:secret/data/images#openai",
        "aws:images@AWSPREVIOUS#openai",
        "google:projects/p/secrets/images/versions/latest",
        "azure:images-vault/openai",
    ],
)
def test_a_place_in_a_store_that_is_spelled_rightly_is_sound(settings: Any, source: str) -> None:
    entry = {"SOURCE": source, "HOSTS": ["a.example"]}

    assert reported(settings, CREDENTIALS={"a": entry}) == []


@pytest.mark.parametrize("place", ["SOURCE", "WEBHOOK_SOURCE"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"{HERE}.nothing", "has no nothing"),
        ("nowhere.at_all.key", "No module named 'nowhere'"),
        (f"{HERE}.key_by_name", "missing a required argument: 'name'"),
        (f"{HERE}.key_later", "asynchronous"),
        (f"{HERE}.no_function", "not callable"),
        ("tests.checks.broken_module.key", "fails when imported (ZeroDivisionError)"),
    ],
)
def test_a_source_that_cannot_be_called_is_reported(
    settings: Any, place: str, name: str, why: str
) -> None:
    entry = {"SOURCE": "env:A_KEY", "HOSTS": ["a.example"], place: name}

    ((code, message),) = reported(settings, CREDENTIALS={"a": entry})

    assert code == "imagegen.E005"
    assert why in message
    assert place in message


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"{HERE}.Nothing", "has no Nothing"),
        ("nowhere.Adapter", "No module named 'nowhere'"),
        ("Adapter", "not a dotted path"),
        (f"{HERE}.no_function", "not callable"),
        (f"{HERE}.Empty", "has no method cancel"),
        (f"{HERE}.Positional", "missing a required argument: 'base_url'"),
        (f"{HERE}.WithoutAnswer", "poll cannot be called: got an unexpected keyword argument"),
        (f"{HERE}.Blocking", "cancel must be asynchronous"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_reported(settings: Any, name: str, why: str) -> None:
    ((code, message),) = reported(settings, ADAPTERS={"own": name})

    assert code == "imagegen.E043"
    assert why in message


def test_a_sound_adapter_is_not_reported(settings: Any) -> None:
    assert reported(settings, ADAPTERS={"own": f"{HERE}:Sound"}) == []


@pytest.mark.parametrize("name", registry.adapter_names())
def test_our_own_adapters_are_sound_by_the_same_rule(name: str) -> None:
    configured_code.require_class(
        registry.describe(name).path, protocol=ProviderAdapter, arguments=ADAPTER_ARGUMENTS
    )


def test_a_content_check_and_a_captioner_without_their_methods_are_reported(settings: Any) -> None:
    found = reported(
        settings,
        SCREENERS=[{"NAME": "own", "BACKEND": f"{HERE}.Empty"}],
        CAPTIONER={"BACKEND": f"{HERE}.Empty"},
    )

    assert [code for code, _message in found] == ["imagegen.E008", "imagegen.E038"]
    assert "has no method screen_image" in found[0][1]
    assert "has no method describe" in found[1][1]


@pytest.mark.parametrize("protocol", [Screener, Captioner])
def test_a_protocol_fits_itself(protocol: type) -> None:
    configured_code.require_methods(protocol, protocol=protocol)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"{HERE}.nothing", "has no nothing"),
        ("nowhere.at_all.purge", "No module named 'nowhere'"),
        ("purge", "not a dotted path"),
        (f"{HERE}.no_function", "not callable"),
        (f"{HERE}.purge_later", "asynchronous"),
        (f"{HERE}.purge_nothing", "too many positional arguments"),
    ],
)
def test_a_function_for_caches_that_cannot_be_called_is_reported(
    settings: Any, name: str, why: str
) -> None:
    ((code, message),) = reported(settings, PURGE=name)

    assert code == "imagegen.E070"
    assert why in message


def test_a_sound_function_for_caches_is_not_reported(settings: Any) -> None:
    assert reported(settings, PURGE=f"{HERE}.purge") == []
