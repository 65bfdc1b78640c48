"""Store tables that people upload, to make a batch of images from their rows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.ids import uuid7
from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey


class UploadedTable(Record):
    """A table that a person uploaded; its file is not kept, only its rows are."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_tables",
        # The constraint and the index below begin with it.
        db_index=False,
        verbose_name=_("uploaded by"),
    )
    #: The name of its file.
    name = models.CharField(_("name"), max_length=120)
    #: A hash of the columns and rows: the same content of one person is the same table. The table's
    #: own key once any of them was erased.
    digest = models.CharField(_("digest"), max_length=64)
    columns: models.JSONField[Any, Any] = models.JSONField(_("columns"), default=list)
    row_count = models.PositiveIntegerField(_("total rows"), default=0)
    #: How the file was read: `encoding` and `delimiter`, or `sheet`.
    reading: models.JSONField[Any, Any] = models.JSONField(_("read as"), default=dict, blank=True)
    #: What was noticed on reading: sentences with their values.
    notes: models.JSONField[Any, Any] = models.JSONField(_("notes"), default=list, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    #: It is kept for some days after its last use.
    used_at = models.DateTimeField(_("last used"), db_index=True)

    class Meta:
        verbose_name = _("uploaded table")
        verbose_name_plural = _("uploaded tables")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["owner", "digest"], name="imagegen_table_once"),
        ]
        indexes = [models.Index(fields=["owner", "-used_at"], name="imagegen_table_of_owner")]

    def __str__(self) -> str:
        return self.name


class UploadedTableRow(Record):
    """A row of an uploaded table."""

    table = ForeignKey(
        UploadedTable,
        on_delete=models.PROTECT,
        related_name="rows",
        # The constraint below begins with it.
        db_index=False,
        verbose_name=_("table"),
    )
    #: Its place among the rows, from 0, without gaps.
    position = models.PositiveIntegerField(_("place"))
    #: The number that a spreadsheet program shows beside it.
    number = models.PositiveIntegerField(_("row"))
    #: One text a column; empty where it was erased.
    values: models.JSONField[Any, Any] = models.JSONField(_("values"), default=list)
    #: Why no image can be made of it, as a sentence with its values; empty if nothing is wrong.
    problem: models.JSONField[Any, Any] = models.JSONField(_("problem"), default=dict, blank=True)

    class Meta:
        verbose_name = _("row of an uploaded table")
        verbose_name_plural = _("rows of uploaded tables")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["table", "position"], name="imagegen_table_row_once"),
        ]

    def __str__(self) -> str:
        return f"row {self.number}"
