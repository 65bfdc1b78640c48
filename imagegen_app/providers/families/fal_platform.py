"""Read what fal's platform says of its endpoints: their schemas, states and prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_descriptions import ListedModel, ModelDescription, ModelPage
from imagegen_app.core.types import Operation
from imagegen_app.providers.families import described_models, server_models

if TYPE_CHECKING:
    from imagegen_app.core.capabilities import Capabilities

#: The provider's words for what prices are by, with ours.
_UNITS = {
    "image": "image",
    "images": "image",
    "megapixel": "megapixel",
    "megapixels": "megapixel",
}
_CATEGORIES = frozenset({"text-to-image", "image-to-image"})
_NOT_IMAGES = gettext_noop("The provider says that this model makes no images, but: %(kind)s.")
_DEPRECATED = gettext_noop("The provider says that this model is deprecated.")
_NOT_TAKEN = gettext_noop("The adapter would send “%(name)s”, which the model does not take.")
_NO_PRICE = gettext_noop("the provider names no price")
_PRICE_BY = gettext_noop(
    "it costs %(amount)s %(currency)s per “%(unit)s”, which cannot be estimated for an image"
)
_NO_KEY = gettext_noop(
    "its price is told with a key only; add the host %(host)s to the hosts of the credential"
)


def page_of(document: object) -> ModelPage:
    """Read a page of the provider's list."""
    entries = server_models.listed(document, at="models")
    following = value_at(document, "next_cursor")
    return ModelPage(
        tuple(
            ListedModel(str(entry.get("endpoint_id", "")), _label(entry, with_state=True))
            for entry in entries
        ),
        following if isinstance(following, str) else "",
    )


def description_of(
    document: object, model: str, *, known: Capabilities, image_field: str, quality: str
) -> ModelDescription:
    """Read what the provider says of one endpoint, without its price.

    `image_field` and `quality` are the inputs by which the adapter sends these.
    """
    entries = server_models.listed(document, at="models")
    entry = next((one for one in entries if one.get("endpoint_id") == model), None)
    if entry is None:
        return ModelDescription(is_known=False)
    problems = []
    category = value_at(entry, "metadata.category")
    if isinstance(category, str) and category not in _CATEGORIES:
        problems.append(Message(_NOT_IMAGES, {"kind": category}))
    if value_at(entry, "metadata.status") == "deprecated":
        problems.append(Message(_DEPRECATED))
    found = ModelDescription(
        is_known=True,
        label=_label(entry),
        version=str(value_at(entry, "metadata.updated_at") or "")[:10],
        problems=tuple(problems),
    )
    schema, schemas = _input_schema(value_at(entry, "openapi"), model)
    found = described_models.with_schema(
        found,
        schema,
        schemas=schemas,
        known=known,
        renamed={"num_inference_steps": "steps", "guidance_scale": "guidance"},
        quality=quality or "quality",
    )
    taken = value_at(schema, "properties")
    if not isinstance(taken, Mapping):
        return found
    sent = [] if known.operations == {Operation.GENERATE} else [image_field]
    sent += ["mask_url"] if Operation.INPAINT in known.operations else []
    missing = [Message(_NOT_TAKEN, {"name": name}) for name in sent if name not in taken]
    return replace(found, problems=(*found.problems, *missing))


def priced(
    found: ModelDescription, document: object, model: str, *, source: str, now: float
) -> ModelDescription:
    """Return a description with the price that the provider names for the endpoint, if it can be used."""
    entries = server_models.listed(document, at="prices")
    entry = next((one for one in entries if one.get("endpoint_id") == model), {})
    unit, currency = entry.get("unit"), entry.get("currency")
    try:
        amount = Decimal(str(entry.get("unit_price")))
    except InvalidOperation:
        amount = Decimal(-1)
    is_price = amount.is_finite() and amount >= 0
    if not is_price or not isinstance(unit, str) or not isinstance(currency, str):
        return replace(found, unknown=(*found.unknown, Message(_NO_PRICE)))
    kind = _UNITS.get(unit.strip().lower())
    if kind is None:
        values = {"amount": f"{amount:f}", "currency": currency, "unit": unit}
        return replace(found, unknown=(*found.unknown, Message(_PRICE_BY, values)))
    price: dict[str, Any] = {"currency": currency}
    if kind == "image":
        price["per_image"] = [{"amount": f"{amount:f}"}]
    else:
        price["per_unit"] = {kind: f"{amount:f}"}
    day = datetime.fromtimestamp(now, UTC).date()
    price |= {"checked_on": day.isoformat(), "source": source}
    return replace(found, price_list=price)


def unpriced(found: ModelDescription, *, host: str) -> ModelDescription:
    """Return a description that says why no price could be asked for."""
    return replace(found, unknown=(*found.unknown, Message(_NO_KEY, {"host": host})))


def _label(entry: Mapping[str, Any], *, with_state: bool = False) -> str:
    named, category, status = (
        value_at(entry, f"metadata.{name}") for name in ("display_name", "category", "status")
    )
    parts = [named] if not with_state else [named, category, status if status != "active" else ""]
    return ", ".join(part for part in parts if isinstance(part, str) and part)


def _input_schema(openapi: object, model: str) -> tuple[object, object]:
    """Return the schema of what is posted to an endpoint, and all schemas; None if there is none."""
    schemas = value_at(openapi, "components.schemas")
    paths = openapi.get("paths") if isinstance(openapi, Mapping) else None
    offered = paths.get(f"/{model.strip('/')}") if isinstance(paths, Mapping) else None
    posted = offered.get("post") if isinstance(offered, Mapping) else None
    body = value_at(posted, "requestBody.content")
    content = body.get("application/json") if isinstance(body, Mapping) else None
    schema = value_at(content, "schema")
    name = str(value_at(schema, "$ref") or "").rpartition("/")[2]
    if name and isinstance(schemas, Mapping):
        return schemas.get(name), schemas
    return (schema if isinstance(schema, Mapping) else None), schemas
