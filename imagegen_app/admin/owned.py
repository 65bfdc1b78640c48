"""Base of tables in which people see their own rows; how states and audit trails are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import EMPTY, RecordAdmin, link
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.audit import descriptions, prompt_access
from imagegen_app.services.foundation import error_help, object_names
from imagegen_app.services.foundation.local_times import format_second
from imagegen_app.services.library import delivery
from imagegen_app.services.policy import access, closed_content

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset, Attempt, Job

_REMEDY = '<div class="imagegen-remedy">{}</div>'
_GOOD = {"succeeded", "approved", "settled", "passed"}
_BAD = {"failed", "blocked", "expired", "uncertain", "rejected", "withdrawn", "unknown", "refused"}


def state_badge(value: str, text: object) -> SafeString:
    """Return a state as a coloured chip; its text says the same as its colour."""
    kind = "is-good" if value in _GOOD else "is-bad" if value in _BAD else "is-open"
    return format_html('<span class="imagegen-chip {}">{}</span>', kind, text)


#: How a severity looks that asks for notice.
_SEVERITY_LOOKS = {"notice": "is-info", "warning": "is-warn", "alarm": "is-bad"}


def severity_badge(value: str, text: object) -> SafeString:
    """Return an event's severity, as a chip where it asks for notice."""
    if value not in _SEVERITY_LOOKS:
        return format_html("{}", text)
    return format_html('<span class="imagegen-chip {}">{}</span>', _SEVERITY_LOOKS[value], text)


def closed_badge(asset: Asset) -> SafeString:
    """Return what stands in place of an image that was closed for good."""
    return format_html(
        "{} <p>{}</p>",
        state_badge("blocked", asset.get_hard_category_display()),
        _("Nobody can see or release this image. Its record and its hashes stay."),
    )


def closed_notice(asset: Asset) -> SafeString:
    """Return all that can be said of an image that was closed for good, for its own page."""
    origin = closed_content.closed_origin(asset)
    made_from = (
        format_html(
            "<p>{} {}</p>",
            _("It was made from an image that was closed:"),
            link(admin_url("imagegen_asset_change", origin.pk), origin),
        )
        if origin is not None
        else ""
    )
    return format_html(
        "{}{}<p>{}</p>",
        closed_badge(asset),
        made_from,
        _(
            "This cannot be undone, not even after a false alarm: nobody has a permission for it. "
            "What is possible is a new request, with other words or another input image."
        ),
    )


def thumbnail(asset: Asset) -> SafeString:
    """Return a small preview of an image; none of what was closed for good."""
    if asset.hard_category:
        return closed_badge(asset)
    return format_html(
        '<img class="imagegen-thumb" src="{}" alt="{}" width="64" height="64" loading="lazy">',
        delivery.preview_url(asset, width=160),
        asset.alt_text or _("no alternative text yet"),
    )


def timeline(job: Job) -> SafeString:
    """Return a job's audit trail as sentences, each with its position in the sealed log."""
    return format_html(
        '<ol class="imagegen-story">{}</ol>',
        format_html_join(
            "",
            '<li><bdi>{}</bdi> · <bdi>{}</bdi> <a href="{}">{}</a></li>',
            (
                (
                    format_second(event.at),
                    event.sentence,
                    admin_url("imagegen_auditevent_change", event.event.pk),
                    _("entry %(place)s") % {"place": event.seq}
                    if event.seq is not None
                    else _("not sealed yet"),
                )
                for event in descriptions.describe_job_history(job)
            ),
        ),
    )


def help_lines(code: str, *, reader: Actor | None = None, remedy: str = "") -> SafeString:
    """Return what to do about an error, with a link to the documentation; empty without an error.

    `remedy` is what was stored with the error, which may know better. A `reader` who can change
    providers is also told what administrators can do.
    """
    told = error_help.error_help(code)
    lines = [part for part in (remedy or told.remedy, _more(told.url, code)) if part]
    shown = [format_html_join(" ", "{}", ((part,) for part in lines))] if lines else []
    if (
        reader is not None
        and told.administrator
        and access.has_permission(reader, "change_provider")
    ):
        shown.append(
            format_html("<strong>{}</strong> {}", _("Administrators:"), told.administrator)
        )
    return format_html_join("", _REMEDY, ((line,) for line in shown))


def provider_explanation(reader: Actor, attempt: Attempt) -> SafeString | str:
    """Return how the provider explained a failed attempt if the reader may see it, as recorded."""
    message = prompt_access.read_provider_message(reader, attempt)
    if message is None:
        return format_html(
            "<p>{}</p>",
            _(
                "What the provider said may repeat the prompt; you do not have permission to read "
                "other people's prompts."
            ),
        )
    if not message:
        return EMPTY
    said = format_html('<q dir="auto">{}</q>', message)
    return format_html(
        '<p class="imagegen-prompt">{}</p>', format_html(_("The provider said: {}"), said)
    )


def help_link(code: str, *, remedy: str) -> SafeString:
    """Return what to do about an error for a list, where there is room for little: as the link."""
    told = error_help.error_help(code)
    text = remedy or told.remedy
    if not text:
        return SafeString("")
    return format_html(_REMEDY, link(told.url, text) if told.url else text)


def _more(url: str, code: str) -> SafeString | str:
    if not url:
        return ""
    return format_html(
        '<a href="{}">{}<span class="visually-hidden"> {}</span></a>',
        url,
        _("More about this error"),
        code,
    )


def record_links(kind: str, rows: Any) -> SafeString:
    """Return links to records, each with its state."""
    return format_html_join(
        " · ",
        '<a href="{}">{}</a>',
        ((admin_url(f"imagegen_{kind}_change", row.pk), f"{row} ({_state(row)})") for row in rows),
    )


def _state(row: Any) -> str:
    display = getattr(row, "get_review_state_display", None) or row.get_state_display
    return str(display())


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

    @admin.display(description=gettext_lazy("requested by"), ordering="requester")
    def requester_name(self, obj: Any) -> str:
        """Return the requester's name."""
        return EMPTY if obj.requester is None else object_names.person_name(obj.requester)

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
