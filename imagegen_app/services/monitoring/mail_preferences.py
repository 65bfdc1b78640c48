"""Keep after how many minutes of work a person wants a mail when it is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.models import MailPreference
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from imagegen_app.core.actors import Person

#: What a form begins with, and the limits.
USUAL_MINUTES: Final = 5
LEAST_MINUTES: Final = 1
MOST_MINUTES: Final = 24 * 60


class MailNotPossible(ActionRefused):
    """The preference cannot be kept."""

    code = "mail_not_possible"


def is_offered() -> bool:
    """Return whether the site sends such mails at all."""
    return conf.get().mail_finished_work


def address_of(user: Any) -> str:
    """Return the person's e-mail address; empty for none."""
    return str(getattr(user, user.get_email_field_name(), "") or "").strip()


def minutes_of(actor: Person) -> int:
    """Return after how many minutes the person gets a mail; 0 for never."""
    found = MailPreference.objects.filter(person=actor.user).values_list("minutes", flat=True)
    return found.first() or 0


@use_case()
def choose(*, actor: Person, minutes: int, addresses: Mapping[str, str]) -> None:
    """Keep after how many minutes of work the person gets a mail; 0 for never.

    `addresses` are those of the pages that a mail leads to, by kind, with `{key}` for the key: a
    worker, which sends it, does not know where the site is. The mail is in the language that is
    active now.

    :raises MailNotPossible: if the site sends none, the person has no address, or the number is wrong.
    """
    refused = _("Nothing was saved.")
    rows = MailPreference.objects.filter(person=actor.user)
    if minutes == 0:
        if not rows.select_for_update().exists():
            skip_audit_event()
            return
        rows.delete()
        event_log.record(actor, "mail_preference.changed", data={"minutes": 0})
        return
    if not is_offered():
        raise MailNotPossible(refused, reason=_("This site sends no such mails."), remedy="")
    if not address_of(actor.user):
        raise MailNotPossible(
            refused,
            reason=_("Your account has no e-mail address."),
            remedy=_("Add it to your account, or have it added."),
        )
    if not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        raise MailNotPossible(
            refused,
            reason=_("Between %(least)s and %(most)s minutes are possible.")
            % {"least": LEAST_MINUTES, "most": MOST_MINUTES},
            remedy=_("Enter another number."),
        )
    wanted = {
        "minutes": minutes,
        "language": get_language() or conf.language_code(),
        "addresses": dict(addresses),
    }
    # Two tabs may both find none: the second one waits, and finds what the first has made.
    kept, is_new = rows.select_for_update().get_or_create(
        person=actor.user, defaults={"looked_at": clock.now(), **wanted}
    )
    if not is_new:
        if all(getattr(kept, name) == value for name, value in wanted.items()):
            skip_audit_event()
            return
        rows.update(**wanted)
    event_log.record(actor, "mail_preference.changed", data={"minutes": minutes})
