"""Prompt templates and their versions in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.admin import draft_choice, template_form, template_guides
from imagegen_app.admin.base import EMPTY, RecordAdmin, definition_list, link
from imagegen_app.admin.pages import parameter_fields, template_editor, template_versions
from imagegen_app.admin.pages import template_files as template_files_pages
from imagegen_app.admin.template_list import TemplateListAdmin
from imagegen_app.core import description_files, passes, prompts
from imagegen_app.core.limits import MAX_FIXED_GUIDES
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import PromptTemplate, TemplateVersion
from imagegen_app.services.foundation.local_times import format_day
from imagegen_app.services.job_requests import (
    fixed_guides,
    shot_choice,
    template_files,
    template_publishing,
    templates,
    values,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString


#: Warnings that are told after saving; the form shows them all.
_SHOWN_WARNINGS = 5
_PASSES = [(f"pass_{number}", f"pass_text_{number}") for number in range(3)]


def _section(rows: list[Any], *, is_used: bool) -> dict[str, Any]:
    """Return a section of the form that few templates need: closed, unless something is in it."""
    return {"fields": rows, "classes": [] if is_used else ["collapse"]}


@admin.register(PromptTemplate)
class PromptTemplateAdmin(TemplateListAdmin):
    """Named prompts; each change of content is a new version."""

    is_writable = True
    search_fields = ["name", "slug", "purpose", "category"]
    ordering = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["versions"]
    actions = ["duplicate", "archive", "restore", "export"]
    change_list_template = "imagegen_app/admin/records/template_list.html"
    change_form_template = "imagegen_app/admin/records/template_form.html"

    def get_urls(self) -> list[URLPattern]:
        pages = (
            template_editor.TemplateEditorPages,
            template_guides.GuidePicturePages,
            template_files_pages.TemplateFilePages,
            template_versions.TemplateVersionPages,
        )
        return [*(url for one in pages for url in one(self.admin_site).urls()), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if not self.has_change_permission(request, obj) and not self.has_add_permission(request):
            shown = ["name", "slug", "purpose", "category", "owner", "versions"]
            return [(None, {"fields": shown})]
        version = draft_choice.shown_version(obj) if obj else None
        guides = [template_guides.row_names(n) for n in range(MAX_FIXED_GUIDES)]
        return [
            (None, {"fields": ["name", "slug", "purpose", "seen_version"]}),
            (_("Prompt"), {"fields": ["body", "negative"]}),
            (_("Variables"), {"fields": ["variables"]}),
            (_("Shots"), _section(["shots"], is_used=bool(version and version.shots))),
            (_("For people who cannot see the image"), {"fields": ["alt_pattern"]}),
            (
                _("Settings"),
                {
                    "fields": [
                        "operation",
                        "image_model",
                        ("size", "count", "quality"),
                        ("seed_strategy", "seed"),
                        "brand_kit",
                        "parameters",
                        "loras",
                    ]
                },
            ),
            (_("Guides"), _section(guides, is_used=bool(version and version.guides))),
            (_("Follow-up passes"), _section(_PASSES, is_used=bool(version and version.passes))),
            (_("Library"), {"fields": ["category", "owner_name", "groups"]}),
            (_("Versions"), {"fields": ["version_note", *(["versions"] if obj else [])]}),
        ]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        # The form is loaded where it is shown. It defines the other fields itself; Django must not
        # look for them on the model.
        ours = template_form.TemplateForm
        options = {**kwargs, "form": ours, "fields": ours.Meta.fields}
        form = super().get_form(request, obj, change=change, **options)
        # Which images may be chosen as guides depends on the person.
        form.actor = self.actor(request)  # type: ignore[attr-defined]  # `TemplateForm` has it
        form.asked_version = str(request.GET.get("version", ""))  # type: ignore[attr-defined]  # as above
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show what is wrong with the template, and what it says, beside its form."""
        form, obj = context["adminform"].form, context["original"]
        may_write = self.has_change_permission(request, obj) if obj else True
        if may_write:
            found = template_editor.check_context(
                self.admin_site, request, self.actor(request), form
            )
            context |= {
                **found,
                "check_url": template_editor.check_url(obj),
                "may_save_draft": True,
                **draft_choice.shown_context(form, obj),
            }
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        key = initial.pop("from_image", "")
        if key:
            from imagegen_app.admin import image_templates  # noqa: PLC0415 - not for starting

            initial |= image_templates.initial_values(self.actor(request), str(key))
        return initial

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["slug", "versions"] if obj else ["versions"]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else dict(self.prepopulated_fields)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        request.imagegen_draft = form.draft  # type: ignore[attr-defined]  # carried to `write`
        request.imagegen_details = form.details()  # type: ignore[attr-defined]  # as above
        request.imagegen_seen_version = form.cleaned_data["seen_version"]  # type: ignore[attr-defined]  # as above
        for problem in form.report.warnings[:_SHOWN_WARNINGS]:
            messages.warning(request, f"{problem.part_label}: {problem.placed_sentence}")
        return super().save_form(request, form, change)

    def write(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Create the template, or rename it and publish a version if its content changed."""
        actor, draft = self.actor(request), request.imagegen_draft  # type: ignore[attr-defined]  # see save_form
        details = request.imagegen_details  # type: ignore[attr-defined]  # as above
        if not change:
            created = templates.create(
                actor=actor,
                name=obj.name,
                slug=obj.slug,
                draft=draft,
                details=details,
                is_published=draft_choice.DRAFT_BUTTON not in request.POST,
            )
            obj.pk, obj.current = created.pk, created.current
            obj._state.adding = False  # noqa: SLF001 - the row is stored
            return
        stored = PromptTemplate.objects.select_related("current").get(pk=obj.pk)
        templates.change_details(actor=actor, template=stored, details=details)
        store = (
            template_publishing.save_draft
            if draft_choice.DRAFT_BUTTON in request.POST
            else template_publishing.publish
        )
        seen = request.imagegen_seen_version  # type: ignore[attr-defined]  # see save_form
        store(actor=actor, template=stored, draft=draft, seen_version=seen)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Stay with a draft that was saved, and tell that nobody is offered it."""
        return draft_choice.draft_response(request, obj) or super().response_add(
            request, obj, post_url_continue
        )

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Stay with a draft that was saved, and tell that nobody is offered it."""
        answer: HttpResponse = draft_choice.draft_response(request, obj) or super().response_change(
            request, obj
        )
        return answer

    @admin.display(description=gettext_lazy("versions"))
    def versions(self, obj: PromptTemplate) -> SafeString | str:
        """Return links to all versions, newest first."""
        rows = [
            (
                admin_url("imagegen_templateversion_change", v.pk),
                f"v{v.number}",
                format_day(v.created_at),
                v.note or ("" if v.published_at else _("draft")),
            )
            for v in obj.versions.order_by("-number")[:30]
        ]
        if not rows:
            return EMPTY
        return format_html(
            '<ul class="imagegen-story">{}</ul><p><a class="imagegen-button" href="{}">{}</a></p>',
            format_html_join("", '<li><a href="{}">{}</a>, {} {}</li>', rows),
            admin_url("imagegen_prompttemplate_versions", obj.pk),
            _("Compare versions, and go back to one"),
        )

    def has_write_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may change templates."""
        return bool(request.user.has_perm("imagegen.change_prompttemplate"))

    @admin.action(description=gettext_lazy("Duplicate"), permissions=["add"])
    def duplicate(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda actor, row: templates.duplicate(actor=actor, template=row),
            done=lambda n: (
                ngettext("%(n)s template was copied.", "%(n)s templates were copied.", n) % {"n": n}
            ),
        )

    @admin.action(description=gettext_lazy("Archive"), permissions=["write"])
    def archive(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda actor, row: templates.archive(actor=actor, template=row),
            done=lambda n: (
                ngettext("%(n)s template was archived.", "%(n)s templates were archived.", n)
                % {"n": n}
            ),
        )

    @admin.action(description=gettext_lazy("Restore"), permissions=["write"])
    def restore(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda actor, row: templates.archive(actor=actor, template=row, archived=False),
            done=lambda n: (
                ngettext("%(n)s template was restored.", "%(n)s templates were restored.", n)
                % {"n": n}
            ),
        )

    @admin.action(description=gettext_lazy("Write to a file"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> HttpResponse:
        rows = queryset.select_related("current__image_model").order_by("slug")
        document = template_files.export(actor=self.actor(request), rows=rows)
        ending = ".yaml" if description_files.find_yaml() else ".json"
        return HttpResponse(
            description_files.write_file(document, ending=ending),
            content_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="templates{ending}"'},
        )


@admin.register(TemplateVersion)
class TemplateVersionAdmin(RecordAdmin):
    """Immutable versions of templates."""

    list_display = [
        "template",
        "number",
        "operation",
        "image_model",
        "created_by",
        "created_at",
        "note",
    ]
    list_filter = ["template", "operation"]
    list_select_related = ["template", "image_model", "created_by"]
    ordering = ["template__name", "-number"]
    fields = [
        "template_link",
        "number",
        "body_text",
        "negative",
        "variable_table",
        "request_facts",
        "alt_pattern",
        "note",
        "created_by",
        "created_at",
        "job_link",
    ]

    @admin.display(description=gettext_lazy("template"))
    def template_link(self, obj: TemplateVersion) -> SafeString:
        """Return a link to the template."""
        return link(admin_url("imagegen_prompttemplate_change", obj.template_id), obj.template)

    @admin.display(description=gettext_lazy("prompt"))
    def body_text(self, obj: TemplateVersion) -> SafeString:
        """Return the text with its line breaks."""
        return format_html('<p class="imagegen-prompt">{}</p>', obj.body)

    @admin.display(description=gettext_lazy("variables"))
    def variable_table(self, obj: TemplateVersion) -> SafeString | str:
        """Return the variables as a table."""
        rows = [
            (
                v.label,
                v.name,
                v.kind.value,
                ", ".join(v.choices),
                v.default,
                _("yes") if v.required else _("no"),
            )
            for v in prompts.variables_from(obj.variables)
        ]
        if not rows:
            return EMPTY
        head = format_html_join(
            "",
            "<th>{}</th>",
            (
                (h,)
                for h in (
                    _("Label"),
                    _("Name"),
                    _("Kind"),
                    _("Choices"),
                    _("Default"),
                    _("Required"),
                )
            ),
        )
        body = format_html_join(
            "", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows
        )
        return format_html('<table class="imagegen-small"><tr>{}</tr>{}</table>', head, body)

    @admin.display(description=gettext_lazy("settings"))
    def request_facts(self, obj: TemplateVersion) -> SafeString:
        """Return the settings that the version fixes."""
        return definition_list(
            [
                (_("Operation"), obj.get_operation_display()),
                (_("Model"), obj.image_model or _("the requester chooses")),
                (_("Size"), f"{obj.width} x {obj.height}" if obj.size else _("the model's own")),
                (_("Images"), obj.count),
                (_("Quality"), obj.quality),
                (_("Seed"), obj.get_seed_strategy_display()),
                (_("Fixed seed"), "" if obj.seed is None else obj.seed),
                *(
                    (name, parameter_fields.as_initial(value))
                    for name, value in obj.parameters.items()
                ),
                *(("LoRA", f"{one['name']} ({one['weight']:g})") for one in obj.loras),
                (_("Brand kit"), obj.brand_kit or ""),
                *(
                    (_("Shot “%(name)s”") % {"name": one.label}, f"{one.text} {one.size}".strip())
                    for one in shot_choice.shots_of(obj)
                ),
                *(template_guides.described(one) for one in fixed_guides.fixed_guides(obj)),
                *(
                    (_("Follow-up pass"), values.describe_pass(one))
                    for one in passes.passes_from(obj.passes)
                ),
            ]
        )

    @admin.display(description=gettext_lazy("jobs"))
    def job_link(self, obj: TemplateVersion) -> SafeString:
        """Return a link to the jobs requested with this version."""
        address = f"{admin_url('imagegen_job_changelist')}?template_version={obj.pk}"
        return link(address, _("Jobs from this version"))
