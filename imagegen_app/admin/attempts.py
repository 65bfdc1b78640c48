"""Attempts, batches and verdicts in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin import list_search
from imagegen_app.admin.base import (
    EMPTY,
    amount,
    definition_list,
    join_words,
    link,
    two_lines,
)
from imagegen_app.admin.owned import (
    OwnedRecordAdmin,
    help_lines,
    provider_explanation,
    state_badge,
)
from imagegen_app.admin.pages import screeners
from imagegen_app.admin.saved_views import SavedView
from imagegen_app.core.states import AttemptState, VerdictOutcome
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Attempt, Batch, KeptAnswer, Verdict
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.foundation.local_times import format_in_name
from imagegen_app.services.job_requests import shot_choice
from imagegen_app.services.library import applied_values
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString


@admin.register(Attempt)
class AttemptAdmin(OwnedRecordAdmin):
    """Attempts: billable calls to a provider."""

    owner = "job__requester"
    list_display = ["name", "state_chip", "image_model", "provider_ref", "charged", "created_at"]
    named = ["job"]
    saved_views = (
        SavedView(gettext_lazy("Outcome unknown"), {"state__exact": AttemptState.UNKNOWN.value}),
        SavedView(gettext_lazy("Refused"), {"state__exact": AttemptState.REFUSED.value}),
    )
    list_filter = ["state", "image_model"]
    list_select_related = ["job", "image_model"]
    search_fields = ["id"]
    searched_by = staticmethod(list_search.of_attempt)
    looked_up = ("state__exact",)
    people = ["job__requester"]
    search_help_text = gettext_lazy(
        "Beginning of the ID of a call or its job, the provider's ID of it, model or person"
    )
    ordering = ["-created_at"]
    allowed_lookups = ["job"]
    fields = [
        "state_chip",
        "job_link",
        "image_model",
        "number",
        "provider_ref",
        "provider_request_id",
        "provider_stage",
        "queue_position",
        "result_expires_at",
        "model_version",
        "applied",
        "workflow",
        "charged",
        "charge_source",
        "error_code",
        "error_detail",
        "provider_words",
        "remedy",
        "kept_answer_link",
        "is_resent_at_risk",
        "poll_count",
        "created_at",
        "sent_at",
        "answered_at",
        "answer_host",
        "ended_at",
    ]

    @admin.display(description=gettext_lazy("call"), ordering="created_at")
    def name(self, obj: Attempt) -> str:
        """Return what people call the attempt."""
        return str(obj)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_chip(self, obj: Attempt) -> SafeString:
        """Return the state as a chip."""
        return state_badge(obj.state, obj.get_state_display())

    @admin.display(description=gettext_lazy("job"))
    def job_link(self, obj: Attempt) -> SafeString:
        """Return a link to the job."""
        return link(admin_url("imagegen_job_change", obj.job_id), obj.job)

    @admin.display(description=gettext_lazy("what to do"))
    def remedy(self, obj: Any) -> SafeString | str:
        """Return what to do about the error: as its job says, where that ended with it."""
        told = obj.job.error_remedy if obj.job.error_code == obj.error_code else ""
        remedy = stored_messages.translate_stored(told)
        return help_lines(obj.error_code, reader=obj.reader, remedy=remedy) or EMPTY

    @admin.display(description=gettext_lazy("the provider's explanation"))
    def provider_words(self, obj: Any) -> SafeString | str:
        """Return how the provider explained the failure if the reader may see it."""
        return provider_explanation(obj.reader, obj)

    @admin.display(description=gettext_lazy("kept answer"))
    def kept_answer_link(self, obj: Any) -> SafeString | str:
        """Return a link to the answer that is kept, or that this attempt reads again."""
        kept = obj.rereads or KeptAnswer.objects.filter(attempt=obj).first()
        if kept is None or not access.has_permission(obj.reader, "view_keptanswer"):
            return EMPTY
        return link(admin_url("imagegen_keptanswer_change", kept.pk), kept)

    @admin.display(description=gettext_lazy("as the provider applied it"))
    def applied(self, obj: Attempt) -> SafeString:
        """Return the parameters as the provider applied them, and what it was not sent."""
        notes = [(_("Note"), text) for text in applied_values.deviations(obj)]
        return definition_list([*applied_values.applied_values(obj), *notes])

    @admin.display(description=gettext_lazy("charged"))
    def charged(self, obj: Attempt) -> str:
        """Return the amount charged."""
        return amount(obj.actual_cost, obj.job.currency)

    @admin.display(description=gettext_lazy("source of the charge"))
    def charge_source(self, obj: Attempt) -> str:
        """Return where the figure comes from, and of which day the prices are."""
        source = str(obj.get_cost_source_display()) or EMPTY
        if obj.priced_on is None:
            return source
        return _("%(source)s of %(day)s") % {"source": source, "day": obj.priced_on.isoformat()}


@admin.register(Batch)
class BatchAdmin(OwnedRecordAdmin):
    """Many jobs from one template."""

    change_list_template = "imagegen_app/admin/records/batch_list.html"
    list_display = [
        "title_and_day",
        "template_version",
        "requester_name",
        "row_count",
        "succeeded",
        "pages",
    ]
    list_select_related = ["template_version__template", "requester"]
    search_fields = ["title"]
    people = ["requester"]
    ordering = ["-created_at"]
    fields = [
        "title",
        "template_version",
        "requester",
        "mapped",
        "shot_places",
        "row_count",
        "succeeded",
        "failed",
        "blocked",
        "cancelled",
        "created_at",
        "paused_at",
        "cancelled_at",
        "pages",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # These hold thousands of keys, which no page of this table shows.
        return super().get_queryset(request).defer("rows", "invalid_rows")

    @admin.display(description=gettext_lazy("title"), ordering="created_at")
    def title_and_day(self, obj: Batch) -> SafeString:
        """Return the title, and when it was requested."""
        return two_lines(obj.title, format_in_name(obj.created_at))

    @admin.display(description=gettext_lazy("pages"))
    def pages(self, obj: Batch) -> SafeString:
        """Return links to the batch's own pages."""
        return format_html(
            '<a href="{}">{}</a> · <a href="{}">{}</a> · <a href="{}?batch={}">{}</a>',
            admin_url("imagegen_batch_run", obj.pk),
            _("Progress"),
            admin_url("imagegen_batch_review", obj.pk),
            _("Review"),
            admin_url("imagegen_job_changelist"),
            obj.pk,
            _("Jobs"),
        )

    @admin.display(description=gettext_lazy("variables"))
    def mapped(self, obj: Batch) -> SafeString:
        """Return the field or the fixed value behind each variable."""
        return definition_list(
            (
                name.removeprefix("=").replace("_", " "),
                f"“{path}”" if name.startswith("=") else path,
            )
            for name, path in [
                *obj.mapping.get("variables", {}).items(),
                *((f"={n}", v) for n, v in obj.mapping.get("fixed", {}).items()),
            ]
        )

    @admin.display(description=gettext_lazy("shots"))
    def shot_places(self, obj: Batch) -> SafeString:
        """Return the shots of each row, with the field that each is placed in."""
        return definition_list(
            (
                shot_choice.label_of(obj.template_version, shot),
                field or _("not placed: stays in the library"),
            )
            for shot, field in obj.shot_fields.items()
        )


@admin.register(Verdict)
class VerdictAdmin(OwnedRecordAdmin):
    """Decisions of content checks and of people."""

    list_title = gettext_lazy("Content checks")
    owner = "job__requester"
    list_display = ["outcome_chip", "job_link", "stage", "screener", "category_words", "created_at"]
    named = ["job"]
    saved_views = (
        SavedView(gettext_lazy("Held"), {"outcome__exact": VerdictOutcome.HELD.value}),
        SavedView(gettext_lazy("Blocked"), {"outcome__exact": VerdictOutcome.BLOCKED.value}),
    )
    list_filter = ["outcome", "hard_category", "stage", "screener"]
    list_select_related = ["job"]
    search_fields = ["screener"]
    searched_by = staticmethod(list_search.of_verdict)
    looked_up = ("outcome__exact",)
    ordering = ["-created_at"]
    allowed_lookups = ["job", "asset"]
    change_list_template = "imagegen_app/admin/records/verdict_list.html"
    fields = [
        "outcome_chip",
        "hard_category",
        "stage",
        "screener",
        "model",
        "part",
        "category_words",
        "score_facts",
        "content_sha256",
        "remedy",
        "job_link",
        "decided_by",
        "created_at",
    ]

    def get_urls(self) -> list[URLPattern]:
        return [*screeners.ScreenerPages(self.admin_site).urls(), *super().get_urls()]

    @admin.display(description=gettext_lazy("outcome"), ordering="outcome")
    def outcome_chip(self, obj: Verdict) -> SafeString:
        """Return the outcome as a chip."""
        return state_badge(obj.outcome, obj.get_outcome_display())

    @admin.display(description=gettext_lazy("where"))
    def part(self, obj: Verdict) -> str:
        """Return the part of the request or the result that was checked."""
        return stored_messages.screened_part(obj.part) or EMPTY

    @admin.display(description=gettext_lazy("categories"))
    def category_words(self, obj: Verdict) -> str:
        """Return the categories as words."""
        return join_words(obj.categories) if obj.categories else EMPTY

    @admin.display(description=gettext_lazy("scores"))
    def score_facts(self, obj: Verdict) -> SafeString:
        """Return the scores by category."""
        return definition_list((k.replace("_", " "), v) for k, v in obj.scores.items())

    @admin.display(description=gettext_lazy("job"))
    def job_link(self, obj: Verdict) -> SafeString:
        """Return a link to the job."""
        return link(admin_url("imagegen_job_change", obj.job_id), obj.job)
