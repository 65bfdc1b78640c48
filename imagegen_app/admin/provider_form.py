"""The form of a provider: its adapter and its credential are chosen by name."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app import conf
from imagegen_app.admin.base import AnyModelForm, JsonField
from imagegen_app.models import Provider
from imagegen_app.services.gateways import adapters, base_urls


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
        field_classes: ClassVar[dict[str, Any]] = {
            "base_url": SecureURLField,
            "options": JsonField,
            "data_handling": JsonField,
        }
        fields = [
            "name",
            "slug",
            "adapter",
            "base_url",
            "credential",
            "options",
            "data_handling",
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

    def clean(self) -> dict[str, Any]:
        """Refuse a base URL that the site does not allow, beside its field; saving refuses it too."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        named = {name: cleaned.get(name) or "" for name in ("adapter", "base_url")}
        can_call = cleaned.get("is_enabled") or self.instance.pk is None
        problem = base_urls.base_url_problem(Provider(**named)) if can_call else None
        if problem is not None and "base_url" not in self.errors:
            self.add_error("base_url", _(problem.text) % problem.values)
        return cleaned
