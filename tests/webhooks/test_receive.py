"""A webhook only makes the worker poll earlier; forged, repeated and old ones change nothing."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.urls import reverse

from imagegen_app.models import Attempt, AuditEvent, Job, WebhookDelivery
from imagegen_app.providers.base import WebhookNotice
from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.families import standard_webhooks
from imagegen_app.providers.http import tls
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs.rebuilding import attempt_token, webhook_url
from imagegen_app.services.worker import webhook_inbox
from imagegen_app.testing.factories import make_attempt, make_image_model, make_job, make_provider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.test import Client

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture
def attempt(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Attempt:
    monkeypatch.setenv("HOOK_KEY", "key-0123456789")
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "ENGINE": "tests.services.silent_engine.SilentEngine",
        "PUBLIC_URL": "https://shop.example",
        "PROVIDER_ORIGINS": ["https://jobs.example"],
        "CREDENTIALS": {
            "hook": {
                "SOURCE": "env:HOOK_KEY",
                "HOSTS": ["jobs.example"],
                "WEBHOOK_SOURCE": "env:HOOK_SECRET",
            }
        },
    }
    provider = make_provider(
        adapter="generic_jobs", base_url="https://jobs.example", credential="hook"
    )
    model = make_image_model(provider=provider)
    job = make_job(image_model=model, state="awaiting")
    return make_attempt(job=job, state="accepted", provider_ref="job_1")


def signed(
    body: bytes, *, delivery: str = "msg_1", age: int = 0, secret: str = SECRET
) -> dict[str, str]:
    headers = standard_webhooks.sign(
        delivery_id=delivery, timestamp=int(time.time()) - age, body=body, secret=Secret(secret)
    )
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


def body(**changes: Any) -> bytes:
    data = {"id": "job_1", "status": "succeeded", **changes}
    return json.dumps({"type": "job.finished", "data": data}).encode()


def post(client: Client, attempt: Attempt, data: bytes, headers: Mapping[str, Any]) -> int:
    url = reverse("imagegen:webhook", args=[attempt_token(attempt)])
    return int(client.post(url, data=data, content_type="application/json", **headers).status_code)


def test_a_signed_delivery_makes_the_job_due_now(client: Client, attempt: Attempt) -> None:
    before = Job.objects.get(pk=attempt.job_id).due_at

    status = post(client, attempt, body(), signed(body()))

    job = Job.objects.get(pk=attempt.job_id)
    assert status == 204
    assert job.state == "awaiting"
    assert job.due_at != before
    assert WebhookDelivery.objects.get().outcome == "applied"
    kinds = AuditEvent.objects.filter(job_id=job.pk).order_by("pk").values_list("type", flat=True)
    assert list(kinds) == ["webhook.received", "webhook.applied"]


def test_verifying_a_delivery_does_not_load_the_ca_certificates(
    client: Client, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(**_options: object) -> None:
        raise AssertionError

    monkeypatch.setattr("httpx.create_ssl_context", read)
    tls.trusted_certificates.cache_clear()

    assert post(client, attempt, body(), signed(body())) == 204


def test_a_repeated_delivery_is_applied_once(client: Client, attempt: Attempt) -> None:
    for _ in range(5):
        assert post(client, attempt, body(), signed(body())) == 204

    assert WebhookDelivery.objects.count() == 1
    assert AuditEvent.objects.filter(type="webhook.applied").count() == 1


@pytest.mark.parametrize(
    "make_headers",
    [
        dict,
        lambda: signed(body(), secret="whsec_" + "QUFB" * 11),
        lambda: signed(body(), age=400),
        lambda: signed(body(), age=-400),
        lambda: signed(body(status="failed")),
        lambda: {**signed(body()), "HTTP_WEBHOOK_SIGNATURE": "v1"},
        lambda: {**signed(body()), "HTTP_WEBHOOK_SIGNATURE": "v1,***"},
        lambda: {**signed(body()), "HTTP_WEBHOOK_TIMESTAMP": "nan"},
    ],
    ids=[
        "no headers",
        "wrong secret",
        "timestamp too old",
        "timestamp in the future",
        "signature of another body",
        "signature without a comma",
        "signature is not base64",
        "timestamp is not a number",
    ],
)
def test_a_forged_delivery_changes_nothing(
    client: Client, attempt: Attempt, make_headers: Callable[[], dict[str, str]]
) -> None:
    # Signed inside the test: a signature made at import could already be too old.
    assert post(client, attempt, body(), make_headers()) == 401

    assert not WebhookDelivery.objects.exists()
    assert AuditEvent.objects.filter(type="webhook.refused").count() == 1


@pytest.mark.parametrize("token", ["x", "0" * 32, f"{'0' * 32}.{'0' * 32}", "é.é"])
def test_an_unknown_token_is_not_found(client: Client, attempt: Attempt, token: str) -> None:
    url = reverse("imagegen:webhook", args=[token])

    assert client.post(url, data=body(), content_type="application/json").status_code == 404


def test_the_token_signature_of_another_attempt_is_not_found(
    client: Client, attempt: Attempt
) -> None:
    other = make_attempt()
    token = attempt_token(attempt).partition(".")[0] + "." + attempt_token(other).partition(".")[2]

    assert client.post(reverse("imagegen:webhook", args=[token])).status_code == 404


def test_a_body_that_is_too_large_is_refused(client: Client, attempt: Attempt) -> None:
    data = b"x" * (256 * 1024 + 1)

    assert post(client, attempt, data, signed(data)) == 413


def test_a_body_with_too_large_a_content_length_is_refused_unread(
    client: Client, attempt: Attempt
) -> None:
    # The body is shorter than its Content-Length: reading it would fail.
    headers = {**signed(body()), "CONTENT_LENGTH": str(256 * 1024 + 1)}

    assert post(client, attempt, body(), headers) == 413


def test_other_methods_than_post_are_refused(client: Client, attempt: Attempt) -> None:
    assert client.get(reverse("imagegen:webhook", args=[attempt_token(attempt)])).status_code == 405


def test_the_url_sent_to_the_provider_is_the_public_one(attempt: Attempt) -> None:
    path = reverse("imagegen:webhook", args=[attempt_token(attempt)])

    assert webhook_url(attempt) == f"https://shop.example{path}"


def test_a_webhook_before_the_answer_stores_the_provider_reference(
    client: Client, attempt: Attempt
) -> None:
    early = make_attempt(
        job=make_job(image_model=attempt.image_model, state="submitting"),
        state="sent",
        provider_ref="",
    )

    post(client, early, body(id="job_7"), signed(body(id="job_7")))

    early.refresh_from_db()
    assert early.provider_ref == "job_7"


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        ("9" * 5000, 413),
        ("0" * 5000 + "9" * 9, 413),
        ("262145", 413),
        ("-1", 400),
        ("+5", 400),
        ("5, 5", 400),
        ("٣٣", 400),
        ("²", 400),
        ("0x10", 400),
        ("1e3", 400),
        (" ", 400),
    ],
)
def test_a_length_that_is_no_number_or_too_large_is_refused(
    client: Client, attempt: Attempt, length: str, expected: int
) -> None:
    headers = {**signed(body()), "CONTENT_LENGTH": length}

    assert post(client, attempt, body(), headers) == expected
    assert WebhookDelivery.objects.count() == 0
    assert not AuditEvent.objects.filter(type__startswith="webhook").exists()


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "5, 5", "٣٣"])
def test_an_upload_with_such_a_length_is_no_error_of_ours(
    client: Client, admin_user: Any, length: str
) -> None:
    client.force_login(admin_user)

    answer = client.post(
        reverse("admin:imagegen_studio"), {"prompt": "x", "generate": "1"}, CONTENT_LENGTH=length
    )

    assert answer.status_code < 500


def test_a_key_that_a_delivery_repeats_is_not_stored(client: Client, attempt: Attempt) -> None:
    echo = body(note="sent with key-0123456789 or KEY-0123456789")
    headers = {**signed(echo), "HTTP_USER_AGENT": "agent of key-0123456789\r\nX: y"}

    assert post(client, attempt, echo, headers) == 204

    delivery = WebhookDelivery.objects.get()
    assert "0123456789" not in delivery.body + str(delivery.headers)
    assert "sent with [hidden] or [hidden]" in delivery.body


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 5000])
def test_a_notice_with_texts_that_no_database_takes_is_stored_without_them(
    attempt: Attempt, text: str
) -> None:
    notice = WebhookNotice(delivery_id=text, ref=text, status=text)

    cleaned = webhook_inbox._cleaned(notice, b"body")

    assert cleaned.ref == ""
    assert cleaned.delivery_id == hashlib.sha256(b"body").hexdigest()
    assert len(cleaned.status) <= 40
    assert "\x00" not in cleaned.status


def test_a_delivery_that_cannot_be_verified_now_is_to_be_sent_again(
    client: Client, attempt: Attempt, settings: Any
) -> None:
    entry = settings.IMAGEGEN["CREDENTIALS"]["hook"]
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {"hook": {**entry, "WEBHOOK_SOURCE": "tests.services.worker.vaults.raises"}},
    }

    status = post(client, attempt, body(), signed(body()))

    assert status == 503
    assert not WebhookDelivery.objects.exists()


def test_a_late_delivery_does_not_bring_an_erased_prompt_back(
    client: Client, attempt: Attempt
) -> None:
    rows = Job.objects.filter(pk=attempt.job_id)
    use_case(audited=False)(lambda: rows.update(prompt_erased_at=clock.now()))()
    data = body(input={"prompt": "Ada's garden"})

    status = post(client, attempt, data, signed(data))

    assert status in {200, 202, 204}
    delivery = WebhookDelivery.objects.get()
    assert (delivery.body, delivery.body_sha256) == ("", "")
