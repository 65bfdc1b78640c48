"""A person chooses after how much work a mail is sent; the choice is kept and recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegen_app.models import AuditEvent, MailPreference
from imagegen_app.services.monitoring import mail_preferences
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user

pytestmark = pytest.mark.django_db
TYPE = "mail_preference.changed"


@pytest.fixture
def edda() -> Any:
    user = make_user("edda", groups=["Image editors"])
    user.email = "edda@example.org"
    user.save()
    return access.actor_for(user)


def recorded() -> list[int]:
    events = AuditEvent.objects.filter(type=TYPE).order_by("pk")
    return [json.loads(one.body)["data"]["minutes"] for one in events]


def test_a_choice_is_kept_changed_and_taken_back(edda: Any) -> None:
    for minutes in (5, 5, 10, 0, 0):
        mail_preferences.choose(actor=edda, minutes=minutes, addresses={})
        assert mail_preferences.minutes_of(edda) == minutes

    assert recorded() == [5, 10, 0]
    assert not MailPreference.objects.exists()


@pytest.mark.parametrize("minutes", [-1, 1441])
def test_other_numbers_are_refused(edda: Any, minutes: int) -> None:
    with pytest.raises(mail_preferences.MailNotPossible, match="Between 1 and 1440 minutes"):
        mail_preferences.choose(actor=edda, minutes=minutes, addresses={})


def test_without_an_address_or_where_the_site_sends_none_it_is_refused(
    edda: Any, settings: Any
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "MAIL_FINISHED_WORK": False}
    with pytest.raises(mail_preferences.MailNotPossible, match="sends no such mails"):
        mail_preferences.choose(actor=edda, minutes=5, addresses={})
    settings.IMAGEGEN = {**settings.IMAGEGEN, "MAIL_FINISHED_WORK": True}
    edda.user.email = ""
    with pytest.raises(mail_preferences.MailNotPossible, match="no e-mail address"):
        mail_preferences.choose(actor=edda, minutes=5, addresses={})
    assert recorded() == []
