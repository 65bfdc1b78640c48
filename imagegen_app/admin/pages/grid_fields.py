"""The studio's fields for making several jobs at once: what is compared across and down, and its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.model_fields import drawn_seed, whole_number
from imagegen_app.admin.pages.parameter_fields import parameter_label
from imagegen_app.core import alternatives
from imagegen_app.core.limits import MAX_GRID_CELLS
from imagegen_app.forms.fields import OfferedChoiceField
from imagegen_app.services.job_requests import request_sets
from imagegen_app.services.job_requests.request_sets import MODEL, SEED, Axis
from imagegen_app.services.job_requests.values import InvalidJobRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.admin.pages.studio_form import StudioForm
    from imagegen_app.core.model_parameters import Parameter
    from imagegen_app.models import ImageModel
    from imagegen_app.services.job_requests.model_options import ModelOptions

SIDES = ("columns", "rows")
#: Seeds that are drawn where none are given.
_DRAWN = 3
_FEWEST = 2


def grid_fields(options: ModelOptions, usable: Sequence[ImageModel]) -> dict[str, forms.Field]:
    """Return the fields: for each side what differs along it, with its values, and the models."""
    choices = [("", _("Nothing")), *axis_choices(options, usable)]
    fields: dict[str, forms.Field] = {}
    for side, label in zip(SIDES, (_("Across"), _("Down")), strict=True):
        fields[f"grid_{side}"] = OfferedChoiceField(label=label, choices=choices, required=False)
        fields[f"grid_{side}_values"] = forms.CharField(
            label=_("Values, separated by commas"),
            required=False,
            max_length=400,
            widget=forms.TextInput(attrs={"dir": "ltr", "autocomplete": "off"}),
        )
    fields["grid_models"] = forms.MultipleChoiceField(
        label=_("Models to compare"),
        required=False,
        choices=[(str(model.pk), model.name) for model in usable],
        widget=forms.CheckboxSelectMultiple,
    )
    return fields


def axis_choices(options: ModelOptions, usable: Sequence[ImageModel]) -> list[tuple[str, str]]:
    """Return what a side of a grid can be: seed, model, or a parameter of the model."""
    offer = options.capabilities
    return [
        *([(SEED, _("Seed"))] if offer.supports_seed else []),
        *([(MODEL, _("Image model"))] if len(usable) > 1 else []),
        *((name, parameter_label(name)) for name in comparable_parameters(options)),
    ]


def comparable_parameters(options: ModelOptions) -> dict[str, Parameter]:
    """Return the parameters that a grid can be made over: those of one short value."""
    return {
        name: parameter
        for name, parameter in options.parameters.items()
        if parameter.kind in {"int", "float", "bool", "choice"}
    }


def given_axes(form: StudioForm, data: Mapping[str, Any]) -> list[Axis]:
    """Return the sides that were chosen, with their values.

    :raises InvalidJobRequest: if a side is unknown, or has no values, or too many.
    """
    axes = []
    for side in SIDES:
        name = str(data.get(f"grid_{side}") or "")
        if name:
            axes.append(Axis(name, _values(form, name, side, data)))
    return axes


def worded_data(form: StudioForm, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of a form for each combination of the alternatives in its words.

    :raises InvalidJobRequest: if there are too many.
    """
    names = (
        ["prompt"]
        if form.version is None
        else [f"v_{variable.name}" for variable in form.variables if variable.kind == "text"]
    )
    texts = {name: str(data.get(name) or "") for name in names}
    try:
        found = alternatives.combinations(texts)
    except alternatives.TooManyAlternatives as error:
        raise request_sets.too_many(error.count) from None
    return [{**data, **one.texts} for one in found]


def kept_values(data: Any) -> dict[str, Any]:
    """Return the initial values of what can be chosen several times."""
    return {"grid_models": data.getlist("grid_models")} if hasattr(data, "getlist") else {}


def _values(form: StudioForm, name: str, side: str, data: Mapping[str, Any]) -> list[Any]:
    given = [one.strip() for one in str(data.get(f"grid_{side}_values") or "").split(",")]
    texts = [one for one in given if one]
    if len(texts) > MAX_GRID_CELLS:
        raise request_sets.too_many(len(texts))
    if name == SEED:
        return _seeds(texts, str(data.get("nonce") or ""))
    if name == MODEL:
        chosen = {str(one) for one in data.get("grid_models") or ()}
        models = [model for model in form.usable if str(model.pk) in chosen]
        if len(models) < _FEWEST:
            raise InvalidJobRequest(
                _("Too few models are chosen for a comparison."),
                field="grid",
                remedy=_("Choose at least two below “Several at once”."),
            )
        return models
    parameter = None if form.options is None else comparable_parameters(form.options).get(name)
    if parameter is None:
        raise InvalidJobRequest(
            _("“%(name)s” is nothing that a grid can be made over.") % {"name": name[:40]},
            field="grid",
        )
    if not texts:
        raise InvalidJobRequest(
            _("“%(name)s” has no values to compare.") % {"name": parameter_label(name)},
            field="grid",
            remedy=_("Write them below “Several at once”, separated by commas."),
        )
    return [parameter.parse(text) for text in texts]


def _seeds(texts: Sequence[str], nonce: str) -> list[int]:
    if not texts:
        return [drawn_seed(f"{nonce}:{number}") for number in range(_DRAWN)]
    found = []
    for text in texts:
        number = whole_number(text)
        if number is None:
            raise InvalidJobRequest(
                _("“%(text)s” is no seed.") % {"text": text[:20]},
                field="grid",
                remedy=_("Write whole numbers, separated by commas."),
            )
        found.append(number)
    return found
