"""Look up who did something before and when, to answer a command that is given once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.models import AuditEvent, AuditPersonalText
from imagegen_app.services.foundation.event_log import object_ref
from imagegen_app.services.foundation.local_times import format_in_text

if TYPE_CHECKING:
    from django.db.models import Model


def who_and_when(subject: Model, *kinds: str, people_only: bool = False) -> str:
    """Return a sentence with who caused the last such event of a row and when; empty if unknown."""
    reference = object_ref(subject)
    found = AuditEvent.objects.filter(
        object_type=reference.kind, object_id=reference.id, type__in=kinds
    )
    if people_only:
        found = found.filter(actor_kind="person")
    last = found.only("pk", "at", "actor_kind").order_by("-pk").first()
    if last is None:
        return ""
    when = format_in_text(last.at)
    if last.actor_kind == "system":
        return _("The system did this on %(when)s.") % {"when": when}
    name = (
        AuditPersonalText.objects.filter(event=last, field="actor_label")
        .values_list("value", flat=True)
        .first()
    )
    if not name:
        # The name was erased; the time remains.
        return _("This was done on %(when)s.") % {"when": when}
    return _("%(person)s did this on %(when)s.") % {"person": name, "when": when}
