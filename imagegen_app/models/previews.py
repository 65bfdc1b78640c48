"""Store the unfinished images that providers send of calls under way."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.base import Record
from imagegen_app.models.jobs import Job


class JobPreview(Record):
    """The last unfinished image of a job's call, small and encoded by us; gone when the call ends.

    A row and no file: all processes of workers and of the web see it, and it ends with the job's
    transaction. It is no asset: it has no marks, and can be neither selected nor placed.
    """

    job = models.OneToOneField(
        Job,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="preview",
        verbose_name=_("job"),
    )
    #: A WebP image without metadata; see `imaging.previews`.
    image = models.BinaryField(_("image"))
    stored_at = models.DateTimeField(_("stored"), db_index=True)

    class Meta:
        verbose_name = _("preview of a job")
        verbose_name_plural = _("previews of jobs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"preview of {str(self.pk)[-8:]}"
