"""Store what may be used: providers, image models and grants."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import Group
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.operations import Operation
from imagegen_app.core.states import USABLE_LIFECYCLES, Lifecycle
from imagegen_app.models.base import Record, RecordQuerySet
from imagegen_app.models.labels import choices
from imagegen_app.models.relations import ForeignKey


def _data_handling() -> models.JSONField[Any, Any]:
    """Return the field for what is agreed with a provider, for all its models or for one."""
    return models.JSONField(
        _("data handling as agreed"),
        default=dict,
        blank=True,
        help_text=_(
            "What is agreed with the provider about retention, training, regions or marks, as a JSON "
            "object; the documentation's page about providers lists the names. Leave {} for what the "
            "adapter knows."
        ),
    )


class Provider(Record):
    """An account at an image API; the credential's name is stored here, never its value."""

    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(_("short name"), max_length=60, unique=True)
    adapter = models.CharField(_("adapter"), max_length=200)
    base_url = models.URLField(_("base URL"), max_length=300, blank=True)
    credential = models.CharField(
        _("credential"),
        max_length=80,
        blank=True,
        help_text=_(
            "A name from IMAGEGEN['CREDENTIALS'] in the site's settings; never the key itself."
        ),
    )
    options: models.JSONField[Any, Any] = models.JSONField(
        _("options"),
        default=dict,
        blank=True,
        help_text=_(
            "Options of the adapter, as a JSON object of names and values; the documentation's page "
            "about providers lists them. Leave {} for none."
        ),
    )
    data_handling = _data_handling()
    max_in_flight = models.PositiveIntegerField(
        _("concurrent calls"), default=8, validators=[MinValueValidator(1)]
    )
    calls_per_minute = models.PositiveIntegerField(
        _("calls per minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Shared by all workers. Leave empty for no limit."),
    )
    burst = models.PositiveIntegerField(
        _("burst"),
        default=5,
        validators=[MinValueValidator(1)],
        help_text=_("How many calls may be sent at once after an idle period."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        constraints = [
            models.CheckConstraint(
                condition=Q(max_in_flight__gte=1), name="imagegen_provider_in_flight"
            ),
            models.CheckConstraint(condition=Q(burst__gte=1), name="imagegen_provider_burst"),
            models.CheckConstraint(
                condition=Q(calls_per_minute__isnull=True) | Q(calls_per_minute__gte=1),
                name="imagegen_provider_rate",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ImageModelQuerySet(RecordQuerySet["ImageModel"]):
    """Filters for image models."""

    def usable(self) -> ImageModelQuerySet:
        """Return the models that accept new requests."""
        return self.filter(
            lifecycle__in=sorted(s.value for s in USABLE_LIFECYCLES), provider__is_enabled=True
        )


class ImageModel(Record):
    """One pinned model version at a provider."""

    provider = ForeignKey(
        Provider, on_delete=models.PROTECT, related_name="image_models", verbose_name=_("provider")
    )
    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(_("short name"), max_length=80, unique=True)
    provider_model_name = models.CharField(
        _("model name at the provider"),
        max_length=120,
        help_text=_("The name or ID that the provider's API expects."),
    )
    version = models.CharField(_("version"), max_length=80)
    lifecycle = models.CharField(
        _("lifecycle"), max_length=12, choices=choices(Lifecycle), default=Lifecycle.DRAFT.value
    )
    retires_on = models.DateField(_("retirement date"), null=True, blank=True)
    replaced_by = ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="replaces",
        verbose_name=_("replaced by"),
    )
    fallback = ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="fallback_for",
        verbose_name=_("fallback model"),
        help_text=_("Used while this model fails, for people who hold a grant for it."),
    )
    workflow = ForeignKey(
        "WorkflowVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="image_models",
        verbose_name=_("workflow"),
        help_text=_(
            "For providers whose models are workflows: the uploaded version that runs. It gives the "
            "model its name at the provider and its version."
        ),
    )
    price_list = models.JSONField(
        _("price list"),
        default=dict,
        blank=True,
        help_text=_(
            "Currency, price per image, and token prices where the provider counts tokens."
        ),
    )
    capabilities: models.JSONField[Any, Any] = models.JSONField(
        _("corrected capabilities"),
        default=dict,
        blank=True,
        help_text=_(
            "Where the model can do more or less than its adapter knows, as a JSON object; the "
            "documentation's page about providers lists the names. Leave {} for none."
        ),
    )
    #: By field, a digest of what the catalogue of models wrote there last: what does not match it was
    #: changed by somebody since.
    catalog_values: models.JSONField[Any, Any] = models.JSONField(
        default=dict, blank=True, editable=False
    )
    data_handling = _data_handling()
    notes = models.TextField(_("notes"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[Any] = ImageModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("image model")
        verbose_name_plural = _("image models")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "provider_model_name", "version"],
                name="imagegen_model_pinned_once",
            ),
            models.CheckConstraint(
                condition=Q(lifecycle__in=[s.value for s in Lifecycle]),
                name="imagegen_model_lifecycle",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Grant(Record):
    """A row of the allowlist: this group may use this model for these operations, within limits."""

    group = ForeignKey(
        Group, on_delete=models.PROTECT, related_name="imagegen_grants", verbose_name=_("group")
    )
    image_model = ForeignKey(
        ImageModel, on_delete=models.PROTECT, related_name="grants", verbose_name=_("image model")
    )
    operations: models.JSONField[Any, Any] = models.JSONField(
        _("operations"), default=list, help_text=_("Operations that the group may request.")
    )
    max_pixels = models.PositiveIntegerField(
        _("max. pixels per image"), default=4_194_304, validators=[MinValueValidator(1)]
    )
    max_count = models.PositiveSmallIntegerField(
        _("max. images per job"), default=4, validators=[MinValueValidator(1)]
    )
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True)
                | Q(starts_at__isnull=True)
                | Q(ends_at__gt=models.F("starts_at")),
                name="imagegen_grant_ends_after_start",
            ),
            models.CheckConstraint(condition=Q(max_count__gte=1), name="imagegen_grant_count"),
        ]

    def __str__(self) -> str:
        return f"{self.group} → {self.image_model}"

    @property
    def allowed_operations(self) -> frozenset[Operation]:
        """The operations as members of `Operation`; unknown ones are left out."""
        known = {o.value for o in Operation}
        return frozenset(Operation(o) for o in self.operations if o in known)
