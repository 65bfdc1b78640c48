from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.signals import user_login_failed
from django.urls import reverse

from imagegen_app.models import AuditEvent, AuditPersonalText
from imagegen_app.services.policy import sign_in_events
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"


@pytest.fixture
def recording(settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "AUDIT": {"RECORD_SIGN_INS": True}}


def sign_in(client: Client, password: str, *, name: str = "ada") -> None:
    client.post(reverse("admin:login"), {"username": name, "password": password})


def recorded() -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.filter(type__startswith="auth.").order_by("pk")
    return list(rows.values_list("type", "actor_id", "object_id"))


def test_sign_ins_and_failed_ones_are_recorded_where_the_site_wants_it(
    client: Client, recording: None
) -> None:
    ada = make_user("ada", password=PASSWORD, is_staff=True)

    sign_in(client, "wrong")
    sign_in(client, "wrong", name="my-password")
    sign_in(client, PASSWORD)

    assert recorded() == [
        ("auth.login_failed", "sign-in", str(ada.pk)),
        ("auth.login_failed", "sign-in", ""),
        ("auth.logged_in", str(ada.pk), str(ada.pk)),
    ]
    assert not AuditPersonalText.objects.filter(value__contains="password").exists()


def test_sign_ins_are_not_recorded_by_default(client: Client) -> None:
    make_user("ada", password=PASSWORD, is_staff=True)

    sign_in(client, "wrong")
    sign_in(client, PASSWORD)

    assert recorded() == []


def test_a_flood_of_failed_sign_ins_does_not_fill_the_log(
    recording: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_events, "MAX_FAILED_PER_MINUTE", 3)

    for _number in range(5):
        user_login_failed.send(__name__, credentials={"username": "nobody\0"}, request=None)

    assert len(recorded()) == 3
