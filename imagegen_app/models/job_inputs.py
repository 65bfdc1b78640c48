"""Store the input images of jobs."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.operations import InputRole
from imagegen_app.models.base import Record
from imagegen_app.models.jobs import Job
from imagegen_app.models.labels import choices
from imagegen_app.models.relations import ForeignKey


class JobInput(Record):
    """An input image of a job as it is sent; its bytes are in private storage, named by hash."""

    job = ForeignKey(Job, on_delete=models.PROTECT, related_name="inputs")
    position = models.PositiveSmallIntegerField(default=0)
    role = models.CharField(_("role"), max_length=10, choices=choices(InputRole))
    #: How a control image guides the result; empty for the others. See `core.types.ControlGuide`.
    guide: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)
    asset = ForeignKey(
        "Asset", on_delete=models.PROTECT, null=True, blank=True, related_name="used_as_input"
    )
    sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=200)
    #: The uploaded file, where a setting keeps it.
    original_storage_key = models.CharField(max_length=200, blank=True)
    #: The source type that an upload's own metadata or manifest claims, if it is one of AI.
    digital_source_type = models.CharField(max_length=120, blank=True)
    media_type = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    #: What may be published of an uploaded file's own Content Credentials; empty if unread. See
    #: `imaging.ingredients.IngredientFacts`.
    ingredient_facts: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)
    #: Where the uploaded file's manifest store is kept, private and as it was; empty without one.
    manifest_key = models.CharField(max_length=200, blank=True)
    #: The field of the site's content whose image it is; see `services.job_requests.values`.
    content_origin: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)
    #: Where a batch found the file: an address without its query, or a name in the site's storage.
    found_at = models.CharField(_("found at"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("input image")
        verbose_name_plural = _("input images")
        constraints = [
            models.UniqueConstraint(
                fields=["job", "position"], name="imagegen_input_position_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.position}"
