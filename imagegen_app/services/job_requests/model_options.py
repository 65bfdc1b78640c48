"""Tell a form what one model offers for one operation: proportions, quality tiers, seed, inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.core.capabilities import ratio_value
from imagegen_app.core.fitted_sizes import COMMON_RATIOS, size_with_ratio
from imagegen_app.core.limits import MAX_INPUTS
from imagegen_app.core.quality_tiers import QualityTier, quality_word, tiers_of
from imagegen_app.core.types import IMAGE_INPUT_OPERATIONS, InputRole, Operation, Size
from imagegen_app.services.gateways import adapters
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.policy.access import contact_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.model_parameters import Parameter
    from imagegen_app.models import ImageModel

_SQUARE = Size(1024, 1024)
#: What is asked for where nobody says so, by what is handed in; the first that a model has.
_WITH_MASK = (Operation.INPAINT, Operation.ERASE, Operation.REPLACE, Operation.EDIT)
_WITH_IMAGE = (Operation.EDIT, Operation.VARY, Operation.INPAINT, Operation.CONTROL)
_WITH_GUIDE = (Operation.CONTROL, Operation.GENERATE)
_WITH_STYLE = (Operation.GENERATE, Operation.CONTROL)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What a form can offer for a model and an operation."""

    image_model: ImageModel
    operation: Operation
    capabilities: Capabilities

    @property
    def is_offered(self) -> bool:
        """Whether the model has the operation at all."""
        return self.operation in self.capabilities.operations

    @property
    def ratios(self) -> Mapping[str, Size]:
        """The common proportions that the model has, each with its size; empty if it takes none."""
        rule = self.capabilities.sizes_for(self.operation)
        found = {text: size_with_ratio(ratio_value(text), rule) for text in COMMON_RATIOS}
        return {text: size for text, size in found.items() if size is not None}

    @property
    def tiers(self) -> Mapping[QualityTier, str]:
        """The quality tiers that the model has, each with its own word, or empty for a resolution."""
        tiers = tiers_of(self.capabilities, self.operation, size=_SQUARE)
        return {tier: quality_word(tier, self.capabilities.qualities) for tier in tiers}

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The model's own parameters that this operation takes."""
        return {
            name: parameter
            for name, parameter in self.capabilities.parameters.items()
            if parameter.belongs_to(self.operation)
        }

    def most_images(self, role: InputRole) -> int:
        """Return how many images of a role one request can have; 0 if the model takes none."""
        offer = self.capabilities
        if role is InputRole.MASK:
            return int(offer.supports_mask)
        is_declared = role in offer.inputs
        if not is_declared and (offer.inputs or role is not InputRole.IMAGE):
            return 0
        limits = (offer.input_rule(role).max_count, offer.max_inputs, MAX_INPUTS)
        return 0 if not offer.max_inputs else min(limit for limit in limits if limit)


def options_of(image_model: ImageModel, operation: Operation) -> ModelOptions:
    """Return what a model offers for an operation.

    :raises InvalidJobRequest: if its adapter is unknown, or what was corrected of it is wrong.
    """
    return ModelOptions(image_model, operation, require_capabilities(image_model))


def operation_for(capabilities: Capabilities, roles: frozenset[InputRole]) -> Operation:
    """Return what a model is asked to do with input images of these roles, where nobody says so.

    A mask says what is changed, an image is edited, and guides alone lead a new image.
    """
    usual: tuple[Operation, ...] = (Operation.GENERATE, *_WITH_IMAGE)
    if InputRole.MASK in roles:
        usual = _WITH_MASK
    elif roles & {InputRole.IMAGE, InputRole.REFERENCE}:
        usual = (*_WITH_IMAGE, *(one for one in Operation if needs_image(one)))
    elif InputRole.CONTROL in roles:
        usual = _WITH_GUIDE
    elif InputRole.STYLE in roles:
        usual = _WITH_STYLE
    offered = capabilities.operations
    return next((one for one in (*usual, *Operation) if one in offered), Operation.GENERATE)


def operations_of(capabilities: Capabilities) -> tuple[Operation, ...]:
    """Return the operations that a model has, in the usual order."""
    return tuple(one for one in Operation if one in capabilities.operations)


def needs_image(operation: Operation) -> bool:
    """Return whether an operation needs an input image."""
    return operation in IMAGE_INPUT_OPERATIONS


def generates(image_model: ImageModel) -> bool:
    """Return whether a model makes images of words alone."""
    try:
        return Operation.GENERATE in adapters.capabilities(image_model).operations
    except adapters.ProviderNotConfigured:
        return False


def takes_images(image_model: ImageModel) -> bool:
    """Return whether a model takes input images."""
    try:
        return bool(adapters.capabilities(image_model).max_inputs)
    except adapters.ProviderNotConfigured:
        return False


def takes_size(image_model: ImageModel, operation: Operation) -> bool:
    """Return whether a size can be chosen for what a model makes."""
    try:
        return adapters.capabilities(image_model).sizes_for(operation).is_choosable
    except adapters.ProviderNotConfigured:
        return False


def require_capabilities(image_model: ImageModel) -> Capabilities:
    """Return what a model can do.

    :raises InvalidJobRequest: if its adapter is unknown, or what was corrected of it is wrong.
    """
    try:
        return adapters.capabilities(image_model)
    except adapters.ProviderNotConfigured as error:
        raise InvalidJobRequest(str(error), field="model", remedy=contact_sentence()) from None
