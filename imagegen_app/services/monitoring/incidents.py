"""Tell people which providers and models fail at present, whom that hinders, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app.models import Incident
from imagegen_app.services.foundation import error_help
from imagegen_app.services.foundation.local_times import format_in_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagegen_app.models import ImageModel


@dataclass(frozen=True, slots=True)
class IncidentNotice:
    """An open incident for people whom it hinders, in their language."""

    incident: Incident
    #: What fails, since when, and why.
    message: str
    #: What happens with their jobs, and what they can do.
    remedy: str
    #: What an administrator can do; empty where there is nothing to add.
    administrator: str


def hindering(models: Iterable[ImageModel]) -> list[IncidentNotice]:
    """Return the open incidents of models, or of their providers, with one query at most.

    Models that `access.granted_models` returned say already whether there is any.
    """
    known = [one for one in models if getattr(one, "is_failing", True)]
    if not known:
        return []
    of_them = Q(image_model__in=[one.pk for one in known]) | Q(
        image_model__isnull=True, provider__in={one.provider_id for one in known}
    )
    rows = Incident.objects.filter(of_them, open_key__isnull=False).order_by("opened_at", "pk")
    return [_notice(row) for row in rows.select_related("provider", "image_model", "stand_in")]


def _notice(incident: Incident) -> IncidentNotice:
    told = error_help.error_help(incident.error_code)
    message = _("%(what)s cannot be used at present, since %(since)s: %(error)s.") % {
        "what": _what(incident),
        "since": format_in_text(incident.opened_at),
        "error": error_help.error_title(incident.error_code) or incident.error_code,
    }
    if incident.stand_in is not None:
        remedy = _("Jobs go on with %(model)s, where it can do what they ask for.") % {
            "model": incident.stand_in
        }
    else:
        remedy = _(
            "Jobs that wait continue by themselves once it works again. If you cannot wait, choose "
            "another model."
        )
    return IncidentNotice(incident, message, remedy, told.administrator)


def _what(incident: Incident) -> str:
    if incident.image_model is None:
        return str(incident.provider)
    return _("%(model)s (%(operation)s)") % {
        "model": incident.image_model,
        "operation": incident.get_operation_display(),
    }
