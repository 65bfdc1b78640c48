"""Store the calls that ask a service for a text, and the columns of tables that are written by them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.ids import uuid7
from imagegen_app.models.assets import Asset
from imagegen_app.models.base import Record, money
from imagegen_app.models.relations import ForeignKey
from imagegen_app.models.uploaded_tables import UploadedTable

TASKS = [
    ("alt_text", _("Alternative text")),
    ("suggest_prompt", _("Suggested prompt")),
    ("improve_prompt", _("Improved prompt")),
    ("row_text", _("Text of a row")),
]
STATES = [
    ("waiting", _("Waiting")),
    ("succeeded", _("Answered")),
    ("failed", _("No answer")),
    ("blocked", _("Blocked by content check")),
]
COLUMN_STATES = [
    ("running", _("Being written")),
    ("paused", _("Paused")),
    ("cancelled", _("Cancelled")),
    ("finished", _("Finished")),
]
TEXT_STATES = [
    ("waiting", _("Waiting")),
    ("asked", _("Being written")),
    ("written", _("Written")),
    ("edited", _("Typed by hand")),
    ("failed", _("No text")),
    ("blocked", _("Blocked by content check")),
]


class TextCall(Record):
    """One call for a text that belongs to no job: who asked for it, and what it cost.

    It holds no text: a suggested prompt is in the answer alone, and an alternative text with its image.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.CharField(_("task"), max_length=14, choices=TASKS)
    state = models.CharField(_("state"), max_length=9, choices=STATES, default="waiting")
    requester = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_text_calls",
        verbose_name=_("requested by"),
    )
    #: The image that is described; None for a prompt.
    asset = ForeignKey(
        Asset,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="text_calls",
        verbose_name=_("asset"),
    )
    language = models.CharField(_("language"), max_length=20, blank=True)
    #: As the settings call it.
    service = models.CharField(_("service"), max_length=80, blank=True)
    #: The version of its model.
    model = models.CharField(_("model"), max_length=200, blank=True)
    #: What budgets reserved.
    estimated_cost = money(verbose_name=_("estimated cost"), default=0)
    #: With the content checks of what was sent and what came back.
    cost = money(verbose_name=_("cost"), default=0)
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    #: Until when a worker works on it; None where none does.
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("text call")
        verbose_name_plural = _("text calls")
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                condition=Q(state="waiting", ended_at__isnull=True)
                | (~Q(state="waiting") & Q(ended_at__isnull=False)),
                name="imagegen_text_call_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "created_at"], name="imagegen_text_call_state"),
            models.Index(fields=["-created_at", "-id"], name="imagegen_text_call_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_task_display()} {str(self.pk)[-8:]}"


class WrittenColumn(Record):
    """The column of an uploaded table that the text model writes: under which instruction, from what.

    The texts themselves stand in the table's rows.
    """

    table = models.OneToOneField(
        UploadedTable,
        on_delete=models.PROTECT,
        related_name="written_column",
        verbose_name=_("table"),
    )
    name = models.CharField(_("column"), max_length=100)
    instruction = models.TextField(_("instruction"), blank=True)
    #: The names of the columns that are sent.
    sources: models.JSONField[Any, Any] = models.JSONField(_("columns sent"), default=list)
    language = models.CharField(_("language"), max_length=20, blank=True)
    #: The longest text: the template's variable may take less than any other.
    max_chars = models.PositiveIntegerField(_("characters at most"), default=800)
    state = models.CharField(_("state"), max_length=9, choices=COLUMN_STATES, default="running")
    #: Why it pauses, as a sentence with its values; empty where a person paused it.
    reason: models.JSONField[Any, Any] = models.JSONField(_("reason"), default=dict, blank=True)
    #: Rows without a text in a row; too many pause it.
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    #: What its calls have cost, those for texts that were asked for anew included.
    cost = money(verbose_name=_("cost"), default=0)
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("written column")
        verbose_name_plural = _("written columns")
        default_permissions = ()
        indexes = [models.Index(fields=["state", "created_at"], name="imagegen_column_state")]

    def __str__(self) -> str:
        return self.name


class WrittenText(Record):
    """How far the text of one row is."""

    column = ForeignKey(
        WrittenColumn,
        on_delete=models.PROTECT,
        related_name="texts",
        # The constraint below begins with it.
        db_index=False,
        verbose_name=_("written column"),
    )
    #: The place of its row in the table.
    position = models.PositiveIntegerField(_("place"))
    state = models.CharField(_("state"), max_length=7, choices=TEXT_STATES, default="waiting")
    #: The last call for it.
    call = ForeignKey(
        TextCall,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="written_texts",
        verbose_name=_("text call"),
    )
    #: Why there is no text, as a sentence with its values.
    reason: models.JSONField[Any, Any] = models.JSONField(_("reason"), default=dict, blank=True)

    class Meta:
        verbose_name = _("written text")
        verbose_name_plural = _("written texts")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["column", "position"], name="imagegen_written_once"),
        ]
        indexes = [models.Index(fields=["column", "state"], name="imagegen_written_state")]

    def __str__(self) -> str:
        return f"text {self.position}"
