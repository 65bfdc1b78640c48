"""Export assets as CSV in which no cell can be run as a spreadsheet formula."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.csv_cells import CsvTable
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

MAX_ROWS = 10_000
COLUMNS = (
    "asset",
    "title",
    "alt_text",
    "review_state",
    "sha256",
    "original_sha256",
    "width",
    "height",
    "media_type",
    "provider",
    "model",
    "model_version",
    "template",
    "requested_by",
    "created_at",
    "reviewed_by",
    "reviewed_at",
    "request_cost",
    "currency",
    "placements",
    "credentials",
    "digital_source_type",
)


class TooManyRows(ActionRefused):
    """More assets are selected than `MAX_ROWS`."""

    code = "too_many_rows"


def export(*, actor: Actor, assets: QuerySet[Asset]) -> str:
    """Return the assets as CSV, one per line, and record the export in the audit log.

    Costs are left empty for people who may not see them.

    :raises NotPermitted: without the permission to export.
    :raises TooManyRows: if there are more than `MAX_ROWS`.
    """
    access.require_permission(actor, "export_audit")
    count = assets.count()
    if count > MAX_ROWS:
        raise TooManyRows(
            _("Nothing was exported."),
            reason=_("%(number)s images are selected; one file can hold %(most)s.")
            % {"number": count, "most": MAX_ROWS},
            remedy=_("Narrow the list with its filters and export in parts."),
        )
    show_costs = access.has_permission(actor, "view_costs")
    out = io.StringIO()
    table = CsvTable(out)
    table.write_row(COLUMNS)
    rows = assets.select_related(
        "job__requester",
        "job__template_version__template",
        "attempt__image_model__provider",
        "reviewed_by",
    ).prefetch_related("placements")
    written = 0
    for asset in rows.iterator(chunk_size=500):
        table.write_row(_row(asset, show_costs=show_costs))
        written += 1
    _record(actor=actor, count=written)
    return out.getvalue()


@use_case()
def _record(*, actor: Actor, count: int) -> None:
    event_log.record(actor, "export.created", data={"count": count, "kind": "images"})


def _row(asset: Asset, *, show_costs: bool) -> Iterable[object]:
    job, model = asset.job, asset.attempt.image_model
    return (
        asset.pk,
        asset.title,
        asset.alt_text,
        asset.review_state,
        asset.sha256,
        asset.original_sha256,
        asset.width,
        asset.height,
        asset.media_type,
        model.provider.name,
        model.name,
        asset.attempt.model_version or model.version,
        job.template_version or "",
        job.requester or job.actor_id,
        asset.created_at.isoformat(),
        asset.reviewed_by or "",
        asset.reviewed_at.isoformat() if asset.reviewed_at else "",
        pass_chain.total_spent(job) if show_costs else "",
        job.currency if show_costs else "",
        "; ".join(
            f"{p.object_label} ({p.field})" for p in asset.placements.all() if p.removed_at is None
        ),
        asset.c2pa_state,
        asset.digital_source_type,
    )
