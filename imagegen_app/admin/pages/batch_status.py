"""Describe a running batch for its page: how it goes, its rules, and one page of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.http import urlencode
from django.utils.translation import gettext as _

from imagegen_app.admin.pages import batch_placements
from imagegen_app.core.states import JobState
from imagegen_app.services.batches import batch_outlook, lifecycle, reruns, row_export, row_list
from imagegen_app.services.batches.row_list import RowFilter
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.jobs import batch_counts
from imagegen_app.services.library import delivery
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Batch, Job
    from imagegen_app.services.jobs.batch_counts import BatchCounts

_MAX_FILTER_CHARS = 60


@dataclass(frozen=True, slots=True)
class _FilterLink:
    """One value of the filter of rows, with how many have it."""

    label: str
    count: int
    query: str
    is_current: bool


def filter_from(values: Mapping[str, str]) -> RowFilter:
    """Return the filter of rows that an address or a form names."""
    return RowFilter(
        state=str(values.get("state", ""))[:_MAX_FILTER_CHARS],
        error=str(values.get("error", ""))[:_MAX_FILTER_CHARS],
        shot=str(values.get("shot", ""))[:_MAX_FILTER_CHARS],
    )


def filter_query(wanted: RowFilter, **more: str) -> str:
    """Return a filter as the query of an address, with a question mark; empty for none."""
    parts = {"state": wanted.state, "error": wanted.error, "shot": wanted.shot, **more}
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"?{query}" if query else ""


def status_context(actor: Person, batch: Batch, values: Mapping[str, str]) -> dict[str, Any]:
    """Return what the changing part of the page shows; `shown` tells whether it differs from before."""
    counts = batch_counts.counts_of(batch)
    to_create = batch.requested_reruns.filter(refusal="").count()
    # Where nothing is left that could go on, a pause holds nothing.
    is_paused = batch.paused_at is not None and (not counts.is_finished or bool(to_create))
    is_moving = is_paused and batch_counts.has_moving_jobs(batch)
    undecided = 0 if counts.is_finished else batch_counts.count_undecided_jobs(batch)
    has_no_worker = not counts.is_finished and worker_registry.count_live_workers() == 0
    numbers = row_list.count_rows(batch)
    shows_money = batch.requester_id == actor.user.pk or access.has_permission(actor, "view_costs")
    seconds = batch_outlook.remaining_seconds(batch, counts, numbers)
    running = next((one.count for one in numbers.states if one.value == "running"), 0)
    # A pause holds what waits, except that of a pilot.
    will_create = to_create and (not is_paused or batch.pause_reason == "pilot")
    context: dict[str, Any] = {
        "counts": counts,
        "percent": 100 * (counts.ended + counts.invalid_rows) // (counts.wanted_jobs or 1),
        "has_no_worker": has_no_worker,
        "may_steer": batch.requester_id == actor.user.pk
        or access.has_permission(actor, "cancel_any_job"),
        "may_request": access.has_permission(actor, "request_job"),
        "may_cancel": (to_create or not counts.is_finished) and batch.cancelled_at is None,
        "may_pause": to_create or not counts.is_finished,
        "is_paused": is_paused,
        #: Nothing changes any more until a person does something.
        "is_settled": not will_create and (counts.is_finished or (is_paused and not is_moving)),
        "pause_sentence": _pause_reason(batch, is_moving=is_moving, undecided=undecided),
        #: Calls that were sent before the pause: they are billed, and so they are finished.
        "draining": running if is_paused and batch.pause_reason != "pilot" else 0,
        "undecided": undecided,
        "may_resolve": access.has_permission(actor, "resolve_job"),
        "contact": access.contact_sentence(),
        "waiting_rows": counts.unprepared_jobs,
        "shows_money": shows_money,
        "currency": batch.currency,
        "to_create": to_create,
        "skipped_rows": [{"shot": "", **row} for row in batch.invalid_rows],
        "outlook": _outlook(counts, seconds, is_paused=is_paused),
        "rules": batch_outlook.stop_rules(batch, counts, shows_money=shows_money),
        "has_xlsx": row_export.has_xlsx(),
        **batch_placements.scheduled_context(actor, batch),
        **_rows_context(batch, values, counts, numbers),
    }
    parts = (
        "counts",
        "is_settled",
        "pause_sentence",
        "undecided",
        "draining",
        "outlook",
        "to_create",
        "rules",
        "has_no_worker",
        "scheduled",
        "dropped",
    )
    facts = [(r["key"], r["state"], r["is_held"], r["url"], r["note"]) for r in context["rows"]]
    context["shown"] = "|".join([*(str(context[name]) for name in parts), str(facts)])
    return context


def _outlook(counts: BatchCounts, seconds: int | None, *, is_paused: bool) -> str:
    if counts.is_finished or is_paused:
        return ""
    if seconds is None:
        return _("not known yet")
    return batch_outlook.duration_words(seconds)


def _link_to(choice: row_list.FilterChoice, found: RowFilter, *, is_current: bool) -> _FilterLink:
    return _FilterLink(choice.label, choice.count, filter_query(found), is_current)


def _rows_context(
    batch: Batch, values: Mapping[str, str], counts: BatchCounts, numbers: row_list.RowCounts
) -> dict[str, Any]:
    wanted = filter_from(values)
    shown: dict[str, Any] = {
        "wanted": wanted,
        "filter_query": filter_query(wanted),
        "state_links": _state_links(wanted, counts, numbers),
        "error_links": [
            _link_to(one, RowFilter(error=one.value), is_current=wanted.error == one.value)
            for one in numbers.errors
        ],
        "shot_links": [
            _link_to(one, RowFilter(shot=one.value), is_current=wanted.shot == one.value)
            for one in numbers.shots
        ],
        "newer": "",
        "older": "",
        "here": filter_query(wanted),
        "repeatable": 0,
    }
    if wanted.state == row_list.SKIPPED:
        return {
            **shown,
            "rows": [_skipped(number, r) for number, r in enumerate(batch.invalid_rows)],
        }
    if wanted.state == row_list.NOT_STARTED:
        return {**shown, **_pending(batch, wanted, counts, values)}
    after, before = str(values.get("after", "")), str(values.get("before", ""))
    page = row_list.read_page(batch, wanted, after=after, before=before)
    labels = lifecycle.row_labels(batch, [job.row_key for job in page.rows])
    shots = {one.value: one.label for one in numbers.shots}
    is_narrowed = bool(wanted.state or wanted.error or wanted.shot)
    jobs = row_list.filtered_jobs(batch, wanted)
    return {
        **shown,
        "rows": [_row(job, labels.get(job.row_key, ""), shots) for job in page.rows],
        "newer": filter_query(wanted, before=page.first) if page.has_newer else "",
        "older": filter_query(wanted, after=page.last) if page.has_older else "",
        "here": filter_query(wanted, after=after, before=before),
        "repeatable": reruns.repeatable(jobs, has_new_seed=False).count() if is_narrowed else 0,
    }


def _state_links(
    wanted: RowFilter, counts: BatchCounts, numbers: row_list.RowCounts
) -> list[_FilterLink]:
    found = [
        _FilterLink(
            _("All"),
            sum(one.count for one in numbers.states),
            filter_query(RowFilter()) or "?",
            wanted == RowFilter(),
        ),
        *(
            _FilterLink(
                one.label,
                one.count,
                filter_query(RowFilter(state=one.value)),
                wanted.state == one.value,
            )
            for one in numbers.states
        ),
    ]
    waiting = 0 if counts.is_cancelled else counts.unprepared_jobs
    for name, number in ((row_list.NOT_STARTED, waiting), (row_list.SKIPPED, counts.invalid_rows)):
        if number > 0:
            found.append(
                _FilterLink(
                    row_list.group_label(name),
                    number,
                    filter_query(RowFilter(state=name)),
                    wanted.state == name,
                )
            )
    return found


def _row(job: Job, label: str, shots: Mapping[str, str]) -> dict[str, Any]:
    assets = [asset for asset in job.assets.all() if not asset.is_intermediate]
    asset = assets[0] if assets else None
    waiting = getattr(job, "requested_rerun", None)
    is_held = job.is_held and job.state == JobState.QUEUED
    return {
        "key": str(job.pk),
        "job": job,
        "label": label or job.row_key,
        "shot": shots.get(job.shot, job.shot),
        # A pass of a chain says which operation it is.
        "pass": str(job.get_operation_display()) if job.root_id else "",
        "state": "paused" if is_held else job.state,
        "state_label": str(job.get_state_display()),
        # Nothing works on it until the batch continues.
        "is_held": is_held,
        "error": row_list.error_words(job),
        "asset": asset,
        "url": delivery.preview_url(asset, width=160) if asset else "",
        "cost": job.actual_cost,
        "note": _rerun_note(waiting),
        "is_refused": bool(waiting is not None and waiting.refusal),
        "may_choose": job.is_final and job.state != JobState.BLOCKED and not job.root_id,
    }


def _rerun_note(waiting: Any) -> str:
    if waiting is None:
        return ""
    if waiting.refusal:
        return str(_("Not requested again: %(reason)s") % {"reason": waiting.refusal})
    return str(_("A new one is about to be requested."))


def _without_job(key: str, label: str, state: str, error: str, *, shot: str = "") -> dict[str, Any]:
    return {
        "key": key,
        "job": None,
        "label": label,
        "shot": shot,
        "pass": "",
        "state": state,
        "state_label": row_list.group_label(state),
        "is_held": False,
        "error": error,
        "asset": None,
        "url": "",
        "cost": None,
        "note": "",
        "is_refused": False,
        "may_choose": False,
    }


def _skipped(number: int, row: Mapping[str, str]) -> dict[str, Any]:
    reason = str(row.get("reason", ""))
    shot = str(row.get("shot", ""))
    label = str(row.get("row", ""))
    return _without_job(f"skipped-{number}", label, row_list.SKIPPED, reason, shot=shot)


def _pending(
    batch: Batch, wanted: RowFilter, counts: BatchCounts, values: Mapping[str, str]
) -> dict[str, Any]:
    text = str(values.get("from", ""))
    start = min(int(text), counts.rows) if text.isdecimal() and len(text) < 7 else 0  # noqa: PLR2004 - more than a batch has
    keys = row_list.pending_keys(batch, start=start)
    labels = lifecycle.row_labels(batch, keys)
    end = start + len(keys)
    back = max(0, start - row_list.PAGE_SIZE)
    return {
        "rows": [
            _without_job(f"row-{key}", labels.get(key, key), row_list.NOT_STARTED, "")
            for key in keys
        ],
        "newer": filter_query(wanted, **{"from": str(back)}) if start else "",
        "older": filter_query(wanted, **{"from": str(end)})
        if end < counts.rows - counts.prepared_rows
        else "",
        "here": filter_query(wanted, **{"from": str(start) if start else ""}),
    }


def _pause_reason(batch: Batch, *, is_moving: bool, undecided: int) -> str:
    """Return why a batch is paused and what to do, or an empty text."""
    if batch.paused_at is not None and batch.pause_reason == "pilot" and (is_moving or undecided):
        # The rows of the pilot are requested, and their images are not there yet.
        return (
            _("The images of the pilot are being made. The rest waits until you start it.")
            if is_moving
            else _("The pilot is not complete: the outcome of a call is unknown.")
        )
    sentences = {
        "person": _(
            "Paused. Jobs that have started are finished; the rest wait until you continue."
        ),
        "pilot": _("The pilot is complete. Review its images, then start the rest."),
        "spending_limit": _("Paused: the spending limit is reached."),
        "failures": _("Paused: too many rows have failed. Find out why before you continue."),
        "blocks": _(
            "Paused: the content check has blocked too many rows. Check the prompts before you "
            "continue."
        ),
        "budget": _("Paused: the remaining budget does not cover the next rows."),
        "refused": _(
            "Paused: the next rows were refused (permission, grant or price). Ask an image "
            "administrator."
        ),
        "images": _(
            "Paused: the server of the next rows' images does not answer. Continue once it does; "
            "rows whose image cannot be fetched then either are skipped."
        ),
        "internal_error": _(
            "Paused: the site's own software failed when it created the next rows. Ask an image "
            "administrator to look into the worker's log."
        ),
    }
    return sentences.get(batch.pause_reason, "") if batch.paused_at is not None else ""
