"""Compute a request's cache key from all that determines the image.

An identical request can then reuse the images of an earlier job instead of paying for them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core import canonical

if TYPE_CHECKING:
    from imagegen_app.core.types import GenerationRequest


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
            "parameters": {k: str(v) for k, v in request.parameters.items()},
            "inputs": [{"role": i.role, "sha256": i.sha256} for i in request.inputs],
        }
    )
