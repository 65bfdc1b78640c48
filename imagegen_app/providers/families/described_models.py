"""Read what providers of many models say of one of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_descriptions import ModelDescription
from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.types import Operation
from imagegen_app.providers.families import described_inputs, server_models

if TYPE_CHECKING:
    from imagegen_app.core.capabilities import Capabilities

_NO_SCHEMA = gettext_noop(
    "the provider tells nothing of its inputs; they are taken for the usual ones"
)
_NO_PRICE = gettext_noop("the provider names its price on the model's page only")
_NO_USABLE_PRICE = gettext_noop("the provider names no price")
_NOT_IMAGES = gettext_noop("The provider says that this model makes no images, but: %(kind)s.")
_NO_PROMPT = gettext_noop("The model takes no prompt and no image; it makes something else.")
_NO_MASKS = gettext_noop(
    "it takes masks, but the provider's options do not say of which colour; it is not offered for "
    "inpainting"
)


def of_replicate(document: object, model: str, *, known: Capabilities) -> ModelDescription:
    """Read a model of Replicate with the schema of its latest version.

    A model that is not an official one is called by its version, which never changes.
    """
    version = str(value_at(document, "latest_version.id") or "")
    schemas = value_at(document, "latest_version.openapi_schema.components.schemas")
    schema = value_at(schemas, "Input")
    is_official = value_at(document, "is_official") is True
    found = ModelDescription(
        is_known=True,
        label=str(value_at(document, "name") or ""),
        # It would be longer than a version may be.
        version=version[:16],
        pinned_name="" if is_official or ":" in model or not version else f"{model}:{version}",
        unknown=(Message(_NO_PRICE),),
    )
    if not isinstance(schema, dict) or not schema.get("properties"):
        return replace(found, unknown=(*found.unknown, Message(_NO_SCHEMA)))
    told = described_inputs.read_inputs(schema, schemas=schemas, known=known)
    unknown = list(told.unknown)
    operations = set()
    if told.capabilities.max_inputs:
        operations.add(Operation.EDIT)
    has_mask = bool({"mask", "mask_image"} & told.names)
    if has_mask and not known.supports_mask:
        unknown.append(Message(_NO_MASKS))
    elif has_mask:
        operations.add(Operation.INPAINT)
    required = schema.get("required")
    images = {"image", "input_image", "input_images", "image_input", "images"}
    if "prompt" in told.names and not images & set(required if isinstance(required, list) else ()):
        operations.add(Operation.GENERATE)
    problems = tuple(told.problems) if operations else (Message(_NO_PROMPT), *told.problems)
    return replace(
        found,
        capabilities=replace(
            told.capabilities, operations=frozenset(operations) or known.operations
        ),
        unknown=(*found.unknown, *unknown),
        problems=problems,
    )


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
    price = image_price(value_at(entry, "pricing.image"), source=source, now=now)
    return replace(found, price_list=price, unknown=() if price else (Message(_NO_USABLE_PRICE),))


def image_price(amount: object, *, source: str, now: float) -> dict[str, Any]:
    """Return a price list of one price per image in US dollars; empty if the amount is none."""
    price: dict[str, Any] = {
        "currency": "USD",
        "per_image": [{"amount": amount}],
        "checked_on": datetime.fromtimestamp(now, UTC).date().isoformat(),
        "source": source,
    }
    try:
        PriceList.from_dict(price)
    except PriceUnknown:
        return {}
    return price


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
