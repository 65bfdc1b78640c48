"""Choose rows of a batch to be requested again, and show what that costs before it is."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Count

from imagegen_app.admin.pages.batch_status import filter_from, filter_query
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Job
from imagegen_app.services.batches import lifecycle, reruns, row_images, row_list
from imagegen_app.services.batches.row_list import RowFilter
from imagegen_app.services.job_requests import shot_choice
from imagegen_app.services.policy import access, budgets
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import QueryDict

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Batch

#: Rows that are named on the page before the rest is only counted.
_NAMED = 20


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """Rows that a person chose, one by one or by a filter."""

    jobs: QuerySet[Job]
    #: How many of them can be requested again now.
    number: int
    has_new_seed: bool
    #: Chosen one by one; empty for all of the filter.
    keys: tuple[uuid.UUID, ...]
    wanted: RowFilter
    #: Whether the number is the one that the page showed before it was confirmed.
    is_as_shown: bool


def chosen_rows(batch: Batch, posted: QueryDict) -> ChosenRows:
    """Return the rows that a form names; a filter finds them anew."""
    wanted = filter_from(posted)
    found = (_uuid(text) for text in posted.getlist("job")[: row_list.PAGE_SIZE])
    keys = tuple(key for key in found if key is not None)
    has_new_seed = posted.get("how") == "seed"
    if posted.get("which") == "filter":
        keys = ()
        jobs = row_list.filtered_jobs(batch, wanted)
    else:
        jobs = row_list.current_jobs(batch).filter(pk__in=keys)
    jobs = reruns.repeatable(jobs, has_new_seed=has_new_seed)
    number = jobs.count()
    return ChosenRows(
        jobs=jobs,
        number=number,
        has_new_seed=has_new_seed,
        keys=keys,
        wanted=wanted,
        # What was requested by the first of two presses is missing from the second one.
        is_as_shown=number in {int_of(posted.get("number", "")), 0},
    )


def confirm_context(actor: Person, batch: Batch, chosen: ChosenRows) -> dict[str, Any]:
    """Return what the page shows before the rows are requested: how many, which, and their cost."""
    named = list(chosen.jobs.order_by("-created_at", "-pk")[:_NAMED])
    labels = lifecycle.row_labels(batch, [job.row_key for job in named])
    shots = {one.key: one.label for one in shot_choice.shots_of(batch.template_version)}
    cost, refusal = None, None
    try:
        numbers: Any = chosen.jobs.order_by().values_list("shot").annotate(number=Count("pk"))
        cost = sum(
            (
                lifecycle.estimate_cost(
                    batch.template_version,
                    batch.image_model,
                    rows=number,
                    kit=batch.brand_kit_version,
                    images=len(batch.mapping.get(row_images.IMAGES, {})),
                    shots=[shot] if shot else (),
                )
                for shot, number in numbers
            ),
            start=Decimal(0),
        )
        access.require_permission(actor, "request_job")
        budgets.require_budget(actor, batch.image_model, amount=cost)
    except ActionRefused as found:
        refusal = found
    return {
        "chosen": chosen,
        "labels": [
            ", ".join(filter(None, (labels.get(job.row_key) or job.row_key, shots.get(job.shot))))
            for job in named
        ],
        "more": chosen.number - len(named),
        "cost": cost,
        "currency": batch.currency,
        "refusal": refusal,
        "back": run_url(batch, chosen),
    }


def run_url(batch: Batch, chosen: ChosenRows) -> str:
    """Return the address of the batch's page with the filter that the rows were chosen by."""
    return admin_url("imagegen_batch_run", batch.pk) + filter_query(chosen.wanted)


def int_of(text: str) -> int:
    """Return a number that a form sent; -1 for any other text."""
    return int(text) if text.isdecimal() and len(text) < 7 else -1  # noqa: PLR2004 - more than a batch has


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
