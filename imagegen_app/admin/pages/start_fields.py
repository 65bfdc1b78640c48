"""What the studio's form starts from: an image of the library, one of the site's content, or a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from imagegen_app.admin.pages import asked_values
from imagegen_app.models import Asset, Job

if TYPE_CHECKING:
    from imagegen_app.services.library.content_images import ContentImage


class StartFields(forms.Form):
    """The hidden fields of a form that may start from something."""

    #: An asset to start from.
    asset = forms.ModelChoiceField(
        queryset=Asset.objects.none(),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": asked_values.SOURCE_NOT_USABLE},
    )
    #: An earlier job whose source images are used again.
    inputs_of = forms.ModelChoiceField(
        queryset=Job.objects.none(), required=False, widget=forms.HiddenInput
    )
    #: The image of an object of the site to start from, where the form starts from no asset.
    content: ContentImage | None = None

    @property
    def source_asset(self) -> Asset | None:
        """The asset to edit, if one was chosen."""
        found: Asset | None = self._found("asset", self["asset"].value())
        return found

    @property
    def source_job(self) -> Job | None:
        """The earlier job whose source images are used again, if there is one."""
        found: Job | None = self._found("inputs_of", self["inputs_of"].value())
        return found

    def _first(self, name: str, data: Any) -> Any:
        """Return what a field begins with, while the form is being built."""
        field = self._choice(name)
        value = field.initial or self.initial.get(name) if data is None else data.get(name)
        return self._found(name, value)

    def _found(self, name: str, value: Any) -> Any:
        try:
            return self._choice(name).clean(value)
        except ValidationError:
            return None

    def _choice(self, name: str) -> Any:
        return self.fields[name]
