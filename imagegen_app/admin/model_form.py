"""The form of an image model, with its price list in rows of fields instead of as JSON."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin import price_fields
from imagegen_app.admin.base import AnyModelForm, JsonField
from imagegen_app.core import pricing
from imagegen_app.core.states import UNPRICED_LIFECYCLES, Lifecycle
from imagegen_app.models import ImageModel, WorkflowVersion
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapter_facts, catalog_files
from imagegen_app.services.policy import catalog_sync

_NAMED = ("provider_model_name", "version")
_NO_PRICE = gettext_lazy("At least one price per image is required.")


class ModelForm(AnyModelForm):
    """Edit the price list in rows of fields instead of as JSON."""

    class Meta:
        model = ImageModel
        field_classes: ClassVar[dict[str, Any]] = {
            "capabilities": JsonField,
            "data_handling": JsonField,
        }
        fields = [
            "provider",
            "name",
            "slug",
            "provider_model_name",
            "version",
            "lifecycle",
            "retires_on",
            "replaced_by",
            "fallback",
            "workflow",
            "capabilities",
            "data_handling",
            "notes",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:  # noqa: SLF001 - Django's documented API
            self._prefill()
        if "workflow" in self.fields:
            if self.data.get(self.add_prefix("workflow")):
                # A model that is a workflow has its name and version.
                for named in _NAMED:
                    self.fields[named].required = False
            versions = WorkflowVersion.objects.select_related("provider")
            self.fields["workflow"].queryset = versions.order_by(  # type: ignore[attr-defined]  # a choice field
                "provider__name", "name", "-number"
            )
        self.fields |= price_fields.price_fields(self.instance.price_list or {})

    def _prefill(self) -> None:
        """Ask a new model for no more than it takes to know it; the rest has a default."""
        for name in ("name", "slug", "version"):
            if name in self.fields:
                self.fields[name].required = False
        if "name" in self.fields:
            self.fields["name"].help_text = _(
                "Leave name, short name and version empty to have them from the catalogue, or made from "
                "the model name at the provider."
            )
        if "lifecycle" in self.fields:
            # Nobody can use it all the same before a grant says so.
            self.fields["lifecycle"].initial = Lifecycle.ACTIVE.value

    def _fill_in(self, data: dict[str, Any]) -> None:
        """Give a new model what was left empty."""
        provider, model = data.get("provider"), data.get("provider_model_name")
        if not provider or not model:
            return
        entry = catalog_sync.entry_for(provider, model, catalog_files.read_file())
        taken = set(ImageModel.objects.values_list("slug", flat=True))
        defaults = {
            "name": model[:80] if entry is None else entry.name,
            "version": clock.today().isoformat() if entry is None else entry.version,
            "slug": catalog_sync.free_slug(provider, model, taken=taken),
        }
        data |= {name: value for name, value in defaults.items() if not data.get(name)}

    def _take_names(self, data: dict[str, Any]) -> None:
        """Take a workflow's name and version for the model's."""
        workflow = data.get("workflow")
        if workflow is not None:
            data |= {"provider_model_name": workflow.name, "version": f"v{workflow.number}"}

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        self._take_names(data)
        if self.instance._state.adding:  # noqa: SLF001 - as above
            self._fill_in(data)
        price = price_fields.price_of(data)
        is_usable = Lifecycle(data.get("lifecycle") or Lifecycle.DRAFT) not in UNPRICED_LIFECYCLES
        provider = data.get("provider") or getattr(self.instance, "provider", None)
        is_free = provider is not None and adapter_facts.is_free(provider.adapter)
        if price or (is_usable and not is_free):
            try:
                pricing.PriceList.from_dict(price)
            except pricing.PriceUnknown as error:
                problem = error.problem
                sentence = _(problem.text) % problem.values if price else _NO_PRICE
                self.add_error(self._price_field, str(sentence))
        self.instance.price_list = price
        return data

    @property
    def _price_field(self) -> str:
        """The field beside which a wrong price list is told."""
        return "amount_0" if "amount_0" in self.fields else "rows"
