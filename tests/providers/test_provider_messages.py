"""What a provider explains of a failure stays with the error, whatever class it becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegen_app.core.errors import ContentBlocked, QuotaExhausted
from imagegen_app.providers.families import statuses, submit_poll
from imagegen_app.providers.http import Reply
from imagegen_app.providers.remote import asked_in_vain


def refused(body: Any, status: int = 400) -> Reply:
    return Reply(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "content_policy_violation", "message": "No such pictures."}},
        {"error": {"code": "insufficient_quota", "message": "No such pictures."}},
        {"error": "No such pictures."},
        {"detail": [{"msg": "No such pictures.", "loc": ["body", "size"]}]},
        b"No such pictures.",
    ],
)
@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_a_refusal_carries_the_providers_sentence(body: Any, status: int) -> None:
    error = statuses.classify(refused(body, status))

    assert error.provider_message == "No such pictures."
    assert "pictures" not in f"{error} {error.detail}"


@pytest.mark.parametrize(
    "body", [b"", b"<html><body>502 Bad Gateway</body></html>", b"\x89PNG\0\1"]
)
def test_markup_and_bytes_are_no_sentence(body: bytes) -> None:
    assert statuses.classify(refused(body)).provider_message == ""


def test_addresses_and_keys_in_it_are_hidden() -> None:
    said = "Your key sk-proj-abcdefghijklmnop is bad, see https://api.example/x?token=secret#there"

    error = statuses.classify(refused({"error": {"message": said}}, 401))

    assert error.provider_message == "Your key [hidden] is bad, see https://api.example/x"


def test_another_class_says_the_same() -> None:
    error = statuses.classify(refused({"error": {"message": "No credit is left."}}))

    assert statuses.instead(error, QuotaExhausted).provider_message == "No credit is left."
    assert asked_in_vain(error).provider_message == "No credit is left."


def test_a_failed_job_carries_its_error() -> None:
    job = submit_poll.read_job(
        {
            "id": "j1",
            "status": "failed",
            "error": {"code": "content_policy_violation", "message": "No such pictures."},
        }
    )

    error = submit_poll.failure(job)

    assert isinstance(error, ContentBlocked)
    assert error.provider_message == "No such pictures."
