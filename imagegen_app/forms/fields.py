"""Choose an asset, or one of what a model offers, in a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.models import ModelChoiceIterator
from django.utils.translation import gettext as _

from imagegen_app.forms.widgets import AssetSelect
from imagegen_app.models import Asset
from imagegen_app.services.foundation.local_times import format_minute
from imagegen_app.services.policy import use_of_assets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.actors import Person

    AnyModelChoice = forms.ModelChoiceField[Asset]
else:
    AnyModelChoice = forms.ModelChoiceField


#: Images that a list offers; the library finds the others.
LISTED_ASSETS = 50


class OfferedChoiceField(forms.ChoiceField):
    """A choice whose values are an offer: any other short text is left to the service to refuse.

    What is offered depends on the model, and the service says what a model lacks, and why.
    """

    max_chars = 60

    def valid_value(self, value: Any) -> bool:
        """Return whether the text is short enough to be handed on."""
        return len(str(value)) <= self.max_chars


class _NewestAssets(ModelChoiceIterator):  # type: ignore[type-arg]  # generic for type checkers only
    """The newest assets, as a site may have a million of them."""

    def __iter__(self) -> Iterator[Any]:
        if self.field.empty_label is not None:
            yield ("", self.field.empty_label)
        for asset in self.queryset[:LISTED_ASSETS]:
            yield self.choice(asset)


class AssetChoiceField(AnyModelChoice):
    """A choice among the assets that a person may see: approved ones, and their own pending ones.

    The list shows the newest ones and the one that is chosen; any other may be sent, too.
    """

    iterator = _NewestAssets

    def __init__(self, *, actor: Person, **kwargs: Any) -> None:
        self.actor = actor
        super().__init__(queryset=self._visible(), widget=AssetSelect, **kwargs)
        self.widget.actor = actor

    def _visible(self) -> Any:
        found = use_of_assets.usable_assets(self.actor)
        return found.select_related("job__template_version__template").order_by("-created_at")

    def label_from_instance(self, obj: Any) -> str:
        """Return the alternative text or title, the review state and the date."""
        return f"{obj.alt_text or obj} · {obj.get_review_state_display()} · {format_minute(obj.created_at)}"

    def to_python(self, value: Any) -> Any:
        """Return the asset with this primary key, or None for an empty value.

        :raises ValidationError: if the person may not see it.
        """
        try:
            return super().to_python(value)
        except ValidationError:
            raise ValidationError(
                _("This image is not available to you; choose another one."), code="invalid_choice"
            ) from None
