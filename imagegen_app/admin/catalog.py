"""Providers, image models and grants in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app import conf
from imagegen_app.admin.base import (
    EMPTY,
    AnyModelForm,
    RecordAdmin,
    definition_list,
    join_words,
)
from imagegen_app.admin.model_form import PRICE_ROWS, TOKEN_LABELS, ModelForm
from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.states import Lifecycle
from imagegen_app.core.types import Operation
from imagegen_app.models import Grant, ImageModel, Provider, labels
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.gateways import adapters
from imagegen_app.services.monitoring import provider_status
from imagegen_app.services.policy import model_catalog

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


class SecureURLField(forms.URLField):
    """A URL; without a scheme it is https."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(assume_scheme="https", **kwargs)


class ProviderForm(AnyModelForm):
    """Choose adapter and credential by name."""

    adapter = forms.ChoiceField(label=gettext_lazy("adapter"))
    credential = forms.ChoiceField(
        label=gettext_lazy("credential"),
        required=False,
        help_text=gettext_lazy(
            "A name from the site's settings; the key itself is never stored here."
        ),
    )

    class Meta:
        model = Provider
        # Django 5.2 warns that its default scheme will change; set it explicitly.
        field_classes: ClassVar[dict[str, Any]] = {"base_url": SecureURLField}
        fields = [
            "name",
            "slug",
            "adapter",
            "base_url",
            "credential",
            "max_in_flight",
            "calls_per_minute",
            "burst",
            "is_enabled",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("adapter", "credential"):
            self.fields[name].label = capfirst(str(self.fields[name].label))
        self.fields["adapter"].choices = adapters.adapter_choices()  # type: ignore[attr-defined]  # a choice field
        names = sorted(conf.get().credentials)
        self.fields["credential"].choices = [("", "–"), *((n, n) for n in names)]  # type: ignore[attr-defined]  # noqa: RUF001 - a dash for people


class GrantForm(AnyModelForm):
    """Choose the allowed operations with checkboxes."""

    operations = forms.MultipleChoiceField(
        label=gettext_lazy("operations"),
        choices=labels.choices(Operation),
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Grant
        fields = [
            "group",
            "image_model",
            "operations",
            "max_pixels",
            "max_count",
            "starts_at",
            "ends_at",
            "reason",
        ]


class CatalogAdmin(RecordAdmin):
    """Base of tables that are written through `model_catalog.save`."""

    is_writable = True

    def write(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Store the row as a use case of the catalogue."""
        model_catalog.save(actor=self.actor(request), record=obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete the row as a use case of the catalogue."""
        model_catalog.delete(actor=self.actor(request), record=obj)


@admin.register(Provider)
class ProviderAdmin(CatalogAdmin):
    """Accounts at image APIs."""

    form = ProviderForm
    list_display = [
        "name",
        "condition",
        "adapter",
        "base_url",
        "credential",
        "max_in_flight",
        "calls_per_minute",
        "is_enabled",
    ]
    list_filter = ["is_enabled"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    ordering = ["name"]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else dict(self.prepopulated_fields)

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super().get_queryset(request).select_related("rate_limit").prefetch_related("breakers")
        )

    @admin.display(description=gettext_lazy("status"))
    def condition(self, obj: Provider) -> str:
        """Return whether calls are made, paused, or wait for a cooldown to end."""
        return provider_status.provider_status(obj)


@admin.register(ImageModel)
class ImageModelAdmin(CatalogAdmin):
    """Pinned model versions, their lifecycle and their prices."""

    form = ModelForm
    list_display = [
        "name",
        "provider",
        "provider_model_name",
        "version",
        "lifecycle",
        "price_from",
        "prices_checked",
        "retires_on",
    ]
    list_filter = ["lifecycle", "provider"]
    list_select_related = ["provider"]
    search_fields = ["name", "slug", "provider_model_name"]
    ordering = ["name"]
    actions = ["promote", "deprecate", "retire"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Put the three fields of a price row on one line."""
        main = [
            ("provider", "name", "slug"),
            ("provider_model_name", "version"),
            ("lifecycle", "retires_on", "replaced_by"),
            "fallback",
            "notes",
        ]
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": [*main, "price_table"]})]
        rows = [(f"amount_{n}", f"quality_{n}", f"max_pixels_{n}") for n in range(PRICE_ROWS)]
        tokens = [f"tokens_{name}" for name, _label in TOKEN_LABELS]
        return [
            (None, {"fields": main}),
            (
                _("Prices"),
                {
                    "fields": [("currency", "checked_on"), *rows, *tokens],
                    "description": _(
                        "The first matching row applies. Leave the quality empty to match any."
                    ),
                },
            ),
        ]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        # The form defines the price fields itself; Django must not look for them on the model.
        return super().get_form(
            request, obj, change=change, **{**kwargs, "fields": ModelForm.Meta.fields}
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["price_table"] if not self.has_change_permission(request, obj) else []

    @admin.display(description=gettext_lazy("price"))
    def price_from(self, obj: ImageModel) -> str:
        """Return the lowest price of one image."""
        try:
            price = PriceList.from_dict(obj.price_list)
        except PriceUnknown:
            return EMPTY
        return _("from %(amount)s %(currency)s") % {
            "amount": format_amount(min(r.amount for r in price.per_image)),
            "currency": price.currency,
        }

    @admin.display(description=gettext_lazy("prices last checked"))
    def prices_checked(self, obj: ImageModel) -> str:
        """Return when somebody last compared the price list with the provider's."""
        try:
            day = PriceList.from_dict(obj.price_list).checked_on
        except PriceUnknown:
            return EMPTY
        return _("not known") if day is None else day.isoformat()

    @admin.display(description=gettext_lazy("prices"))
    def price_table(self, obj: ImageModel) -> SafeString | str:
        """Return the price list as a table."""
        try:
            price = PriceList.from_dict(obj.price_list)
        except PriceUnknown:
            return EMPTY
        rows = format_html_join(
            "",
            "<tr><td>{} {}</td><td>{}</td><td>{}</td></tr>",
            (
                (
                    format_amount(r.amount),
                    price.currency,
                    r.quality or _("any"),
                    r.max_pixels or _("any"),
                )
                for r in price.per_image
            ),
        )
        rates = dict(price.per_million_tokens)
        lines: list[tuple[object, object]] = [
            (label, f"{format_amount(rates[name])} {price.currency}")
            for name, label in TOKEN_LABELS
            if name in rates
        ]
        lines.append((_("Prices last checked"), self.prices_checked(obj)))
        return format_html(
            '<table class="imagegen-small"><tr><th>{}</th><th>{}</th><th>{}</th></tr>{}</table>{}',
            _("Per image"),
            _("Quality"),
            _("Up to (pixels)"),
            rows,
            definition_list(lines),
        )

    def has_lifecycle_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may change models."""
        return bool(request.user.has_perm("imagegen.change_imagemodel"))

    @admin.action(description=gettext_lazy("Activate"), permissions=["lifecycle"])
    def promote(self, request: HttpRequest, queryset: QuerySet[ImageModel]) -> None:
        self._set(request, queryset, Lifecycle.ACTIVE)

    @admin.action(description=gettext_lazy("Mark as deprecated"), permissions=["lifecycle"])
    def deprecate(self, request: HttpRequest, queryset: QuerySet[ImageModel]) -> None:
        self._set(request, queryset, Lifecycle.DEPRECATED)

    @admin.action(description=gettext_lazy("Retire"), permissions=["lifecycle"])
    def retire(self, request: HttpRequest, queryset: QuerySet[ImageModel]) -> None:
        self._set(request, queryset, Lifecycle.RETIRED)

    def _set(self, request: HttpRequest, rows: QuerySet[ImageModel], lifecycle: Lifecycle) -> None:
        self.apply_to_each(
            request,
            rows,
            lambda actor, row: model_catalog.set_lifecycle(
                actor=actor, image_model=row, lifecycle=lifecycle
            ),
            done=lambda n: (
                ngettext("%(n)s model was changed.", "%(n)s models were changed.", n) % {"n": n}
            ),
        )


@admin.register(Grant)
class GrantAdmin(CatalogAdmin):
    """The allowlist: which group may use which model, and how."""

    form = GrantForm
    is_deletable = True
    list_display = [
        "group",
        "image_model",
        "operation_words",
        "max_pixels",
        "max_count",
        "starts_at",
        "ends_at",
    ]
    list_filter = ["group", "image_model"]
    list_select_related = ["group", "image_model"]
    search_fields = ["group__name", "image_model__name", "reason"]
    ordering = ["group__name", "pk"]

    @admin.display(description=gettext_lazy("operations"))
    def operation_words(self, obj: Grant) -> str:
        """Return the operations as words."""
        return join_words(sorted(obj.allowed_operations))
