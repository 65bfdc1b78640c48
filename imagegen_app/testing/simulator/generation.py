"""Turn what a caller asked into images, well made or spoilt on purpose."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from PIL import Image

from imagegen_app.core.types import GenerationRequest, ImageInput, InputRole, Operation, Size
from imagegen_app.providers.drawing import rendering
from imagegen_app.testing.simulator import broken_answers

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.faults import Fault

MAX_COUNT = 10
_MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """One image that is handed out."""

    data: bytes = field(repr=False)
    media_type: str
    seed: int


def parse_request(
    document: dict[str, Any], *, inputs: tuple[ImageInput, ...], key: str = "", operation: Operation
) -> GenerationRequest:
    """Read what is asked.

    :raises ValueError: if something in it cannot be.
    """
    prompt, model = document.get("prompt", ""), document.get("model", "")
    if not isinstance(prompt, str) or not isinstance(model, str) or not model:
        raise ValueError("prompt and model must be texts")
    count = int(document.get("n", 1))
    if not 1 <= count <= MAX_COUNT:
        raise ValueError("n")
    output_format = str(document.get("output_format", "png"))
    if output_format not in _MEDIA_TYPES:
        raise ValueError("output_format")
    size = str(document.get("size", "auto"))
    if size == "auto":
        first = next((i for i in inputs if i.role is not InputRole.MASK), None)
        wanted = Size(first.width, first.height) if first else Size(1024, 1024)
    else:
        wanted = Size.parse(size)
    seed = document.get("seed")
    parameters = document.get("parameters", {})
    return GenerationRequest(
        operation=operation,
        model=model,
        prompt=prompt,
        size=wanted,
        count=count,
        negative_prompt=str(document.get("negative_prompt", "")),
        seed=seed if isinstance(seed, int) else None,
        quality=str(document.get("quality", "")),
        output_format=output_format,
        background=str(document.get("background", "")),
        inputs=inputs,
        parameters=parameters if isinstance(parameters, dict) else {},
        idempotency_key=key,
    )


def image_input(data: bytes, *, media_type: str, role: InputRole) -> ImageInput:
    """Describe an input image.

    :raises ValueError: if it cannot be read.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
    except OSError:
        raise ValueError("an input image cannot be read") from None
    return ImageInput(
        role=role,
        media_type=media_type,
        sha256=hashlib.sha256(data).hexdigest(),
        width=width,
        height=height,
        data=data,
    )


def is_png_with_alpha(data: bytes) -> bool:
    """Return whether a file is a PNG with an alpha channel."""
    with Image.open(io.BytesIO(data)) as image:
        return image.format == "PNG" and image.mode in {"RGBA", "LA"}


async def draw_images(
    request: GenerationRequest, *, fault: Fault | None, quick: bool
) -> list[DrawnImage]:
    """Make the images of a request, spoilt where the fault says so."""
    kind = fault.kind if fault else ""
    count = 1 if kind == "fewer_images" else request.count
    seed = rendering.first_seed(request)
    made = []
    for n in range(count):
        spoilt = _spoilt(kind, seed + n)
        if spoilt is not None:
            made.append(spoilt)
            continue
        if quick:
            data = _plain(request.size, request.output_format, (seed + n) % 16)
        else:
            data = await asyncio.to_thread(rendering.render_image, request, seed=seed + n)
        made.append(DrawnImage(data, _MEDIA_TYPES[request.output_format], seed + n))
    return made


def base64_of(picture: DrawnImage, *, fault: Fault | None) -> str:
    """Encode an image; cut off in the middle of a group where the fault says so."""
    text = base64.b64encode(picture.data).decode("ascii")
    if fault is not None and fault.kind == "truncated_base64":
        half = len(text) // 2
        return text[: half - half % 4 + 1]
    return text


def _spoilt(kind: str, seed: int) -> DrawnImage | None:
    if kind == "huge_png":
        return DrawnImage(broken_answers.huge_png(), "image/png", seed)
    if kind == "svg":
        return DrawnImage(broken_answers.SVG, "image/svg+xml", seed)
    if kind == "animated_gif":
        return DrawnImage(broken_answers.animated_gif(), "image/gif", seed)
    return None


@lru_cache(maxsize=256)
def _plain(size: Size, output_format: str, tone: int) -> bytes:
    image = Image.new("RGB", (size.width, size.height), (90 + tone * 8, 140, 200 - tone * 8))
    return rendering.encoded(image, output_format=output_format)
