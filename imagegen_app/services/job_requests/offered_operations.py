"""Tell which operations a person may have done to an image, with which model, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.types import MASK_OPERATIONS, InputRole, Operation
from imagegen_app.models.labels import LABELS
from imagegen_app.services.gateways import adapters
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Person
    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.models import ImageModel


@dataclass(frozen=True, slots=True)
class OfferedOperation:
    """An operation on an image that is there, and the model that would do it."""

    operation: Operation
    #: The image's own model where it can do it, else another one that the person may use; None for none.
    image_model: ImageModel | None
    #: Why another model does it, or none; empty where the image's own model does.
    reason: str = ""

    @property
    def label(self) -> str:
        """What the operation is called."""
        return str(LABELS[Operation][self.operation])


@dataclass(frozen=True, slots=True)
class _Usable:
    image_model: ImageModel
    capabilities: Capabilities
    granted: frozenset[Operation]

    def can(self, operation: Operation) -> bool:
        offer = self.capabilities
        if operation not in offer.operations or operation not in self.granted:
            return False
        if operation in MASK_OPERATIONS and not offer.supports_mask:
            return False
        return not offer.inputs or InputRole.IMAGE in offer.inputs


def offered_operations(
    actor: Person, *, image_model: ImageModel | None, operations: Sequence[Operation]
) -> list[OfferedOperation]:
    """Return for each operation which model does it to an image of `image_model`, with two queries.

    Without a model the image was not made here, and none is the first choice. Models that the actor has no grant for are not named.
    """
    usable = _usable(actor)
    own = next((one for one in usable if one.image_model == image_model), None)
    found = []
    for operation in operations:
        if own is not None and own.can(operation):
            found.append(OfferedOperation(operation, own.image_model))
            continue
        names: dict[str, object] = {"operation": LABELS[Operation][operation]}
        other = next((one.image_model for one in usable if one.can(operation)), None)
        if other is None:
            reason = _("“%(operation)s”: none of the models that you may use can do this.")
        elif image_model is None:
            reason = ""
        else:
            names |= {"model": image_model.name, "other": other.name}
            reason = _("“%(model)s” cannot do this for you; “%(other)s” can.")
        found.append(OfferedOperation(operation, other, reason % names))
    return found


def _usable(actor: Person) -> list[_Usable]:
    granted = access.granted_operations(actor)
    found = []
    for model in access.granted_models(actor):
        try:
            offer = adapters.capabilities(model)
        except adapters.ProviderNotConfigured:
            continue
        found.append(_Usable(model, offer, granted.get(model.pk, frozenset())))
    return found
