"""Jobs in the admin, and all pages whose URLs are below theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.admin import job_pages, list_search, navigation
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
    help_link,
    provider_explanation,
    record_links,
    state_badge,
    timeline,
)
from imagegen_app.admin.saved_views import WEEK_AGO, SavedView
from imagegen_app.core.states import RUNNING_STATES, JobState
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset, Job, LedgerEntry
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.foundation.local_times import format_day, format_in_name, format_second
from imagegen_app.services.job_requests import job_actions, shot_choice, values
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import summary
from imagegen_app.services.monitoring import progress, uncertain_jobs
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString


TIMES = "\N{MULTIPLICATION SIGN}"
#: Keeps the number beside its sign.
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


@admin.register(Job)
class JobAdmin(OwnedRecordAdmin):
    """Jobs with their state, cost, results and audit trail."""

    list_display = [
        *("name_and_day", "state_and_remedy", "operation_and_count", "image_model"),
        *("requester_name", "cost"),
    ]
    list_filter = ["state", "created_at", "waiting_for", "operation", "image_model"]
    list_select_related = ["image_model", "requester"]
    search_fields = ["id"]
    searched_by = staticmethod(list_search.of_job)
    looked_up = ("state__in", "state__exact")
    people = ["requester"]
    search_help_text = gettext_lazy("ID, batch row, error code, template, model or person")
    ordering = ["-created_at"]
    allowed_lookups = [
        *("batch", "template_version", "brand_kit_version", "requester", "attempts", "state__in"),
        *("created_at__gte", "created_at__lt"),
    ]
    saved_views = (
        SavedView(gettext_lazy("Running"), {"state__in": ",".join(RUNNING_STATES)}),
        SavedView(gettext_lazy("Waiting for a person"), {"state__exact": JobState.UNCERTAIN.value}),
        SavedView(
            gettext_lazy("Failed this week"),
            {"created_at__gte": WEEK_AGO, "state__exact": JobState.FAILED.value},
        ),
    )
    change_form_template = "imagegen_app/admin/records/job.html"
    actions = ["cancel", "request_again", "close_unknown", "send_again", "never_accepted"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "state_chip",
                    "error_details",
                    "request_facts",
                    "prompt_text",
                    "money_facts",
                ]
            },
        ),
        (
            gettext_lazy("Results"),
            {"fields": ["asset_links", "pass_links", "attempt_links", "verdict_lines", "links"]},
        ),
        (gettext_lazy("Audit trail"), {"fields": ["audit_trail"]}),
    ]

    def __init__(self, model: type[Job], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        navigation.add_entries(admin_site)

    def get_urls(self) -> list[URLPattern]:
        pages = [url for cls in job_pages.page_classes() for url in cls(self.admin_site).urls()]
        return [*pages, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add what is known of an uncertain job to the context; the template shows it first."""
        job = kwargs.get("obj")
        if job is not None:
            context["uncertain"] = uncertain_jobs.describe_uncertain_job(self.actor(request), job)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("job"), ordering="created_at")
    def name_and_day(self, obj: Job) -> SafeString:
        """Return what people call the job, and when it was requested, where its name does not say that."""
        return two_lines(obj, format_in_name(obj.created_at) if obj.batch_id else "")

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_chip(self, obj: Job) -> SafeString:
        """Return the state as a chip, and what of the site the job waits for, if it does."""
        badge = state_badge(obj.state, obj.get_state_display())
        if not obj.waiting_for:
            return badge
        waits = _("waits: %(reason)s") % {"reason": obj.get_waiting_for_display()}
        return format_html("{} {}", badge, state_badge("failed", waits))

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_and_remedy(self, obj: Job) -> SafeString:
        """Return the state as a chip, and what to do about the error, if there is one."""
        remedy = stored_messages.translate_stored(obj.error_remedy)
        shown = help_link(obj.error_code, remedy=remedy)
        return format_html("{}{}", self.state_chip(obj), shown)

    @admin.display(description=gettext_lazy("operation"), ordering="operation")
    def operation_and_count(self, obj: Job) -> str:
        """Return what was requested, and how many images if not one: a list has room for so much."""
        operation = str(obj.get_operation_display())
        return operation if obj.count == 1 else f"{operation} {TIMES}{NO_BREAK_SPACE}{obj.count}"

    @admin.display(description=gettext_lazy("cost"))
    def cost(self, obj: Job) -> str:
        """Return the actual cost, or the estimate while there is none."""
        if obj.actual_cost is None:
            return _("about %(cost)s") % {"cost": amount(obj.estimated_cost, obj.currency)}
        return amount(obj.actual_cost, obj.currency)

    @admin.display(description=gettext_lazy("what happened"))
    def error_details(self, obj: Any) -> SafeString | str:
        """Return the error, or what the job waits for, the provider's explanation, and the remedy."""
        message = (
            progress.site_message(obj)
            if obj.waiting_for
            else stored_messages.translate_stored(obj.error_message)
        )
        stored = stored_messages.translate_stored(obj.error_remedy)
        help_shown = help_lines(obj.error_code, reader=obj.reader, remedy=stored)
        if not message and not help_shown:
            return EMPTY
        explained = obj.attempts.exclude(provider_message="").order_by("-number").first()
        said = provider_explanation(obj.reader, explained) if explained and obj.error_code else ""
        return format_html("{}{}{}", message, said, help_shown)

    @admin.display(description=gettext_lazy("settings"))
    def request_facts(self, obj: Job) -> SafeString:
        """Return the settings of the request."""
        return definition_list(
            [
                (_("Operation"), obj.get_operation_display()),
                (_("Model"), f"{obj.image_model} ({obj.image_model.version})"),
                *shot_choice.facts_of(obj),
                (_("Brand kit"), obj.brand_kit_version or ""),
                (_("Size"), f"{obj.width} x {obj.height}"),
                (_("Images"), obj.count),
                (_("Seed"), "" if obj.seed is None else obj.seed),
                *((_("Quality"), obj.quality), (_("Format"), obj.output_format)),
                *values.described_parameters(obj.parameters, worded=False),
                *(("LoRA", f"{one['name']} ({one['weight']:g})") for one in obj.loras),
                (_("Requested by"), summary.display_name(obj.requester, obj.actor_id)),
                (_("Requested"), format_second(obj.created_at)),
                (
                    _("Finished"),
                    format_second(obj.finished_at) if obj.finished_at else "",
                ),
            ]
        )

    @admin.display(description=gettext_lazy("prompt"))
    def prompt_text(self, obj: Any) -> SafeString | str:
        """Return the prompt if the reader may see it; reading it is recorded."""
        if obj.prompt_erased_at is not None:
            return _("erased on %(day)s") % {"day": format_day(obj.prompt_erased_at)}
        prompt = prompt_access.read_prompt(obj.reader, obj)
        if prompt is None:
            return _("You do not have permission to read other people's prompts.")
        told = [(k.replace("_", " "), v) for k, v in obj.variables.items()]
        told += values.described_parameters(obj.parameters, worded=True)
        negative = (
            format_html("<p>{} {}</p>", _("Negative prompt:"), obj.negative_prompt)
            if obj.negative_prompt
            else ""
        )
        return format_html(
            '<p class="imagegen-prompt" dir="auto">{}</p>{}{}',
            prompt or EMPTY,
            negative,
            definition_list(told) if told else "",
        )

    @admin.display(description=gettext_lazy("money"))
    def money_facts(self, obj: Any) -> SafeString | str:
        """Return the cost and the ledger entries if the reader may see them."""
        if (
            not access.has_permission(obj.reader, "view_costs")
            and obj.requester_id != obj.reader.user.pk
        ):
            return _("You do not have permission to see costs.")
        entries = [
            (_entry_label(e), amount(e.amount, obj.currency))
            for e in obj.ledger.order_by("pk")[:50]
        ]
        return definition_list(
            [
                (_("Estimated"), amount(obj.estimated_cost, obj.currency)),
                (_("Cost"), self.cost(obj)),
                (
                    _("Including follow-up passes"),
                    amount(pass_chain.total_spent(obj), obj.currency)
                    if obj.chain_length > 1
                    else "",
                ),
                *entries,
            ]
        )

    @admin.display(description=gettext_lazy("images"))
    def asset_links(self, obj: Job) -> SafeString | str:
        """Return links to the images."""
        return record_links("asset", Asset.objects.results_of(obj)) or EMPTY

    @admin.display(description=gettext_lazy("follow-up passes"))
    def pass_links(self, obj: Job) -> SafeString | str:
        """Return all jobs of the chain (first job and follow-up passes) in order."""
        if obj.root_id is None and obj.chain_length == 1:
            return EMPTY
        return format_html(
            '<ol class="imagegen-story">{}</ol>',
            format_html_join(
                "",
                '<li>{} <a href="{}"{}>{}</a> {} {}</li>',
                (
                    (
                        ""
                        if step.image_number is None
                        else _("Image %(number)s:") % {"number": step.image_number + 1},
                        admin_url("imagegen_job_change", step.pk),
                        mark_safe(' aria-current="page"') if step.pk == obj.pk else "",
                        step.get_operation_display(),
                        step.image_model.name,
                        state_badge(step.state, step.get_state_display()),
                    )
                    for step in pass_chain.all_jobs(obj)
                ),
            ),
        )

    @admin.display(description=gettext_lazy("attempts"))
    def attempt_links(self, obj: Job) -> SafeString | str:
        """Return links to the attempts (calls to a provider)."""
        return record_links("attempt", obj.attempts.order_by("number")) or EMPTY

    @admin.display(description=gettext_lazy("verdicts"))
    def verdict_lines(self, obj: Job) -> SafeString | str:
        """Return what screeners and people decided."""
        rows = [
            (
                v.get_stage_display(),
                v.screener,
                v.get_outcome_display(),
                join_words(v.categories) if v.categories else "",
            )
            for v in obj.verdicts.order_by("pk")
        ]
        if not rows:
            return EMPTY
        return format_html(
            '<ul class="imagegen-story">{}</ul>',
            format_html_join("", "<li>{}: {}, {} {}</li>", rows),
        )

    @admin.display(description=gettext_lazy("belongs to"))
    def links(self, obj: Job) -> SafeString | str:
        """Return links to the batch, and to the job that this one repeats or was answered from."""
        links = []
        if obj.batch_id:
            links.append(link(admin_url("imagegen_batch_run", obj.batch_id), _("Batch")))
        for other, text in (
            (obj.replaces_id, _("Re-run of")),
            (obj.cached_from_id, _("Reused from")),
            (obj.follows_id, _("Processes the image of")),
        ):
            if other:
                # The end of its ID, as the job's own page begins with.
                named = f"{text} {str(other)[-8:]}"
                links.append(link(admin_url("imagegen_job_change", other), named))
        return format_html_join(" · ", "{}", ((one,) for one in links)) or EMPTY

    @admin.display(description=gettext_lazy("audit trail"))
    def audit_trail(self, obj: Job) -> SafeString:
        """Return the audit trail as sentences."""
        return timeline(obj)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may cancel any jobs; each job is then checked by itself."""
        return bool(
            request.user.has_perm("imagegen.request_job")
            or request.user.has_perm("imagegen.cancel_any_job")
        )

    def has_request_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may request images."""
        return bool(request.user.has_perm("imagegen.request_job"))

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may resolve uncertain jobs."""
        return bool(request.user.has_perm("imagegen.resolve_job"))

    @admin.action(description=gettext_lazy("Cancel"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda actor, job: job_actions.cancel(actor=actor, job=job),
            done=lambda n: (
                ngettext("%(n)s job is being cancelled.", "%(n)s jobs are being cancelled.", n)
                % {"n": n}
            ),
        )

    @admin.action(description=gettext_lazy("Request again"), permissions=["request"])
    def request_again(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda actor, job: job_actions.request_again(actor=actor, job=job),
            done=lambda n: (
                ngettext("%(n)s job was requested again.", "%(n)s jobs were requested again.", n)
                % {"n": n}
            ),
        )

    @admin.action(
        description=gettext_lazy("Outcome unknown: close, count as billed"),
        permissions=["resolve"],
    )
    def close_unknown(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._resolve(request, queryset, "close")

    @admin.action(
        description=gettext_lazy("Outcome unknown: send again, may be billed twice"),
        permissions=["resolve"],
    )
    def send_again(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._resolve(request, queryset, "send_again")

    @admin.action(
        description=gettext_lazy("Outcome unknown: provider never received it, send again"),
        permissions=["resolve"],
    )
    def never_accepted(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        self._resolve(request, queryset, "never_accepted")

    def _resolve(
        self, request: HttpRequest, rows: QuerySet[Job], resolution: job_actions.Resolution
    ) -> None:
        self.apply_to_each(
            request,
            rows,
            lambda actor, job: job_actions.resolve(actor=actor, job=job, resolution=resolution),
            done=lambda n: (
                ngettext("%(n)s job was resolved.", "%(n)s jobs were resolved.", n) % {"n": n}
            ),
        )


def _entry_label(entry: LedgerEntry) -> str:
    kind = entry.get_kind_display()
    if entry.purpose == "images":
        return str(kind)
    return _("%(kind)s for %(purpose)s") % {"kind": kind, "purpose": entry.get_purpose_display()}
