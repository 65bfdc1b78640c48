"""Workflows in the admin: uploaded as versions, checked, and never changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from imagegen_app.admin.base import EMPTY, AnyModelForm, RecordAdmin, definition_list, link
from imagegen_app.core import provider_values
from imagegen_app.core.operations import Operation
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import WorkflowVersion, labels
from imagegen_app.services.foundation.local_times import format_second
from imagegen_app.services.policy import model_catalog, workflows

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

_UPLOADED = ["provider", "name", "file", "slots", "operations", "note"]
_SHOWN = [
    "name",
    "number",
    "provider",
    "check_result",
    "operations",
    "slot_list",
    "node_list",
    "model_links",
    "note",
    "created_at",
    "created_by",
    "digest",
    "download_link",
]


class WorkflowForm(AnyModelForm):
    """Upload a workflow; its slots are taken from the file, suggested, or given."""

    file = forms.FileField(
        label=gettext_lazy("Workflow file"),
        help_text=gettext_lazy(
            "JSON, exported in API format, or a document with “graph” and “slots”."
        ),
    )
    slots = forms.CharField(
        label=gettext_lazy("Slots"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=gettext_lazy(
            'Where each value goes, as a JSON object such as {"prompt": "6.text"}. Leave it empty for '
            "the slots of the file, or for suggested ones."
        ),
    )
    operations = forms.MultipleChoiceField(
        label=gettext_lazy("Operations"),
        required=False,
        choices=labels.choices(Operation),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("What it is for. Choose none to have the slots tell."),
    )

    class Meta:
        model = WorkflowVersion
        fields = ["provider", "name", "note"]

    #: What is stored, once the form is valid.
    document: Any = None

    def clean_slots(self) -> Any:
        """Return the slots as JSON; None for none."""
        text = str(self.cleaned_data.get("slots") or "").strip()
        if not text:
            return None
        try:
            found = provider_values.load_json(text)
        except provider_values.InvalidJson:
            found = None
        if not isinstance(found, dict):
            raise forms.ValidationError(_("A JSON object is needed, such as {}."))
        return found

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        if self.errors:
            return data
        uploaded, provider = data["file"], data["provider"]
        try:
            workflows.require_name(data["name"])
            exported = workflows.read_document(uploaded.read(workflows.MAX_WORKFLOW_BYTES + 1))
            self.document = workflows.document_of(
                provider, exported, slots=data["slots"], operations=data["operations"]
            )
            workflows.require_fitting(provider, self.document)
        except workflows.WorkflowRefused as refused:
            self.add_error("file", list(refused.problems))
        except model_catalog.InvalidRecord as refused:
            self.add_error(refused.field or None, refused.reason)
        return data


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(RecordAdmin):
    """Workflows of providers whose models are workflows; each upload is a new version."""

    form = WorkflowForm
    is_writable = True
    list_display = ["name", "number", "provider", "check_state", "created_at", "created_by"]
    list_filter = ["provider"]
    list_select_related = ["provider", "created_by"]
    search_fields = ["name", "note"]
    ordering = ["name", "-number"]
    actions = ["check_again"]

    def get_urls(self) -> list[URLPattern]:
        download = path(
            "<int:pk>/download/",
            self.admin_site.admin_view(require_safe(self.download)),
            name="imagegen_workflowversion_download",
        )
        return [download, *super().get_urls()]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a version: jobs and images refer to it."""
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": _UPLOADED if obj is None else _SHOWN})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [] if obj is None else _SHOWN

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        # The form defines the other fields itself; Django must not look for them on the model.
        own = {"form": WorkflowForm, "fields": WorkflowForm.Meta.fields}
        if obj is not None:
            # Only read: nothing of it is a field.
            own = {"form": AnyModelForm, "fields": []}
        return super().get_form(request, obj, change=change, **{**kwargs, **own})

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        request.imagegen_document = form.document  # type: ignore[attr-defined]  # carried to `write`
        return super().save_form(request, form, change)

    def write(self, request: HttpRequest, obj: WorkflowVersion, *, change: bool) -> None:
        """Store the next version, and say what its server thinks of it."""
        stored = workflows.upload(
            actor=self.actor(request),
            provider=obj.provider,
            name=obj.name,
            document=request.imagegen_document,  # type: ignore[attr-defined]  # see save_form
            note=obj.note,
        )
        obj.pk, obj.number, obj.problems = stored.pk, stored.number, stored.problems
        obj._state.adding = False  # noqa: SLF001 - the row is stored
        if stored.checked_at is None:
            messages.warning(
                request, _("The server could not be asked; the workflow is unchecked.")
            )
        elif stored.problems:
            messages.warning(request, _("The workflow does not fit the server; its page says why."))

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send the document as a file, to be changed and uploaded again."""
        version = self.get_queryset(request).filter(pk=pk).first()
        if version is None or not self.has_view_permission(request, version):
            raise Http404
        return HttpResponse(
            json.dumps(version.document, indent=2),
            content_type="application/json",
            headers={
                "Content-Disposition": f'attachment; filename="workflow-{version.pk}.json"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    @admin.display(description=gettext_lazy("check"))
    def check_state(self, obj: WorkflowVersion) -> str:
        """Return in a word whether it fits its server."""
        if obj.checked_at is None:
            return _("not checked")
        count = len(obj.problems)
        if not count:
            return _("fits the server")
        return ngettext("%(n)s problem", "%(n)s problems", count) % {"n": count}

    @admin.display(description=gettext_lazy("check"))
    def check_result(self, obj: WorkflowVersion) -> SafeString | str:
        """Return what does not fit the server, each problem for itself."""
        if obj.checked_at is None:
            return _("Not checked: the server could not be asked.")
        if not obj.problems:
            return _("It fits the server (%(time)s).") % {"time": format_second(obj.checked_at)}
        lines = format_html_join(
            "", "<li>{}</li>", ((p,) for p in workflows.in_words(obj.problems))
        )
        return format_html('<ul class="imagegen-story">{}</ul>', lines)

    @admin.display(description=gettext_lazy("operations"))
    def operations(self, obj: WorkflowVersion) -> str:
        """Return what the workflow is for, as it says or as its slots tell."""
        words = dict(labels.choices(Operation))
        return ", ".join(str(words[one]) for one in workflows.operations_of(obj)) or EMPTY

    @admin.display(description=gettext_lazy("slots"))
    def slot_list(self, obj: WorkflowVersion) -> SafeString:
        """Return where each value goes."""
        slots = obj.document.get("slots", {})
        return definition_list(
            (name, ", ".join(places) if isinstance(places, list) else places)
            for name, places in slots.items()
        )

    @admin.display(description=gettext_lazy("nodes"))
    def node_list(self, obj: WorkflowVersion) -> str:
        """Return the kinds of nodes that a server needs for it."""
        graph = obj.document.get("graph", {})
        return ", ".join(sorted({str(node["class_type"]) for node in graph.values()})) or EMPTY

    @admin.display(description=gettext_lazy("image models"))
    def model_links(self, obj: WorkflowVersion) -> SafeString | str:
        """Return links to the models that run this version."""
        rows = (
            (link(admin_url("imagegen_imagemodel_change", one.pk), one),)
            for one in obj.image_models.order_by("name")
        )
        return format_html_join(" · ", "{}", rows) or EMPTY

    @admin.display(description=gettext_lazy("download"))
    def download_link(self, obj: WorkflowVersion) -> SafeString:
        """Return a link to the document."""
        address = admin_url("imagegen_workflowversion_download", obj.pk)
        return link(address, _("The workflow with its slots"))

    def has_check_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may have versions checked."""
        return bool(request.user.has_perm("imagegen.add_workflowversion"))

    @admin.action(description=gettext_lazy("Check against the server"), permissions=["check"])
    def check_again(self, request: HttpRequest, queryset: QuerySet[WorkflowVersion]) -> None:
        self.apply_to_each(
            request,
            queryset.select_related("provider"),
            lambda actor, version: workflows.check(actor=actor, version=version),
            done=lambda n: (
                ngettext("%(n)s workflow was checked.", "%(n)s workflows were checked.", n)
                % {"n": n}
            ),
        )
