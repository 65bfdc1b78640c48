"""A test that needs a missing service is skipped with a reason, or fails where it must be there."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests import conftest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def closed_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Send the look for Redis to a port where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        monkeypatch.setenv("IMAGEGEN_TEST_REDIS_ADDRESS", address)
        conftest.why_missing.cache_clear()
        yield address
    conftest.why_missing.cache_clear()


def test_a_missing_service_skips_and_says_where_it_was_looked_for(
    closed_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMAGEGEN_REQUIRE_SERVICES", raising=False)

    with pytest.raises(pytest.skip.Exception, match=closed_address):
        conftest.require("redis")


def test_a_missing_service_fails_where_services_are_required(
    closed_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEGEN_REQUIRE_SERVICES", "1")

    with pytest.raises(pytest.fail.Exception, match=closed_address):
        conftest.require("redis")


def test_a_service_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    conftest.why_missing.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("IMAGEGEN_TEST_REDIS_ADDRESS", address)

        assert conftest.why_missing("redis") == ""

    conftest.why_missing.cache_clear()
