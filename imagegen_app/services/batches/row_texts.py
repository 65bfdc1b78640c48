"""The life of the texts that the text model writes for the rows of a table.

A worker takes one row after the other: its money is reserved and the row is marked in one transaction,
then the service is asked, once. What a killed worker has not brought back counts as billed, and the row
says so; nobody asks again by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, F
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.models import UploadedTable, UploadedTableRow, WrittenColumn, WrittenText
from imagegen_app.models.amounts import amount_expression as exact
from imagegen_app.services.batches.text_columns import NO_TEXT
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.gateways import prompt_writing, screening
from imagegen_app.services.jobs import text_calls
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import TextCall
    from imagegen_app.services.gateways.prompt_writing import Suggestion
    from imagegen_app.services.gateways.screening import UnsavedVerdict

#: Rows without a text in a row, after which a person is asked.
MAX_FAILURES: Final = 5
OPEN_STATES: Final = ("waiting", "asked")
_FAILED: Final = gettext_noop("The text model gave no answer that can be used.")
_BLOCKED: Final = gettext_noop("“%(screener)s” blocked the text.")
_LOST: Final = gettext_noop("The answer was lost; it may have been billed.")
_NOTHING: Final = gettext_noop("The chosen columns are empty in this row.")
_ERASED: Final = gettext_noop("The values of this row were erased.")
_TOO_MANY: Final = gettext_noop("%(number)s rows in a row got no text.")
_ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class TakenRow:
    """A row whose text is to be written now, with its money reserved."""

    text: WrittenText
    call: TextCall
    #: What is sent, by the names of the columns.
    texts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How many rows there are, by what became of their texts."""

    total: int
    waiting: int
    asked: int
    written: int
    edited: int
    failed: int
    blocked: int

    @property
    def ready(self) -> int:
        """Rows that have a text."""
        return self.written + self.edited

    @property
    def open(self) -> int:
        """Rows whose text is still to come."""
        return self.waiting + self.asked

    @property
    def without(self) -> int:
        """Rows that got no text."""
        return self.failed + self.blocked


@dataclass(frozen=True, slots=True)
class ShownText:
    """A row with its text, for a page."""

    position: int
    number: int
    #: What the text was written from: the values of the first columns.
    label: str
    text: str
    state: str
    state_name: str
    #: Why there is no text, or why the newest try brought none.
    reason: str


def column_of(table: UploadedTable) -> WrittenColumn | None:
    """Return the column of a table that the text model writes, if there is one."""
    return WrittenColumn.objects.filter(table=table).first()


def is_being_written(table: UploadedTable) -> bool:
    """Return whether texts of a table are still to come; its column stays locked, if it has one."""
    column = WrittenColumn.objects.select_for_update().filter(table=table).first()
    texts = WrittenText.objects.filter(column=column, state__in=OPEN_STATES)
    return column is not None and bool(texts.exists())


def progress(column: WrittenColumn) -> Progress:
    """Return how far the texts are."""
    texts = WrittenText.objects.filter(column=column).order_by()
    counts = dict(texts.values_list("state").annotate(Count("pk")))
    return Progress(
        total=sum(counts.values()),
        **{
            state: counts.get(state, 0)
            for state in ("waiting", "asked", "written", "edited", "failed", "blocked")
        },
    )


def shown_texts(
    column: WrittenColumn, *, start: int, most: int, problems_only: bool = False
) -> list[ShownText]:
    """Return rows with their texts, at most so many, from the `start`-th on."""
    found = WrittenText.objects.filter(column=column).order_by("position")
    if problems_only:
        found = found.filter(state__in=("failed", "blocked"))
    texts = list(found[start : start + most])
    stored = UploadedTableRow.objects.filter(
        table=column.table, position__in=[one.position for one in texts]
    )
    rows = {row.position: row for row in stored}
    return [_shown(text, rows[text.position]) for text in texts if text.position in rows]


def has_waiting() -> bool:
    """Return whether a worker has texts to ask for."""
    return _to_take().exists()


def take(*, limit: int) -> Iterator[TakenRow]:
    """Take up to `limit` rows whose turn it is, each with its money reserved.

    Each is handed over before the next one is taken: what fails then holds no money of others.
    """
    stopped: set[int] = set()
    keys = _to_take().order_by("column__created_at", "column", "position")
    for key, column in list(keys.values_list("pk", "column")[:limit]):
        if column in stopped:
            continue
        try:
            row = _take(key)
        except ActionRefused as refusal:
            # Such as a budget that is used up, or a permission that was withdrawn.
            _pause(column, as_sentence("%(reason)s", reason=refusal.reason), ground=refusal.code)
            stopped.add(column)
        else:
            if row is not None:
                yield row


@use_case()
def keep_answer(*, taken: TakenRow, before: Sequence[UnsavedVerdict], found: Suggestion) -> None:
    """Keep what the text model wrote for a row, and end its call.

    A text that somebody typed meanwhile stays, and a row that was erased stays empty.
    """
    blockers = _blockers([*before, *found.screened])
    answer = found.answer
    state: text_calls.State = "blocked" if blockers else "succeeded" if answer.text else "failed"
    cost = answer.cost + screening.cost_of(before) + screening.cost_of(found.screened)
    outcome = text_calls.TextOutcome(state, cost, answer.service, answer.model, blockers)
    # First of all the column: what ends last finishes it.
    column = WrittenColumn.objects.select_for_update().filter(pk=taken.text.column_id).first()
    is_first = text_calls.end(actor=WORKER_ACTOR, call=taken.call, outcome=outcome)
    if column is None or not is_first:
        return
    reason = (
        as_sentence(_BLOCKED, screener=", ".join(blockers)) if blockers else as_sentence(_FAILED)
    )
    _settle(column, taken.text.pk, taken.call, text=answer.text, cost=cost, reason=reason)


def end_lost() -> int:
    """Say of rows whose call was lost that there is no text; return of how many."""
    lost = WrittenText.objects.filter(state="asked").exclude(call__state="waiting")
    return sum(_end_lost(key) for key in lost.values_list("pk", flat=True)[:_ROWS_AT_ONCE])


def _to_take() -> QuerySet[WrittenText]:
    rows: QuerySet[WrittenText] = WrittenText.objects.filter(
        state="waiting", column__state="running"
    )
    return rows


def _locked_column(key: int) -> WrittenColumn | None:
    """Return the column of a text, locked by itself; None if it is gone."""
    column = WrittenText.objects.filter(pk=key).values_list("column", flat=True).first()
    found = WrittenColumn.objects.select_for_update().filter(pk__in=[column] if column else [])
    return found.first()


@use_case()
def _take(key: int) -> TakenRow | None:
    """Mark a row and reserve its money; None if another worker was first, or nothing can be sent."""
    # First of all the column, as everywhere: who pauses or cancels it has its rows in hand.
    locked = _locked_column(key)
    if locked is None or not _to_take().filter(pk=key).update(state="asked"):
        skip_audit_event()
        return None
    text = WrittenText.objects.select_related("column__table").get(pk=key)
    column = text.column
    sent = _texts_to_send(column, text.position)
    if not sent:
        skip_audit_event()
        _settle(locked, key, None, text="", cost=Decimal(0), reason=as_sentence(_NOTHING))
        return None
    actor = _owner(column.table)
    call = text_calls.begin(
        actor=actor,
        task="row_text",
        estimated_cost=prompt_writing.price(),
        currency=conf.get().text_model.currency,
        language=column.language,
    )
    WrittenText.objects.filter(pk=key).update(call=call)
    return TakenRow(text, call, sent)


def _texts_to_send(column: WrittenColumn, position: int) -> dict[str, str]:
    row = UploadedTableRow.objects.filter(table=column.table_id, position=position).first()
    values = dict(zip(column.table.columns, row.values if row else [], strict=False))
    return {name: values[name] for name in column.sources if values.get(name, "").strip()}


def _owner(table: UploadedTable) -> Actor:
    """Return whose texts they are, as they are now.

    :raises NotPermitted: if the account is gone or may request no images any more.
    """
    person = access.active_person(table.owner_id)
    if person is None or not prompt_writing.can_write_rows():
        raise access.NotPermitted(
            _("No text was asked for."),
            reason=_("The account that asked is no longer active, or the site has no text model."),
            remedy=access.contact_sentence(),
        )
    access.require_permission(person, "request_job")
    return person


@use_case()
def _end_lost(key: int) -> int:
    skip_audit_event()
    column = _locked_column(key)
    # Read once the column is locked: another worker may have said so meanwhile, cost included.
    lost = WrittenText.objects.filter(pk=key, state="asked").exclude(call__state="waiting")
    text = lost.select_related("call").first()
    if column is None or text is None:
        return 0
    cost = text.call.cost if text.call else Decimal(0)
    return _settle(column, key, text.call, text="", cost=cost, reason=as_sentence(_LOST))


def _settle(
    column: WrittenColumn,
    key: int,
    call: TextCall | None,
    *,
    text: str,
    cost: Decimal,
    reason: dict[str, Any],
) -> int:
    """Give a row its text or the reason for none, within the transaction of the caller.

    The column is locked. Returns 0 if a person has typed a text meanwhile.
    """
    # A text typed meanwhile costs what the call did, too.
    WrittenColumn.objects.filter(pk=column.pk).update(cost=F("cost") + exact(cost))
    stored = WrittenText.objects.select_for_update().filter(pk=key, state="asked", call=call)
    found = stored.first()
    if found is None:
        finish_if_done(column)
        return 0
    row = row_at(column.table, found.position)
    state = "failed"
    if row is None or not row.values:
        text, reason = "", as_sentence(_ERASED)
    elif text:
        write_into(row, column, text)
        state, reason = "written", {}
    elif row.values[-1]:
        # That of an earlier try.
        state = "written"
    elif reason["message"] == _BLOCKED:
        state = "blocked"
    WrittenText.objects.filter(pk=key).update(state=state, reason=reason)
    failures = 0 if text else column.failures + 1
    WrittenColumn.objects.filter(pk=column.pk).update(failures=failures)
    if (
        failures >= MAX_FAILURES
        and WrittenText.objects.filter(column=column, state="waiting").exists()
    ):
        _pause(column.pk, as_sentence(_TOO_MANY, number=failures), ground="failures")
    finish_if_done(column)
    return 1


@use_case()
def _pause(key: int, reason: dict[str, Any], *, ground: str) -> None:
    paused = WrittenColumn.objects.filter(pk=key, state="running")
    if not paused.update(state="paused", reason=reason):
        skip_audit_event()
        return
    column = WrittenColumn.objects.select_related("table").get(pk=key)
    event_log.record(
        WORKER_ACTOR,
        "row_texts.paused",
        subject=column.table,
        data={"ground": ground},
    )


def finish_if_done(column: WrittenColumn) -> None:
    """Finish a column if no text is still to come, within the transaction of the caller."""
    if WrittenText.objects.filter(column=column, state__in=OPEN_STATES).exists():
        return
    running = WrittenColumn.objects.filter(pk=column.pk, state__in=("running", "paused"))
    if not running.update(state="finished", reason={}):
        return
    UploadedTable.objects.filter(pk=column.table_id).update(used_at=clock.now())
    counts = progress(column)
    event_log.record(
        WORKER_ACTOR,
        "row_texts.finished",
        subject=column.table,
        data={"rows": counts.ready, "failed": counts.without},
    )


def row_at(table: UploadedTable, position: int) -> UploadedTableRow | None:
    """Return the locked row at a place; None if there is none."""
    rows = UploadedTableRow.objects.select_for_update().filter(table=table, position=position)
    return rows.first()


def write_into(row: UploadedTableRow, column: WrittenColumn, text: str) -> None:
    """Give a locked row its text; without one, the row has a problem in a batch."""
    problem = {} if text else as_sentence(NO_TEXT, row=row.number, column=column.name)
    UploadedTableRow.objects.filter(pk=row.pk).update(
        values=[*row.values[:-1], text], problem=problem
    )


def _shown(text: WrittenText, row: UploadedTableRow) -> ShownText:
    values = [str(value) for value in row.values[:-1] if value]
    return ShownText(
        text.position,
        row.number,
        " · ".join(values)[:160],
        str(row.values[-1]) if row.values else "",
        text.state,
        str(text.get_state_display()),
        said(text.reason),
    )


def said(stored: dict[str, Any]) -> str:
    """Return a stored sentence in the language of the reader; empty for none."""
    return _(str(stored["message"])) % stored.get("values", {}) if stored else ""


def _blockers(verdicts: Sequence[UnsavedVerdict]) -> tuple[str, ...]:
    return tuple(one.screener for one in verdicts if screening.is_blocked([one]))


def as_sentence(message: str, **values: Any) -> dict[str, Any]:
    """Return a sentence in the form in which it is stored; see `said`."""
    return {"message": message, "values": values}
