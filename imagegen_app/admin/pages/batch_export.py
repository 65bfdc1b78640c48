"""Download what became of a batch's rows, as CSV or XLSX."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from django.http import FileResponse, Http404, StreamingHttpResponse
from django.utils.text import slugify

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.batch import own_batch
from imagegen_app.core.states import ReviewState
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.batches import row_export
from imagegen_app.services.library import delivery

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset, Batch

_CSV_TYPE = "text/csv; charset=utf-8"
_XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: A larger workbook is written to the disk.
_MEMORY_BYTES = 2 * 1024 * 1024


class BatchExportPages(Pages):
    """The download of a batch's results."""

    base_template = "imagegen_app/admin/batch/base.html"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [
            Route("batches/<uuid:pk>/results.csv", self.csv, "imagegen_batch_csv"),
            Route("batches/<uuid:pk>/results.xlsx", self.xlsx, "imagegen_batch_xlsx"),
        ]

    def csv(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponseBase:
        """Send the table as CSV, while its rows are read."""
        return self._export(request, actor, pk, row_export.CSV)

    def xlsx(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponseBase:
        """Send the table as XLSX, where `openpyxl` is installed."""
        return self._export(request, actor, pk, row_export.XLSX)

    def _export(
        self, request: HttpRequest, actor: Person, pk: uuid.UUID, kind: str
    ) -> HttpResponseBase:
        batch = own_batch(actor, pk)
        is_xlsx = kind == row_export.XLSX
        if is_xlsx and not row_export.has_xlsx():
            raise Http404

        def link(asset: Asset) -> str:
            is_public = asset.review_state == ReviewState.APPROVED.value and not asset.hard_category
            path = (
                delivery.public_url(asset)
                if is_public
                else admin_url("imagegen_asset_change", asset.pk)
            )
            return request.build_absolute_uri(path)

        lines = row_export.export_lines(actor=actor, batch=batch, link=link, kind=kind)
        name = f"{slugify(batch.title) or 'batch'}-{str(batch.pk)[-8:]}.{kind}"
        if is_xlsx:
            return _workbook(lines, batch, name)
        response = StreamingHttpResponse(row_export.write_csv(lines), content_type=_CSV_TYPE)
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _workbook(lines: Iterable[Iterable[object]], batch: Batch, name: str) -> FileResponse:
    # Written as a whole before it is sent: a ZIP file tells its contents at its end.
    file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 - the response closes it
    row_export.write_xlsx(lines, file, title=batch.title)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=name, content_type=_XLSX_TYPE)
