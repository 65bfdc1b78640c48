"""Compare what a server says of a model with what is registered, for the administrator to decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core.capability_overrides import changes_between
from imagegen_app.core.errors import ProviderError
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.gateways import adapters, model_lookup
from imagegen_app.services.policy import access, model_catalog
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.model_descriptions import ModelDescription
    from imagegen_app.models import ImageModel


#: Of a price list: what no server tells, and what says only when and where it was looked up.
_AGREED = ("free_per_month",)
_DATES = frozenset({"checked_on", "source"})


@dataclass(frozen=True, slots=True)
class ModelSuggestion:
    """What a server says of a model, and how the row would have to change to say the same."""

    description: ModelDescription
    #: JSON for the model's corrected capabilities, beside what stands there; empty for no change.
    changes: Mapping[str, Any] = field(default_factory=dict)
    #: The price list that the row would have; empty for no change, or where the server tells none.
    price_list: Mapping[str, Any] = field(default_factory=dict)


def can_ask_server(image_model: ImageModel) -> bool:
    """Return whether the model's adapter knows how to ask its server; nothing is sent."""
    return model_lookup.can_describe(image_model)


def ask_server(*, actor: Actor, image_model: ImageModel) -> ModelSuggestion:
    """Ask the model's server what it says; nothing is stored, and nothing is billed.

    The model need not be stored as it is handed in: its provider must be, whose rules hold.

    :raises NotPermitted: if the actor may not change models; or add them, for one that is not stored.
    :raises ActionRefused: if the server cannot be asked.
    """
    is_new = image_model._state.adding  # noqa: SLF001 - Django's documented API
    access.require_permission(actor, "add_imagemodel" if is_new else "change_imagemodel")
    try:
        known = adapters.capabilities(image_model)
        description = model_lookup.describe_model(image_model)
    except (adapters.ProviderNotConfigured, ProviderError) as error:
        raise ask_refusal(error) from None
    if description is None:
        raise ActionRefused(
            _("The server could not be asked."),
            reason=_("Its provider does not describe its models."),
            remedy=_("Look the model up in the provider's documentation."),
        )
    wanted = description.capabilities
    return ModelSuggestion(
        description,
        {} if wanted is None else changes_between(known, wanted),
        _price_change(image_model.price_list or {}, description.price_list),
    )


def _price_change(current: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the price list with what the server tells; empty if that is what stands there."""
    if not told:
        return {}
    # What is free is agreed upon, and no server tells it.
    kept = {name: current[name] for name in _AGREED if name in current}
    wanted = {**kept, **told}
    same = all(
        _amounts(current.get(n)) == _amounts(v) for n, v in wanted.items() if n not in _DATES
    )
    return {} if same and not (current.keys() - wanted.keys() - _DATES) else wanted


def _amounts(value: object) -> object:
    """Return a part of a price list with its amounts as numbers, to compare it."""
    if isinstance(value, dict):
        return {name: _amounts(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_amounts(one) for one in value]
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return value


def take_over(
    *,
    actor: Actor,
    image_model: ImageModel,
    changes: Mapping[str, Any],
    price_list: Mapping[str, Any] | None = None,
) -> None:
    """Add what a server said to the model's corrected capabilities, as a change like any other.

    `price_list` becomes the model's, where one is given.

    :raises NotPermitted: if the actor may not change models.
    :raises InvalidRecord: if the changes do not describe capabilities, or it is no price list.
    """
    if price_list:
        image_model.price_list = dict(price_list)
    image_model.capabilities = merged_changes(image_model, changes)
    model_catalog.save(actor=actor, record=image_model)


def merged_changes(image_model: ImageModel, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model's corrected capabilities with changes; what is corrected otherwise stays."""
    merged = dict(image_model.capabilities)
    for name, value in changes.items():
        before = merged.get(name)
        both = isinstance(before, dict) and isinstance(value, dict) and name != "sizes"
        merged[name] = {**before, **value} if both else value  # type: ignore[dict-item]  # both are
    return merged


def ask_refusal(error: adapters.ProviderNotConfigured | ProviderError) -> ActionRefused:
    """Return the refusal for a server that could not be asked."""
    reason = str(error)
    if isinstance(error, ProviderError):
        said = stored_messages.translate_stored(reason)
        reason = f"{said} ({error.detail})" if error.detail else said
    return ActionRefused(
        _("The server could not be asked."),
        reason=reason,
        remedy=_("Check the provider's address, credential and options, then ask again."),
    )
