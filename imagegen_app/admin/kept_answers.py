"""Answers in the admin that are kept because they could not be used."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404
from django.template.defaultfilters import filesizeformat
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from imagegen_app import conf
from imagegen_app.admin.base import EMPTY, RecordAdmin, link, two_lines
from imagegen_app.admin.owned import state_badge
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import KeptAnswer
from imagegen_app.services.foundation import error_help, stored_messages
from imagegen_app.services.gateways import kept_files
from imagegen_app.services.job_requests import rereading
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern
    from django.utils.safestring import SafeString


@admin.register(KeptAnswer)
class KeptAnswerAdmin(RecordAdmin):
    """Answers that were paid for and could not be used; never shown, only downloaded."""

    list_display = [
        "reason_and_detail",
        "state",
        "job_link",
        "provider",
        "size",
        "kept_at",
        "until",
    ]
    named = ["attempt.job"]
    list_filter = ["reason", "attempt__image_model__provider"]
    list_select_related = ["attempt__job", "attempt__image_model__provider"]
    search_fields = ["attempt__id", "attempt__job__id"]
    search_help_text = gettext_lazy("Attempt or job ID")
    ordering = ["-kept_at"]
    allowed_lookups = ["attempt"]
    actions = ["read_again"]
    fields = [
        "state",
        "job_link",
        "attempt_link",
        "provider",
        "reason",
        "error_details",
        "detail",
        "size",
        "host",
        "kept_at",
        "until",
        "rereadings",
        "downloads",
    ]

    def get_urls(self) -> list[URLPattern]:
        download = path(
            "<uuid:pk>/download/<slug:part>/",
            self.admin_site.admin_view(require_safe(self.download)),
            name="imagegen_keptanswer_download",
        )
        return [download, *super().get_urls()]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            # Display methods need the reader but get no request.
            row.reader = self.actor(request)
        return row

    def download(self, request: HttpRequest, pk: Any, part: str) -> HttpResponseBase:
        """Send one part as a file to store; what it holds is not known, so it is never shown."""
        kept = KeptAnswer.objects.select_related("attempt__job").filter(pk=pk).first()
        if kept is None or kept.removed_at is not None:
            raise Http404
        answer = kept_files.answer_of(kept.attempt)
        if part not in kept_files.parts_of(answer):
            raise Http404
        try:
            rereading.record_download(actor=self.actor(request), kept=kept, part=part)
        except access.ActionRefused as refusal:
            raise PermissionDenied(str(refusal)) from None
        response = FileResponse(
            (answer.folder / part).open("rb"),
            as_attachment=True,
            filename=f"answer-{str(kept.pk)[-8:]}-{part}.bin",
            content_type="application/octet-stream",
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    @admin.display(description=gettext_lazy("state"))
    def state(self, obj: KeptAnswer) -> SafeString:
        """Return whether its files are there and whether it was read again, as a chip."""
        if obj.removed_at is not None:
            return state_badge("expired", _("Removed"))
        if obj.rereadings.filter(job__state="succeeded").exists():
            return state_badge("succeeded", _("Read again"))
        return state_badge("open", _("Kept"))

    @admin.display(description=gettext_lazy("reason"), ordering="reason")
    def reason_and_detail(self, obj: KeptAnswer) -> SafeString:
        """Return why it was kept."""
        return two_lines(error_help.error_title(obj.reason) or obj.reason, obj.detail)

    @admin.display(description=gettext_lazy("job"))
    def job_link(self, obj: KeptAnswer) -> SafeString:
        """Return a link to the job."""
        return link(admin_url("imagegen_job_change", obj.attempt.job_id), obj.attempt.job)

    @admin.display(description=gettext_lazy("attempt"))
    def attempt_link(self, obj: KeptAnswer) -> SafeString:
        """Return a link to the attempt."""
        return link(admin_url("imagegen_attempt_change", obj.attempt_id), obj.attempt)

    @admin.display(description=gettext_lazy("provider"))
    def provider(self, obj: KeptAnswer) -> str:
        """Return the provider whose answer it is."""
        return str(obj.attempt.image_model.provider)

    @admin.display(description=gettext_lazy("what happened"))
    def error_details(self, obj: KeptAnswer) -> str:
        """Return the error that its job ended with, in the reader's language."""
        return stored_messages.translate_stored(obj.attempt.job.error_message) or EMPTY

    @admin.display(description=gettext_lazy("size"))
    def size(self, obj: KeptAnswer) -> str:
        """Return the size of the files."""
        return filesizeformat(obj.byte_size)

    @admin.display(description=gettext_lazy("kept until"))
    def until(self, obj: KeptAnswer) -> str:
        """Return the day on which it is removed."""
        if obj.removed_at is not None:
            return EMPTY
        day = obj.kept_at + timedelta(days=conf.get().spool.keep_days)
        return date_format(timezone.localtime(day), "DATE_FORMAT")

    @admin.display(description=gettext_lazy("read again by"))
    def rereadings(self, obj: KeptAnswer) -> SafeString | str:
        """Return links to the jobs that read it again."""
        rows = (
            (
                admin_url("imagegen_job_change", attempt.job_id),
                attempt.job,
                attempt.job.get_state_display(),
            )
            for attempt in obj.rereadings.select_related("job").order_by("created_at")
        )
        return format_html_join(" · ", '<a href="{}">{} ({})</a>', rows) or EMPTY

    @admin.display(description=gettext_lazy("download"))
    def downloads(self, obj: Any) -> SafeString | str:
        """Return a download link for each part, if the reader may download it."""
        if obj.removed_at is not None:
            return EMPTY
        if not access.has_permission(obj.reader, "download_kept_answer"):
            return _("You do not have permission to download kept answers.")
        parts = list(kept_files.parts_of(kept_files.answer_of(obj.attempt)))
        if not parts:
            return _("The files are not on this host.")
        return format_html(
            '<ul class="imagegen-story">{}</ul>',
            format_html_join(
                "",
                '<li><a href="{}">{}</a></li>',
                ((admin_url("imagegen_keptanswer_download", obj.pk, part), part) for part in parts),
            ),
        )

    def has_reread_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may have answers read again."""
        return bool(request.user.has_perm("imagegen.reread_kept_answer"))

    @admin.action(description=gettext_lazy("Read again, at no cost"), permissions=["reread"])
    def read_again(self, request: HttpRequest, queryset: QuerySet[KeptAnswer]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda actor, kept: rereading.read_again(actor=actor, kept=kept),
            done=lambda n: (
                ngettext(
                    "%(n)s answer is being read again.", "%(n)s answers are being read again.", n
                )
                % {"n": n}
            ),
        )
