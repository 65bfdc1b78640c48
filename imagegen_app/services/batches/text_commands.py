"""What people do to the texts that are written for the rows of a table: type, ask again, pause, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.provider_text import provider_text
from imagegen_app.engines.base import wake
from imagegen_app.models import UploadedTable, WrittenColumn, WrittenText
from imagegen_app.services.batches import table_uploads
from imagegen_app.services.batches.row_texts import (
    OPEN_STATES,
    as_sentence,
    finish_if_done,
    row_at,
    write_into,
)
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

_EMPTIED: Final = gettext_noop("The text was removed by hand.")
_CANCELLED: Final = gettext_noop("It was cancelled before its turn.")


class TextsUnchanged(ActionRefused):
    """The texts of a table stay as they are."""

    code = "texts_unchanged"


@use_case()
def type_text(*, actor: Person, table: UploadedTable, position: int, text: str) -> None:
    """Keep the text that a person typed for a row; without one, the row has none again.

    :raises TextsUnchanged: if it is too long, or the table not the person's own or in use.
    """
    column = _own(actor, table)
    typed = provider_text(" ".join(text.split()), max_chars=column.max_chars + 1)
    if len(typed) > column.max_chars:
        raise _unchanged(
            _("The text is longer than %(most)s characters.") % {"most": column.max_chars}
        )
    row = row_at(table, position)
    if row is None or not row.values:
        raise _unchanged(_("The row cannot be used."))
    if row.values[-1] == typed:
        skip_audit_event()
        return
    write_into(row, column, typed)
    WrittenText.objects.filter(column=column, position=position).update(
        state="edited" if typed else "failed", reason={} if typed else as_sentence(_EMPTIED)
    )
    event_log.record(actor, "row_texts.edited", subject=table, data={"row": row.number})
    finish_if_done(column)


@use_case()
def ask_again(*, actor: Person, table: UploadedTable, position: int | None = None) -> int:
    """Have the text of a row written anew, or those of all rows without one; return of how many.

    A text that is there stays until the new one comes.

    :raises TextsUnchanged: if the table is not the person's own or in use, or nothing is left to ask.
    """
    column = _own(actor, table)
    texts = WrittenText.objects.filter(column=column).exclude(state__in=OPEN_STATES)
    if position is None:
        texts = texts.filter(state__in=("failed", "blocked"))
    else:
        texts = texts.filter(position=position)
    number: int = texts.update(state="waiting", call=None, reason={})
    if not number:
        skip_audit_event()
        return 0
    WrittenColumn.objects.filter(pk=column.pk).update(state="running", reason={}, failures=0)
    event_log.record(actor, "row_texts.asked_again", subject=table, data={"rows": number})
    wake("drive")
    return number


@use_case()
def pause(*, actor: Person, table: UploadedTable) -> None:
    """Ask for no further text until a person continues; what is under way is kept.

    :raises TextsUnchanged: if the table is not the person's own.
    """
    column = _own(actor, table, may_be_used=True)
    if not WrittenColumn.objects.filter(pk=column.pk, state="running").update(
        state="paused", reason={}
    ):
        skip_audit_event()
        return
    event_log.record(actor, "row_texts.paused", subject=table, data={})


@use_case()
def resume(*, actor: Person, table: UploadedTable) -> None:
    """Continue with the rows that wait.

    :raises TextsUnchanged: if the table is not the person's own.
    """
    column = _own(actor, table, may_be_used=True)
    if not WrittenColumn.objects.filter(pk=column.pk, state="paused").update(
        state="running", reason={}, failures=0
    ):
        skip_audit_event()
        return
    event_log.record(actor, "row_texts.resumed", subject=table, data={})
    wake("drive")


@use_case()
def cancel(*, actor: Person, table: UploadedTable) -> None:
    """Give up the rows that wait; texts that are there stay, and what is under way is kept.

    :raises TextsUnchanged: if the table is not the person's own.
    """
    column = _own(actor, table, may_be_used=True)
    if not WrittenColumn.objects.filter(pk=column.pk, state__in=("running", "paused")).update(
        state="cancelled", reason={}
    ):
        skip_audit_event()
        return
    WrittenText.objects.filter(column=column, state="waiting").update(
        state="failed", reason=as_sentence(_CANCELLED)
    )
    event_log.record(actor, "row_texts.cancelled", subject=table, data={})


def _own(actor: Person, table: UploadedTable, *, may_be_used: bool = False) -> WrittenColumn:
    """Return the locked column of a table of one's own, of which no batch needs the rows now."""
    access.require_permission(actor, "request_job")
    column = WrittenColumn.objects.select_for_update().filter(table=table).first()
    if column is None or table.owner_id != actor.user.pk:
        raise _unchanged(_("There is no such table of yours."))
    if not may_be_used and table_uploads.is_needed(table):
        raise _unchanged(_("A batch has not made the jobs of all its rows yet."))
    UploadedTable.objects.filter(pk=table.pk).update(used_at=clock.now())
    return column


def _unchanged(reason: str) -> TextsUnchanged:
    return TextsUnchanged(
        _("The texts stay as they are."), reason=reason, remedy=_("Change it, then try again.")
    )
