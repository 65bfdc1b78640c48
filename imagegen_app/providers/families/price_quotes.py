"""Read price quotes: what a provider says that a call would cost, without making it."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard

from PIL import Image

from imagegen_app.core.json_paths import value_at
from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.types import (
    IMAGE_INPUT_OPERATIONS,
    MASK_OPERATIONS,
    ImageInput,
    InputRole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.types import Operation, Size

_MICROS_A_DOLLAR = 1_000_000
#: Millionths of a dollar, and units of one call; more are not believed.
_MAX_MICROS, _MAX_UNITS = 10**9, 1000


def dollars_in(document: object) -> Decimal | None:
    """Return what one unit of a quote costs at most; None if it is no quote."""
    if value_at(document, "object") != "price_quote":
        return None
    most, quantity = value_at(document, "upper_bound_usd_micros"), value_at(document, "quantity")
    micros = value_at(document, "usd_micros") if most is None else most
    if not _is_whole(micros, range(_MAX_MICROS + 1)) or not _is_whole(
        quantity, range(1, _MAX_UNITS + 1)
    ):
        return None
    return Decimal(micros) / _MICROS_A_DOLLAR / Decimal(quantity)


def _is_whole(value: object, allowed: range) -> TypeGuard[int]:
    return type(value) is int and value in allowed


def price_list_of(
    quotes: Mapping[Operation, Mapping[str, Decimal]],
    operations: Mapping[Operation, Sequence[str]],
    *,
    source: str,
    now: float,
) -> dict[str, Any]:
    """Return a price list of quotes by operation and quality; empty where there are none.

    `operations` has the qualities to look for, in their order; the empty one is for calls that name
    none, and comes last.
    """
    rows: list[dict[str, str]] = []
    for operation, qualities in operations.items():
        for quality in qualities:
            amount = quotes.get(operation, {}).get(quality)
            if amount is not None:
                named = {"quality": quality} if quality else {}
                rows.append(
                    {"operation": operation.value, **named, "amount": f"{amount.normalize():f}"}
                )
    price: dict[str, Any] = {
        "currency": "USD",
        "per_image": rows,
        "checked_on": datetime.fromtimestamp(now, UTC).date().isoformat(),
        "source": source,
    }
    try:
        PriceList.from_dict(price)
    except PriceUnknown:
        return {}
    return price


def plain_inputs(operation: Operation, *, size: Size) -> tuple[ImageInput, ...]:
    """Return plain images that a call needs to be priced; nobody draws anything by them."""
    found = []
    if operation in IMAGE_INPUT_OPERATIONS:
        found.append(_input(Image.new("L", (size.width, size.height), 128), InputRole.IMAGE))
    if operation in MASK_OPERATIONS:
        mask = Image.new("L", (size.width, size.height), 0)
        mask.paste(255, (0, 0, size.width // 2, size.height))
        found.append(_input(mask, InputRole.MASK))
    return tuple(found)


def _input(image: Image.Image, role: InputRole) -> ImageInput:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    return ImageInput(role, "image/png", digest, image.width, image.height, data)
