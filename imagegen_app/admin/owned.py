"""Base of tables in which people see their own rows; how states and audit trails are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from imagegen_app.admin.base import RecordAdmin
from imagegen_app.services.audit import descriptions

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from imagegen_app.models import Job

_GOOD = {"succeeded", "approved", "settled", "passed"}
_BAD = {"failed", "blocked", "expired", "uncertain", "rejected", "withdrawn", "unknown", "refused"}


def state_badge(value: str, text: object) -> SafeString:
    """Return a state as a coloured chip; its text says the same as its colour."""
    kind = "is-good" if value in _GOOD else "is-bad" if value in _BAD else "is-open"
    return format_html('<span class="imagegen-chip {}">{}</span>', kind, text)


def timeline(job: Job) -> SafeString:
    """Return a job's audit trail as sentences, each with its position in the sealed log."""
    return format_html(
        '<ol class="imagegen-story">{}</ol>',
        format_html_join(
            "",
            '<li><bdi>{}</bdi> · <bdi>{}</bdi> <a href="{}">{}</a></li>',
            (
                (
                    event.at.strftime("%Y-%m-%d %H:%M:%S"),
                    event.sentence,
                    reverse("admin:imagegen_auditevent_change", args=[event.event.pk]),
                    _("entry %(place)s") % {"place": event.seq}
                    if event.seq is not None
                    else _("not sealed yet"),
                )
                for event in descriptions.describe_job_history(job)
            ),
        ),
    )


class OwnedRecordAdmin(RecordAdmin):
    """A table of which people without the view permission see their own rows."""

    #: Path from the row to its requester.
    owner = "requester"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow requesters too; `get_queryset` limits which rows they see."""
        if super().has_view_permission(request, obj):
            return True
        if not request.user.has_perm("imagegen.request_job"):
            return False
        return obj is None or self._owner(obj) == request.user.pk

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or bool(
            request.user.has_perm("imagegen.request_job")
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if super().has_view_permission(request):
            return rows
        return rows.filter(**{self.owner: request.user.pk})

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            # Display methods need the reader but get no request; a model admin serves many requests.
            row.reader = self.actor(request)
        return row

    def _owner(self, obj: Any) -> Any:
        for step in self.owner.split("__"):
            obj = getattr(obj, f"{step}_id") if step == "requester" else getattr(obj, step)
        return obj
