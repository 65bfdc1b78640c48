"""Make a request's images, encoded: what the sandbox and the simulator both serve."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from imagegen_app.core.types import InputRole, Operation
from imagegen_app.providers.drawing import alterations, mark, palette, scenes
from imagegen_app.providers.families import masks

if TYPE_CHECKING:
    from imagegen_app.core.types import GenerationRequest

_MAX_SEED = 2**32


def first_seed(request: GenerationRequest) -> int:
    """Return the request's seed, or one that follows from the call's key or else the prompt."""
    if request.seed is not None:
        return request.seed
    return palette.seeded_random(request.idempotency_key or request.prompt).randrange(_MAX_SEED)


def render_image(request: GenerationRequest, *, seed: int) -> bytes:
    """Draw one image of a request; the same request and seed give the same bytes.

    :raises InvalidRequest: if an input image cannot be used.
    """
    image = mark.stamp(_drawn(request, seed=seed))
    if request.background == "transparent" and request.operation is Operation.GENERATE:
        image = alterations.remove_background(image)
    return encoded(image, output_format=request.output_format)


def encoded(image: Image.Image, *, output_format: str) -> bytes:
    """Encode an image quickly as png, jpeg or webp."""
    buffer = io.BytesIO()
    if output_format == "jpeg":
        image.convert("RGB").save(buffer, "JPEG", quality=90)
    elif output_format == "webp":
        image.save(buffer, "WEBP", quality=88, method=1)
    else:
        image.save(buffer, "PNG", compress_level=2)
    return buffer.getvalue()


def _drawn(request: GenerationRequest, *, seed: int) -> Image.Image:
    if request.operation is Operation.GENERATE:
        return scenes.draw(
            request.prompt,
            width=request.size.width,
            height=request.size.height,
            seed=seed,
            negative_prompt=request.negative_prompt,
        )
    images = [i for i in request.inputs if i.role is not InputRole.MASK]
    # Guides and references may come before the image that is changed.
    changed = next((i for i in images if i.role is InputRole.IMAGE), images[0])
    source = masks.open_image(changed.data)
    prompt, size = request.prompt, request.size
    if request.operation is Operation.REMOVE_BACKGROUND:
        return alterations.remove_background(source)
    if request.operation is Operation.UPSCALE:
        return alterations.upscale(source, size=size)
    marked = [i for i in request.inputs if i.role is InputRole.MASK]
    if marked:
        area = masks.edit_area(marked[0].data)
        return alterations.inpaint(source, area=area, prompt=prompt, size=size, seed=seed)
    if request.operation is Operation.OUTPAINT:
        anchor = str(request.parameters.get("anchor", "center"))
        return alterations.outpaint(source, prompt=prompt, size=size, seed=seed, anchor=anchor)
    alter = {Operation.VARY: alterations.vary, Operation.CONTROL: alterations.control}.get(
        request.operation, alterations.edit
    )
    return alter(source, prompt=prompt, size=size, seed=seed)
