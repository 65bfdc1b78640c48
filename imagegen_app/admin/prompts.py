"""Prompt templates and their versions in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.admin.base import EMPTY, AnyModelForm, RecordAdmin, facts, link
from imagegen_app.core import prompts
from imagegen_app.core.limits import MAX_COUNT, MAX_TEMPLATE_CHARS
from imagegen_app.core.prompts import VariableKind
from imagegen_app.core.types import Operation, Size
from imagegen_app.models import ImageModel, PromptTemplate, TemplateVersion
from imagegen_app.models.templates import SEED_STRATEGIES
from imagegen_app.services import templates
from imagegen_app.services.catalog import NotValid

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

#: Variables that the form offers; more can be written by code.
VARIABLE_ROWS = 8
_CELLS = ("name", "kind", "label", "default", "choices", "required")


class TemplateForm(AnyModelForm):
    """Write a template; saving publishes a new version where its content changed."""

    body = forms.CharField(
        label=gettext_lazy("Prompt"),
        max_length=MAX_TEMPLATE_CHARS,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=gettext_lazy(
            "Variables stand in double braces: {{ product }}. There is also {% if %}."
        ),
    )
    negative = forms.CharField(
        label=gettext_lazy("Negative prompt"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    operation = forms.ChoiceField(
        label=gettext_lazy("Operation"),
        choices=[(o.value, o.value.replace("_", " ").capitalize()) for o in Operation],
    )
    image_model = forms.ModelChoiceField(
        label=gettext_lazy("Image model"),
        queryset=ImageModel.objects.none(),
        required=False,
        empty_label=gettext_lazy("The requester chooses"),
    )
    size = forms.CharField(
        label=gettext_lazy("Size"),
        help_text=gettext_lazy("Such as 1024x1024."),
        initial="1024x1024",
    )
    count = forms.IntegerField(
        label=gettext_lazy("Images"),
        initial=1,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_COUNT)],
    )
    quality = forms.CharField(label=gettext_lazy("Quality"), required=False, max_length=20)
    seed_strategy = forms.ChoiceField(label=gettext_lazy("Seed"), choices=SEED_STRATEGIES)
    seed = forms.IntegerField(label=gettext_lazy("Fixed seed"), required=False, min_value=0)
    version_note = forms.CharField(
        label=gettext_lazy("What changed"), required=False, max_length=200
    )

    class Meta:
        model = PromptTemplate
        fields = ["name", "slug", "purpose"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["image_model"].queryset = ImageModel.objects.order_by("name")  # type: ignore[attr-defined]  # a choice field
        version = self.instance.current if self.instance.pk else None
        rows = list(version.variables) if version else []
        for number in range(VARIABLE_ROWS):
            self._add_row(number, rows[number] if number < len(rows) else {})
        if version is not None:
            for name in (
                "body",
                "negative",
                "operation",
                "image_model",
                "count",
                "quality",
                "seed_strategy",
                "seed",
            ):
                self.fields[name].initial = getattr(version, name)
            self.fields["size"].initial = f"{version.width}x{version.height}"

    def _add_row(self, number: int, row: dict[str, Any]) -> None:
        label = _("Variable %(number)s") % {"number": number + 1}
        self.fields[f"name_{number}"] = forms.CharField(
            label=label, required=False, max_length=40, initial=row.get("name", "")
        )
        self.fields[f"kind_{number}"] = forms.ChoiceField(
            label=_("kind"),
            required=False,
            initial=row.get("kind", "text"),
            choices=[
                (k.value, k.value.capitalize()) for k in VariableKind if k is not VariableKind.IMAGE
            ],
        )
        self.fields[f"label_{number}"] = forms.CharField(
            label=_("label"), required=False, max_length=60, initial=row.get("label", "")
        )
        self.fields[f"default_{number}"] = forms.CharField(
            label=_("default"), required=False, max_length=200, initial=row.get("default", "")
        )
        self.fields[f"choices_{number}"] = forms.CharField(
            label=_("choices, by commas"),
            required=False,
            max_length=500,
            initial=", ".join(row.get("choices", [])),
        )
        self.fields[f"required_{number}"] = forms.BooleanField(
            label=_("needed"), required=False, initial=row.get("required", True)
        )

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            size = Size.parse(data["size"])
        except ValueError:
            self.add_error("size", _("Write it as 1024x768."))
            return data
        draft = templates.Draft(
            body=data["body"],
            negative=data["negative"],
            variables=self._variables(data),
            operation=Operation(data["operation"]),
            image_model=data["image_model"],
            size=size,
            count=data["count"],
            quality=data["quality"],
            seed_strategy=data["seed_strategy"],
            seed=data["seed"],
            note=data["version_note"],
        )
        try:
            templates.check(draft)
        except NotValid as fault:
            self.add_error(fault.field if fault.field in self.fields else None, fault.why)
        self.draft = draft
        return data

    def _variables(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        stored = {
            v["name"]: v
            for v in (
                self.instance.current.variables
                if self.instance.pk and self.instance.current
                else []
            )
        }
        rows = []
        for number in range(VARIABLE_ROWS):
            name = data.get(f"name_{number}")
            if not name:
                continue
            kept = {
                k: v
                for k, v in stored.get(name, {}).items()
                if k in {"help", "minimum", "maximum", "max_chars"}
            }
            rows.append(
                {
                    **kept,
                    "name": name,
                    "kind": data.get(f"kind_{number}") or "text",
                    "label": data.get(f"label_{number}", ""),
                    "default": data.get(f"default_{number}", ""),
                    "choices": [
                        c.strip() for c in data.get(f"choices_{number}", "").split(",") if c.strip()
                    ],
                    "required": bool(data.get(f"required_{number}")),
                }
            )
        return rows


@admin.register(PromptTemplate)
class PromptTemplateAdmin(RecordAdmin):
    """Named prompts; each change of content is a new version."""

    form = TemplateForm
    is_writable = True
    list_display = ["name", "slug", "purpose", "current", "is_archived"]
    list_filter = ["is_archived"]
    list_select_related = ["current__template"]
    search_fields = ["name", "slug", "purpose"]
    ordering = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["versions"]
    actions = ["duplicate", "archive", "restore"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if not self.has_change_permission(request, obj) and not self.has_add_permission(request):
            return [(None, {"fields": ["name", "slug", "purpose", "versions"]})]
        rows = [tuple(f"{cell}_{n}" for cell in _CELLS) for n in range(VARIABLE_ROWS)]
        return [
            (None, {"fields": ["name", "slug", "purpose"]}),
            (_("Prompt"), {"fields": ["body", "negative"]}),
            (_("Variables"), {"fields": rows}),
            (
                _("Request"),
                {
                    "fields": [
                        "operation",
                        "image_model",
                        ("size", "count", "quality"),
                        ("seed_strategy", "seed"),
                        "version_note",
                    ]
                },
            ),
            *([(_("Versions"), {"fields": ["versions"]})] if obj else []),
        ]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        # The other fields are made by the form itself, so the model form must not look for them.
        return super().get_form(
            request, obj, change=change, **{**kwargs, "fields": TemplateForm.Meta.fields}
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["slug", "versions"] if obj else ["versions"]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else dict(self.prepopulated_fields)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        request.imagegen_draft = form.draft  # type: ignore[attr-defined]  # carried to `write`
        return super().save_form(request, form, change)

    def write(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Rename the template and publish a version where its content changed; or create it."""
        actor, draft = self.actor(request), request.imagegen_draft  # type: ignore[attr-defined]  # see save_form
        if not change:
            made = templates.create(
                actor=actor, name=obj.name, slug=obj.slug, purpose=obj.purpose, draft=draft
            )
            obj.pk, obj.current = made.pk, made.current
            obj._state.adding = False  # noqa: SLF001 - the row is stored
            return
        stored = PromptTemplate.objects.select_related("current").get(pk=obj.pk)
        templates.rename(actor=actor, template=stored, name=obj.name, purpose=obj.purpose)
        if stored.current is None or not templates.is_same(
            templates.draft_of(stored.current), draft
        ):
            templates.publish(actor=actor, template=stored, draft=draft)

    @admin.display(description=gettext_lazy("versions"))
    def versions(self, obj: PromptTemplate) -> SafeString | str:
        """Return links to all versions, newest first."""
        rows = [
            (
                reverse("admin:imagegen_templateversion_change", args=[v.pk]),
                f"v{v.number}",
                v.created_at.strftime("%Y-%m-%d"),
                v.note,
            )
            for v in obj.versions.order_by("-number")[:30]
        ]
        if not rows:
            return EMPTY
        return format_html(
            '<ul class="imagegen-story">{}</ul>',
            format_html_join("", '<li><a href="{}">{}</a>, {} {}</li>', rows),
        )

    def has_write_permission(self, request: HttpRequest) -> bool:
        """Say whether the person may change templates."""
        return bool(request.user.has_perm("imagegen.change_prompttemplate"))

    @admin.action(description=gettext_lazy("Duplicate"), permissions=["add"])
    def duplicate(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        self.each(
            request,
            queryset,
            lambda actor, row: templates.duplicate(actor=actor, template=row),
            done=lambda n: (
                ngettext("%(n)s template was copied.", "%(n)s templates were copied.", n) % {"n": n}
            ),
        )

    @admin.action(description=gettext_lazy("Archive"), permissions=["write"])
    def archive(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        self.each(
            request,
            queryset,
            lambda actor, row: templates.archive(actor=actor, template=row),
            done=lambda n: (
                ngettext("%(n)s template was archived.", "%(n)s templates were archived.", n)
                % {"n": n}
            ),
        )

    @admin.action(description=gettext_lazy("Take back into use"), permissions=["write"])
    def restore(self, request: HttpRequest, queryset: QuerySet[PromptTemplate]) -> None:
        self.each(
            request,
            queryset,
            lambda actor, row: templates.archive(actor=actor, template=row, archived=False),
            done=lambda n: (
                ngettext("%(n)s template is in use again.", "%(n)s templates are in use again.", n)
                % {"n": n}
            ),
        )


@admin.register(TemplateVersion)
class TemplateVersionAdmin(RecordAdmin):
    """Immutable states of templates."""

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
        "note",
        "created_by",
        "created_at",
        "job_link",
    ]

    @admin.display(description=gettext_lazy("template"))
    def template_link(self, obj: TemplateVersion) -> SafeString:
        """Return a link to the template."""
        return link(
            reverse("admin:imagegen_prompttemplate_change", args=[obj.template_id]), obj.template
        )

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
                for h in (_("Label"), _("Name"), _("Kind"), _("Choices"), _("Default"), _("Needed"))
            ),
        )
        body = format_html_join(
            "", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows
        )
        return format_html('<table class="imagegen-small"><tr>{}</tr>{}</table>', head, body)

    @admin.display(description=gettext_lazy("request"))
    def request_facts(self, obj: TemplateVersion) -> SafeString:
        """Return what the version fixes."""
        return facts(
            [
                (_("Operation"), obj.get_operation_display()),
                (_("Model"), obj.image_model or _("the requester chooses")),
                (_("Size"), f"{obj.width} x {obj.height}"),
                (_("Images"), obj.count),
                (_("Quality"), obj.quality),
                (_("Seed"), obj.get_seed_strategy_display()),
                (_("Fixed seed"), "" if obj.seed is None else obj.seed),
            ]
        )

    @admin.display(description=gettext_lazy("jobs"))
    def job_link(self, obj: TemplateVersion) -> SafeString:
        """Return a link to the jobs made from it."""
        address = f"{reverse('admin:imagegen_job_changelist')}?template_version={obj.pk}"
        return link(address, _("Jobs from this version"))
