"""Make a batch from a table: upload a CSV file or an Excel workbook, then plan it like any batch."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.admin.pages.base import Route, show_refusal
from imagegen_app.admin.pages.batch_rows import DELIMITER_NAMES, ENCODING_NAMES, UploadedRows
from imagegen_app.admin.pages.new_batch import PlanPages
from imagegen_app.core.csv_tables import DELIMITERS, ENCODINGS
from imagegen_app.core.uploaded_tables import (
    MAX_TABLE_BYTES,
    MAX_TABLE_COLUMNS,
    MAX_TABLE_ROWS,
)
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.batches import table_uploads
from imagegen_app.services.gateways import workbooks
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

#: Tables of one's own that are listed to be used again.
_MOST_TABLES: Final = 10
#: Forms send no tab.
_TAB: Final = "tab"


class TableUploadForm(forms.Form):
    """A file, and how it is to be read where that is not found out."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        widget=forms.ClearableFileInput(
            attrs={
                "accept": ".csv,.tsv,.txt,.xlsx,text/csv",
                "aria-describedby": "imagegen-table-limits",
            }
        ),
        error_messages={
            "required": gettext_lazy("Choose a file first."),
            "empty": gettext_lazy("The file is empty: it has neither a header nor rows."),
        },
    )
    delimiter = forms.ChoiceField(
        label=gettext_lazy("Separator (CSV)"),
        required=False,
        choices=[
            ("", gettext_lazy("find out")),
            *((_TAB if key == "\t" else key, DELIMITER_NAMES[key]) for key in DELIMITERS),
        ],
    )
    encoding = forms.ChoiceField(
        label=gettext_lazy("Encoding (CSV)"),
        required=False,
        choices=[
            ("", gettext_lazy("find out")),
            *((key, ENCODING_NAMES[key]) for key in ENCODINGS),
        ],
    )
    sheet = forms.CharField(
        label=gettext_lazy("Sheet (Excel)"),
        required=False,
        max_length=60,
        help_text=gettext_lazy("Empty for the first visible sheet."),
    )


class TableBatchPages(PlanPages):
    """The pages that take a table and make a batch of its rows."""

    def routes(self) -> list[Route]:
        return [
            Route("batches/new/table/", self.upload, "imagegen_table_new", "request_job"),
            Route("batches/new/table/<uuid:pk>/", self.plan, "imagegen_table_batch", "request_job"),
            Route(
                "batches/new/table/<uuid:pk>/delete/",
                self.delete,
                "imagegen_table_delete",
                "request_job",
                is_post_only=True,
            ),
        ]

    def upload(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Take a file, or offer the tables that were uploaded before."""
        form = TableUploadForm(request.POST or None, request.FILES or None)
        refusal: ActionRefused | None = None
        if request.method == "POST":
            form = TableUploadForm(request.POST, request.FILES)
            if form.is_valid():
                try:
                    return self._added(request, actor, form.cleaned_data)
                except ActionRefused as refused:
                    refusal = refused
        tables = table_uploads.visible_tables(actor).filter(owner=actor.user).exclude(columns=[])
        context = {
            "title": _("New batch from a table"),
            "form": form,
            "refusal": refusal,
            "tables": tables.order_by("-used_at")[:_MOST_TABLES],
            "reads_workbooks": workbooks.is_available(),
            "most_rows": MAX_TABLE_ROWS,
            "most_columns": MAX_TABLE_COLUMNS,
            "most_megabytes": MAX_TABLE_BYTES // 1024**2,
        }
        return self.page(request, "imagegen_app/admin/batch/table.html", context)

    def _added(
        self, request: HttpRequest, actor: Person, sent: dict[str, Any]
    ) -> HttpResponseRedirect:
        upload = sent["file"]
        added = table_uploads.add_table(
            actor=actor,
            name=upload.name or "",
            # One byte more tells a file that is too large.
            data=upload.read(MAX_TABLE_BYTES + 1),
            encoding=sent["encoding"],
            delimiter="\t" if sent["delimiter"] == _TAB else sent["delimiter"],
            sheet=sent["sheet"],
        )
        number = added.table.row_count
        if added.is_known:
            messages.info(
                request,
                _("You have uploaded this table before; nothing was stored again."),
            )
        else:
            text = ngettext("%(number)s row was read.", "%(number)s rows were read.", number)
            messages.success(request, text % {"number": number})
        return HttpResponseRedirect(admin_url("imagegen_table_batch", added.table.pk))

    def plan(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Map columns to variables, preview and start a batch of the table's rows."""
        started = self.started(request, actor)
        if started is not None:
            return started
        table = get_object_or_404(table_uploads.visible_tables(actor), pk=pk)
        if not table.columns:
            messages.warning(
                request, _("The contents of this table were erased. Upload its file again.")
            )
            return HttpResponseRedirect(admin_url("imagegen_table_new"))
        return self.plan_page(request, actor, UploadedRows(actor, table))

    def delete(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Delete a table of one's own."""
        try:
            table_uploads.delete_table(actor=actor, key=pk)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return HttpResponseRedirect(admin_url("imagegen_table_batch", pk))
        messages.success(request, _("The table was deleted."))
        return HttpResponseRedirect(admin_url("imagegen_table_new"))
