"""Compute a request's cache key from all that determines the image.

An identical request can then reuse the images of an earlier job instead of paying for them again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imagegen_app.core import canonical

if TYPE_CHECKING:
    from imagegen_app.core.types import ControlGuide, GenerationRequest


def fingerprint(request: GenerationRequest, *, provider: str, model_version: str) -> str:
    """Return the SHA-256 of the canonical request, as 64 hexadecimal digits.

    The end user, the idempotency key and the webhook URL are not part of it.
    """
    return canonical.digest(
        {
            "provider": provider,
            "model": request.model,
            "model_version": model_version,
            "operation": request.operation,
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "width": request.size.width,
            "height": request.size.height,
            "count": request.count,
            "seed": request.seed,
            "quality": request.quality,
            "output_format": request.output_format,
            "background": request.background,
            "parameters": _as_text(dict(request.parameters)),
            "inputs": [
                {"role": i.role, "sha256": i.sha256} | _guide(i.guide) for i in request.inputs
            ],
            **(
                {"loras": [_as_text(asdict(one)) for one in request.loras]} if request.loras else {}
            ),
        }
    )


def _guide(guide: ControlGuide | None) -> dict[str, Any]:
    return {} if guide is None else {"guide": _as_text(asdict(guide))}


def _as_text(value: Any) -> str:
    """Return a JSON value as the text that any database gives back the same."""
    return json.dumps(_with_plain_numbers(value), sort_keys=True, ensure_ascii=True)


def _with_plain_numbers(value: Any) -> Any:
    # Some databases give 2.0 back as 2.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(key): _with_plain_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_plain_numbers(inner) for inner in value]
    return value
