"""Store prompt templates and their immutable versions."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from imagegen_app.core import types
from imagegen_app.core.limits import MAX_ALT_CHARS, MAX_COUNT
from imagegen_app.core.operations import Operation
from imagegen_app.models.base import Record
from imagegen_app.models.brand_kits import BrandKit
from imagegen_app.models.catalog import ImageModel
from imagegen_app.models.labels import choices
from imagegen_app.models.relations import ForeignKey

SEED_STRATEGIES = [
    ("random", _("A new seed each time")),
    ("fixed", _("Always the same seed")),
    ("per_row", _("Derived from the row: a re-run gives the same image")),
]


class PromptTemplate(Record):
    """A named prompt with variables; its text is in its versions."""

    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(_("short name"), max_length=60, unique=True)
    purpose = models.CharField(_("purpose"), max_length=160, blank=True)
    current = ForeignKey(
        "TemplateVersion",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="current_of",
        verbose_name=_("published version"),
    )
    is_archived = models.BooleanField(_("archived"), default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # The library: where it stands, and who answers for it. Who may use it is in `TemplateGroup`.
    category = models.CharField(_("category"), max_length=60, blank=True, db_index=True)
    owner = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_templates",
        verbose_name=_("owner"),
    )

    class Meta:
        verbose_name = _("prompt template")
        verbose_name_plural = _("prompt templates")

    def __str__(self) -> str:
        return self.name


class TemplateVersion(Record):
    """One immutable state of a template; jobs refer to it."""

    template = ForeignKey(
        PromptTemplate,
        on_delete=models.PROTECT,
        related_name="versions",
        verbose_name=_("template"),
    )
    number = models.PositiveIntegerField(_("version"))
    body = models.TextField(_("prompt"))
    negative = models.TextField(_("negative prompt"), blank=True)
    variables: models.JSONField[Any, Any] = models.JSONField(
        _("variables"), default=list, blank=True
    )
    operation = models.CharField(
        _("operation"), max_length=20, choices=choices(Operation), default=Operation.GENERATE.value
    )
    image_model = ForeignKey(
        ImageModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="template_versions",
        verbose_name=_("image model"),
        help_text=_("Leave empty to let the requester choose among the granted models."),
    )
    #: Both are empty if the template leaves the size to the model.
    width = models.PositiveIntegerField(_("width"), null=True, blank=True)
    height = models.PositiveIntegerField(_("height"), null=True, blank=True)
    count = models.PositiveSmallIntegerField(
        _("images"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_COUNT)]
    )
    quality = models.CharField(_("quality"), max_length=20, blank=True)
    seed_strategy = models.CharField(
        _("seed"), max_length=10, choices=SEED_STRATEGIES, default="random"
    )
    seed = models.BigIntegerField(_("fixed seed"), null=True, blank=True)
    #: Follow-up passes of each image; see `core.passes`.
    passes: models.JSONField[Any, Any] = models.JSONField(
        _("follow-up passes"), default=list, blank=True
    )
    #: The model's own parameters that each job has, with the types that they have.
    parameters: models.JSONField[Any, Any] = models.JSONField(
        _("fixed parameters"), default=dict, blank=True
    )
    #: The LoRA that each job has, by name and weight, in the order that they are added in.
    loras: models.JSONField[Any, Any] = models.JSONField(_("fixed LoRA"), default=list, blank=True)
    #: The control images that each job has: an asset's key, and how it guides; see
    #: `services.job_requests.fixed_guides`.
    guides: models.JSONField[Any, Any] = models.JSONField(
        _("fixed guides"), default=list, blank=True
    )
    #: What it inherits: the kit's published version at the time of the request.
    brand_kit = ForeignKey(
        BrandKit,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="template_versions",
        verbose_name=_("brand kit"),
    )
    #: The pictures that are made of each object, in their order; see `core.shots`.
    shots: models.JSONField[Any, Any] = models.JSONField(_("shots"), default=list, blank=True)
    #: A sentence with the template's variables that describes the image to people who cannot see it.
    alt_pattern = models.CharField(
        _("pattern of the alternative text"), max_length=MAX_ALT_CHARS, blank=True
    )
    note = models.CharField(_("what changed"), max_length=200, blank=True)
    #: When it became the version that new requests use, for the first time; null for a draft.
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    created_by = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("written by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("template version")
        verbose_name_plural = _("template versions")
        constraints = [
            models.UniqueConstraint(
                fields=["template", "number"], name="imagegen_version_number_once"
            ),
            models.CheckConstraint(
                condition=Q(count__gte=1, count__lte=MAX_COUNT), name="imagegen_version_count"
            ),
            models.CheckConstraint(
                condition=~Q(seed_strategy="fixed") | Q(seed__isnull=False),
                name="imagegen_version_fixed_seed_given",
            ),
            models.CheckConstraint(
                condition=Q(width__isnull=True, height__isnull=True)
                | Q(width__isnull=False, height__isnull=False),
                name="imagegen_version_whole_size",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} v{self.number}"

    @property
    def size(self) -> types.Size | None:
        """The size that its author chose; None if the model's own is made."""
        if self.width is None or self.height is None:
            return None
        return types.Size(self.width, self.height)


class TemplateFavourite(Record):
    """That a person wants to find a template first."""

    template = ForeignKey(
        PromptTemplate,
        on_delete=models.PROTECT,
        related_name="favourites",
        verbose_name=_("template"),
    )
    person = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_favourite_templates",
        verbose_name=_("person"),
    )

    class Meta:
        verbose_name = _("favourite template")
        verbose_name_plural = _("favourite templates")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["template", "person"], name="imagegen_favourite_template_once"
            ),
        ]

    def __str__(self) -> str:
        return str(self.template)


class TemplateGroup(Record):
    """That a group may use a template; one without any may be used by everybody who requests images."""

    template = ForeignKey(
        PromptTemplate,
        on_delete=models.PROTECT,
        related_name="allowed_groups",
        verbose_name=_("template"),
    )
    # Protected: if the row went with its group, the template would be open to everybody.
    group = ForeignKey(
        Group,
        on_delete=models.PROTECT,
        related_name="imagegen_templates",
        verbose_name=_("group"),
    )

    class Meta:
        verbose_name = _("group of a template")
        verbose_name_plural = _("groups of templates")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["template", "group"], name="imagegen_template_group_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} → {self.template}"
