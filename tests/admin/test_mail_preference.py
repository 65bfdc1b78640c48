"""The page on which a person chooses a mail about finished work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import MailPreference
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
PAGE = "admin:imagegen_mail_preference"


@pytest.fixture
def edda(client: Client) -> Any:
    user = make_user("edda", groups=["Image editors"], is_staff=True)
    user.email = "edda@example.org"
    user.save()
    client.force_login(user)
    return user


def test_it_is_chosen_and_taken_back(client: Client, edda: Any) -> None:
    page = client.get(reverse(PAGE)).content.decode()
    assert "Mails go to edda@example.org." in page
    sent = {"wanted": "1", "minutes": "20"}

    answer = client.post(reverse(PAGE), sent, follow=True).content.decode()

    kept = MailPreference.objects.get(person=edda)
    assert "Mails about finished work go to edda@example.org." in answer
    assert kept.minutes == 20
    assert (
        kept.addresses["session"]
        == f"http://testserver{reverse('admin:imagegen_studio')}?session={{key}}"
    )
    key = "01a221cc-7982-7e6e-9b98-150efe47772f"
    job = kept.addresses["job"].replace("{key}", key)
    assert job == f"http://testserver{reverse('admin:imagegen_studio_job', args=[key])}"

    client.post(reverse(PAGE), {"minutes": "20"})
    assert not MailPreference.objects.exists()


def test_a_wrong_number_says_what_is_possible(client: Client, edda: Any) -> None:
    for minutes in ("", "x", "0", "99999"):
        answer = client.post(reverse(PAGE), {"wanted": "1", "minutes": minutes})
        if minutes != "0":
            assert answer.status_code == 422
            assert "Between 1 and 1440 minutes are possible." in answer.content.decode()
    assert not MailPreference.objects.exists()


def test_the_studio_leads_to_it_where_the_site_sends_mails(
    client: Client, edda: Any, settings: Any
) -> None:
    assert reverse(PAGE) in client.get(reverse("admin:imagegen_studio")).content.decode()
    settings.IMAGEGEN = {**settings.IMAGEGEN, "MAIL_FINISHED_WORK": False}

    assert client.get(reverse(PAGE)).status_code == 404
    assert reverse(PAGE) not in client.get(reverse("admin:imagegen_studio")).content.decode()
