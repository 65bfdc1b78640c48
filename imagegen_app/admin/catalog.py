"""Providers, image models and grants in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.admin import price_fields, price_table
from imagegen_app.admin.base import (
    EMPTY,
    AnyModelForm,
    RecordAdmin,
    definition_list,
    handling_table,
    join_words,
    two_lines,
)
from imagegen_app.admin.model_form import ModelForm
from imagegen_app.admin.pages import credentials, model_server
from imagegen_app.admin.pages import model_import as import_pages
from imagegen_app.admin.provider_form import ProviderForm
from imagegen_app.core.operations import Operation
from imagegen_app.core.states import USABLE_LIFECYCLES, Lifecycle
from imagegen_app.models import Grant, ImageModel, Provider, labels
from imagegen_app.services.gateways import adapter_facts, provider_facts
from imagegen_app.services.monitoring import credential_status, provider_status, uncertain_jobs
from imagegen_app.services.policy import model_catalog, model_import, model_suggestions

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern
    from django.utils.safestring import SafeString


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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "image_model" in self.fields:
            self.fields["image_model"].label_from_instance = _with_lifecycle  # type: ignore[attr-defined]  # a choice field


def _with_lifecycle(image_model: ImageModel) -> str:
    """Return a model's name, with its lifecycle where nobody can use it whatever is granted."""
    if image_model.lifecycle in USABLE_LIFECYCLES:
        return image_model.name
    return f"{image_model.name} ({image_model.get_lifecycle_display()})"


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
        "name_and_adapter",
        "condition",
        "address_and_key",
        "limits",
        "is_enabled",
    ]
    list_filter = ["is_enabled"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    ordering = ["name"]
    change_form_template = "imagegen_app/admin/records/provider.html"
    change_list_template = "imagegen_app/admin/records/provider_list.html"

    def get_urls(self) -> list[URLPattern]:
        pages = (
            import_pages.ModelImportPages(self.admin_site),
            credentials.CredentialPages(self.admin_site),
        )
        return [*(url for page in pages for url in page.urls()), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Offer to import models, to those who may add them, and tell of a refused key."""
        obj = kwargs.get("obj")
        context["key_finding"] = (
            None if obj is None else credential_status.refused_value_finding(obj)
        )
        if obj is not None and request.user.has_perm("imagegen.add_imagemodel"):
            context |= {"can_add_models": True, "can_import": model_import.can_import(obj)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else dict(self.prepopulated_fields)

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super().get_queryset(request).select_related("rate_limit").prefetch_related("breakers")
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show readers the options in words."""
        own = {"handling_table", "lost_calls"}
        fields = [name for name in super().get_fields(request, obj) if name not in own]
        if obj is not None:
            fields.insert(fields.index("data_handling") + 1, "handling_table")
            fields.insert(fields.index("options") + 1, "lost_calls")
        if self.has_change_permission(request, obj):
            return fields
        fields.remove("data_handling")
        return ["option_list" if name == "options" else name for name in fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return ["handling_table", "lost_calls"]
        return ["option_list", "handling_table", "lost_calls"]

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_adapter(self, obj: Provider) -> SafeString:
        """Return the name, and the adapter that calls it."""
        return two_lines(obj.name, obj.adapter)

    @admin.display(description=gettext_lazy("base URL"), ordering="base_url")
    def address_and_key(self, obj: Provider) -> SafeString:
        """Return the address, and where its key is kept."""
        return two_lines(obj.base_url or EMPTY, obj.credential)

    @admin.display(description=gettext_lazy("limits"))
    def limits(self, obj: Provider) -> SafeString:
        """Return how many calls may be under way, and start in a minute."""
        at_once = _("%(count)s at once") % {"count": obj.max_in_flight}
        if obj.calls_per_minute is None:
            return two_lines(at_once, "")
        return two_lines(at_once, _("%(count)s per minute") % {"count": obj.calls_per_minute})

    @admin.display(description=gettext_lazy("data handling"))
    def handling_table(self, obj: Provider) -> SafeString:
        """Return what is known of how the provider handles data, with the sources."""
        return handling_table(provider_facts.fact_rows(obj))

    @admin.display(description=gettext_lazy("a call whose answer is lost"))
    def lost_calls(self, obj: Provider) -> str:
        """Return how the outcome of a call that was never answered can be found out."""
        words = uncertain_jobs.recovery_words(obj)
        return "; ".join(words) if words else _("nothing tells what became of it")

    @admin.display(description=gettext_lazy("options"))
    def option_list(self, obj: Provider) -> SafeString | str:
        """Return the options by name."""
        return definition_list(obj.options.items()) if obj.options else EMPTY

    @admin.display(description=gettext_lazy("status"))
    def condition(self, obj: Provider) -> str:
        """Return whether calls are made, paused, or wait for a cooldown to end."""
        return provider_status.provider_status(obj)


@admin.register(ImageModel)
class ImageModelAdmin(CatalogAdmin):
    """Pinned model versions, their lifecycle and their prices."""

    form = ModelForm
    list_display = [
        "name_and_version",
        "provider",
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
    change_form_template = "imagegen_app/admin/records/image_model.html"

    def get_urls(self) -> list[URLPattern]:
        return [*model_server.ModelServerPages(self.admin_site).urls(), *super().get_urls()]

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_version(self, obj: ImageModel) -> SafeString:
        """Return the name, and what the provider calls the model and its version."""
        return two_lines(obj.name, f"{obj.provider_model_name} {obj.version}".strip())

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose the only provider that there is, and a model that its adapter knows."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        providers = list(Provider.objects.all()[:2])
        if len(providers) == 1:
            given = {"provider": providers[0].pk, **given}
            adapter = adapter_facts.declared(providers[0].adapter)
            if adapter is not None and not adapter.has_workflows:
                given = {"provider_model_name": adapter.example_model, **given}
        return given

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Offer to ask the server, where the model's adapter knows how to, or may yet be chosen."""
        obj = kwargs.get("obj")
        context["can_ask_server"] = (
            self.has_add_permission(request)
            if obj is None
            else self.has_change_permission(request, obj) and model_suggestions.can_ask_server(obj)
        )
        return super().render_change_form(request, context, *args, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Put the fields of a price row on one line."""
        main = [
            ("provider", "name", "slug"),
            ("provider_model_name", "version"),
            "workflow",
            ("lifecycle", "retires_on", "replaced_by"),
            "fallback",
            "capabilities",
            "data_handling",
            "notes",
        ]
        if obj is not None:
            main.insert(main.index("data_handling") + 1, "handling_table")
        if not self.has_change_permission(request, obj):
            main.remove("data_handling")
            shown = ["corrections" if name == "capabilities" else name for name in main]
            return [(None, {"fields": [*shown, "price_table"]})]
        price = {} if obj is None else obj.price_list
        rows, units = price_fields.row_lines(price), price_fields.unit_lines()
        folded = [] if price_fields.has_units(price) else ["collapse"]
        matching = _(
            "The first matching row applies, those for an operation before those for all. Leave the "
            "quality empty to match any."
        )
        free = _("A model of a server of your own, or of the sandbox, needs none.")
        by_units = _(
            "What is charged, where the provider counts it. Where no row above matches, an image is "
            "estimated by its megapixels, and by about how many of the others it takes."
        )
        return [
            (None, {"fields": main}),
            (_("Prices"), {"fields": rows, "description": f"{matching} {free}"}),
            (
                _("Prices of tokens and units"),
                {"fields": units, "description": by_units, "classes": folded},
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
        if self.has_change_permission(request, obj):
            return ["handling_table"]
        return ["corrections", "price_table", "handling_table"]

    @admin.display(description=gettext_lazy("data handling"))
    def handling_table(self, obj: ImageModel) -> SafeString:
        """Return what is known of how the provider handles this model's data, with the sources."""
        return handling_table(provider_facts.fact_rows(obj.provider, obj))

    @admin.display(description=gettext_lazy("corrected capabilities"))
    def corrections(self, obj: ImageModel) -> str:
        """Return the names of the capabilities that are corrected."""
        return ", ".join(sorted(obj.capabilities)).replace("_", " ") or EMPTY

    @admin.display(description=gettext_lazy("price"))
    def price_from(self, obj: ImageModel) -> str:
        """Return the lowest price of one image."""
        return price_table.lowest_price(obj.price_list)

    @admin.display(description=gettext_lazy("prices last checked"))
    def prices_checked(self, obj: ImageModel) -> str:
        """Return when somebody last compared the price list with the provider's."""
        return price_table.checked_day(obj.price_list)

    @admin.display(description=gettext_lazy("prices"))
    def price_table(self, obj: ImageModel) -> SafeString | str:
        """Return the price list as a table."""
        return price_table.table(obj.price_list)

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

    def write(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Store the grant, and say if nobody can use it yet."""
        super().write(request, obj, change=change)
        if obj.image_model.lifecycle not in USABLE_LIFECYCLES:
            text = _(
                "Nobody can use “%(model)s” yet, although it is granted: its lifecycle is “%(lifecycle)s”. "
                "Activate it on its page."
            )
            lifecycle = obj.image_model.get_lifecycle_display()
            messages.warning(
                request, text % {"model": obj.image_model.name, "lifecycle": lifecycle}
            )

    @admin.display(description=gettext_lazy("operations"))
    def operation_words(self, obj: Grant) -> str:
        """Return the operations as words."""
        return join_words(sorted(obj.allowed_operations))
