"""List a batch's rows with what became of each, filtered and counted by state and by error.

A row is a job: what replaced an ended one stands in its place, and follow-up passes are rows of their
own. Rows without a job are those that were skipped, and those that no worker has reached yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from imagegen_app.core.states import JobState
from imagegen_app.models import Batch, Job
from imagegen_app.services.foundation import error_help, keyset, stored_messages
from imagegen_app.services.job_requests import shot_choice

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: Rows on one page of the list.
PAGE_SIZE: Final = 50
#: The states of jobs in each group that the list can be filtered by.
GROUPS: Final[dict[str, tuple[JobState, ...]]] = {
    "queued": (JobState.QUEUED,),
    "running": (JobState.SUBMITTING, JobState.AWAITING, JobState.INGESTING),
    "uncertain": (JobState.UNCERTAIN,),
    "succeeded": (JobState.SUCCEEDED,),
    "failed": (JobState.FAILED, JobState.EXPIRED),
    "blocked": (JobState.BLOCKED,),
    "cancelled": (JobState.CANCELLED,),
}
SKIPPED: Final = "skipped"
NOT_STARTED: Final = "waiting"


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows are listed; empty for all."""

    #: A group of `GROUPS`, `SKIPPED` or `NOT_STARTED`.
    state: str = ""
    #: The code of an error.
    error: str = ""
    #: The short name of a shot.
    shot: str = ""


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """One value that the list can be filtered by, and how many rows have it."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class RowCounts:
    """How many rows there are of each state and error, without those that have no job."""

    states: list[FilterChoice]
    errors: list[FilterChoice]
    #: None unless there are several.
    shots: list[FilterChoice]


def current_jobs(batch: Batch) -> QuerySet[Job]:
    """Return the batch's jobs that count: not those that another one was requested in place of.

    Neither the follow-up passes of such a job.
    """
    replaced = Job.objects.filter(replaces=OuterRef("pk"))
    root_replaced = Job.objects.filter(replaces=OuterRef("root"))
    jobs: QuerySet[Job] = batch.jobs.exclude(Exists(replaced)).exclude(Exists(root_replaced))
    return jobs


def filtered_jobs(batch: Batch, wanted: RowFilter) -> QuerySet[Job]:
    """Return the jobs of the rows that a filter finds; none for rows without a job."""
    jobs = current_jobs(batch)
    if wanted.state:
        # A state that nobody knows finds nothing.
        jobs = jobs.filter(state__in=[state.value for state in GROUPS.get(wanted.state, ())])
    if wanted.error:
        jobs = jobs.filter(error_code=wanted.error)
    if wanted.shot:
        jobs = jobs.filter(shot=wanted.shot)
    return jobs


def read_page(batch: Batch, wanted: RowFilter, *, after: str = "", before: str = "") -> keyset.Page:
    """Return a page of the filtered jobs, newest first, with what a list shows of them."""
    jobs = filtered_jobs(batch, wanted).select_related("image_model", "requested_rerun")
    jobs = jobs.prefetch_related("assets__renditions")
    return keyset.read_page(jobs, size=PAGE_SIZE, after=after, before=before)


def count_rows(batch: Batch) -> RowCounts:
    """Count the rows by state, by error and by shot, with one query."""
    found: Any = (
        current_jobs(batch)
        .order_by()
        .values_list("state", "error_code", "shot")
        .annotate(number=Count("pk"))
    )
    by_state: dict[str, int] = {}
    by_error: dict[str, int] = {}
    by_shot: dict[str, int] = {}
    for state, error, shot, number in found:
        by_shot[shot] = by_shot.get(shot, 0) + number
        by_state[state] = by_state.get(state, 0) + number
        if error and state != JobState.SUCCEEDED.value:
            by_error[error] = by_error.get(error, 0) + number
    states = [
        FilterChoice(name, group_label(name), sum(by_state.get(one.value, 0) for one in members))
        for name, members in GROUPS.items()
    ]
    errors = [
        FilterChoice(code, error_help.error_title(code) or code, number)
        for code, number in sorted(by_error.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    shots = [
        FilterChoice(one, shot_choice.label_of(batch.template_version, one), by_shot.get(one, 0))
        for one in batch.shot_fields
    ]
    return RowCounts([one for one in states if one.count], errors, shots if len(shots) > 1 else [])


def group_label(name: str) -> str:
    """Return what a group of states is called."""
    return {
        "queued": _("Queued"),
        "running": pgettext("rows of a batch", "Running"),
        "uncertain": _("Outcome unknown"),
        "succeeded": pgettext("jobs of a batch", "Completed"),
        "failed": _("Failed"),
        "blocked": pgettext("rows of a batch", "Blocked"),
        "cancelled": _("Cancelled"),
        SKIPPED: pgettext("rows of a batch", "Skipped"),
        NOT_STARTED: pgettext("rows of a batch", "Not started"),
    }.get(name, "")


def error_words(job: Job) -> str:
    """Return what went wrong with a job, in words of the reader's language; empty if nothing did."""
    if job.state == JobState.SUCCEEDED.value:
        return ""
    stored = stored_messages.translate_stored(job.error_message)
    return stored or error_help.error_title(job.error_code) or job.error_code


def prepared_keys(batch: Batch) -> list[str]:
    """Return the keys of the rows that were processed when the batch was read, in their order."""
    rows = Batch.objects.filter(pk=batch.pk).values_list("rows", flat=True).first() or []
    return [str(key) for key in rows[: batch.prepared_rows]]


def pending_keys(batch: Batch, *, start: int = 0, size: int = PAGE_SIZE) -> list[str]:
    """Return the keys of rows that no worker has reached, a page of them from number `start`."""
    rows = Batch.objects.filter(pk=batch.pk).values_list("rows", flat=True).first() or []
    waiting = rows[batch.prepared_rows :]
    return [str(key) for key in waiting[start : start + size]]
