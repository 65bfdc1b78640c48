"""Compare what a server says of a model with what is registered, for the administrator to decide."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class ModelSuggestion:
    """What a server says of a model, and how the row would have to change to say the same."""

    description: ModelDescription
    #: JSON for the model's corrected capabilities, beside what stands there; empty for no change.
    changes: Mapping[str, Any] = field(default_factory=dict)


def can_ask_server(image_model: ImageModel) -> bool:
    """Return whether the model's adapter knows how to ask its server; nothing is sent."""
    return model_lookup.can_describe(image_model)


def ask_server(*, actor: Actor, image_model: ImageModel) -> ModelSuggestion:
    """Ask the model's server what it says; nothing is stored, and nothing is billed.

    :raises NotPermitted: if the actor may not change models.
    :raises ActionRefused: if the server cannot be asked.
    """
    access.require_permission(actor, "change_imagemodel")
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
    return ModelSuggestion(description, {} if wanted is None else changes_between(known, wanted))


def take_over(*, actor: Actor, image_model: ImageModel, changes: Mapping[str, Any]) -> None:
    """Add what a server said to the model's corrected capabilities, as a change like any other.

    :raises NotPermitted: if the actor may not change models.
    :raises InvalidRecord: if the changes do not describe capabilities.
    """
    merged = dict(image_model.capabilities)
    for name, value in changes.items():
        before = merged.get(name)
        both = isinstance(before, dict) and isinstance(value, dict) and name != "sizes"
        merged[name] = {**before, **value} if both else value  # type: ignore[dict-item]  # both are
    image_model.capabilities = merged
    model_catalog.save(actor=actor, record=image_model)


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
