"""Read what providers of many models say of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_descriptions import ModelDescription
from imagegen_app.core.types import Operation
from imagegen_app.providers.families import costs, described_inputs, server_models

if TYPE_CHECKING:
    from imagegen_app.core.capabilities import Capabilities

_NO_SCHEMA = gettext_noop(
    "the provider tells nothing of its inputs; they are taken for the usual ones"
)
_NO_USABLE_PRICE = gettext_noop("the provider names no price")
_NOT_IMAGES = gettext_noop("The provider says that this model makes no images, but: %(kind)s.")
_NO_PROMPT = gettext_noop("The model takes no prompt and no image; it makes something else.")
_NEEDS_IMAGE = gettext_noop(
    "The model needs an image, which the adapter would not send: by its name it makes images from text."
)
_NO_MASKS = gettext_noop(
    "it takes masks, but the provider's options do not say of which colour; it is not offered for "
    "inpainting"
)


def with_schema(
    found: ModelDescription,
    schema: object,
    *,
    schemas: object,
    known: Capabilities,
    operations_by_inputs: bool = False,
    **reading: Any,
) -> ModelDescription:
    """Add to a description what the schema of the model's inputs says; see `described_inputs`.

    `known` is what the adapter knows of it. `operations_by_inputs` is for adapters that send whatever
    a schema has names for; those of others are refused for what their calls would lack.
    """
    if not isinstance(schema, Mapping) or not schema.get("properties"):
        return replace(found, unknown=(*found.unknown, Message(_NO_SCHEMA)))
    told = described_inputs.read_inputs(schema, schemas=schemas, known=known, **reading)
    capabilities, unknown, problems = told.capabilities, list(told.unknown), list(told.problems)
    operations = _operations(told, known=known)
    if operations_by_inputs:
        if told.names.intersection(described_inputs.MASKS) and not known.supports_mask:
            unknown.append(Message(_NO_MASKS))
        if not operations:
            problems.insert(0, Message(_NO_PROMPT))
        capabilities = replace(
            capabilities,
            operations=operations or known.operations,
            promptless=frozenset() if "prompt" in told.names else operations,
        )
    elif known.operations == {Operation.GENERATE} and told.required.intersection(
        described_inputs.IMAGES
    ):
        problems.insert(0, Message(_NEEDS_IMAGE))
    return replace(
        found,
        capabilities=capabilities,
        unknown=(*found.unknown, *unknown),
        problems=(*found.problems, *problems),
    )


def _operations(
    told: described_inputs.DescribedInputs, *, known: Capabilities
) -> frozenset[Operation]:
    """Return what a model can be asked for, by the names of its inputs, or else by its own."""
    if "prompt" not in told.names and told.capabilities.max_inputs and known.promptless:
        return known.operations
    operations = set()
    if told.capabilities.max_inputs:
        operations.add(Operation.EDIT)
    if told.names.intersection(described_inputs.MASKS) and known.supports_mask:
        operations.add(Operation.INPAINT)
    if "prompt" in told.names and not told.required.intersection(described_inputs.IMAGES):
        operations.add(Operation.GENERATE)
    return frozenset(operations)


def of_recraft(document: object, model: str, *, source: str, now: float) -> ModelDescription:
    """Read Recraft's list, with the price of one image of each model in US dollars."""
    entries = server_models.listed(document)
    found = server_models.among(model, server_models.names_in(entries, "id"))
    if not found.is_known:
        return found
    entry = next(one for one in entries if one.get("id") == model)
    found = replace(found, label=str(entry.get("name") or ""))
    made = value_at(entry, "output_modalities")
    if isinstance(made, list) and "image" not in made:
        kind = ", ".join(str(one) for one in made[:5])
        found = replace(found, problems=(Message(_NOT_IMAGES, {"kind": kind}),))
    price = costs.image_price(value_at(entry, "pricing.image"), source=source, now=now)
    return replace(found, price_list=price, unknown=() if price else (Message(_NO_USABLE_PRICE),))


def of_openai(document: object, model: str) -> ModelDescription:
    """Read OpenAI's list, which has all its models and says when one is turned off."""
    entries = server_models.listed(document)
    found = server_models.among(model, server_models.names_in(entries, "id"))
    entry = next((one for one in entries if one.get("id") == model), {})
    return replace(found, retires_on=_day(entry.get("shutdown_date")))


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
