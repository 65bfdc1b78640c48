"""Turn what a caller asked into images, well made or spoilt on purpose."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image, ImageFilter

from imagegen_app.core.types import ImageInput
from imagegen_app.providers.drawing import rendering
from imagegen_app.testing.simulator import broken_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.core.types import GenerationRequest, InputRole, Size
    from imagegen_app.testing.simulator.faults import Fault

#: How an image may be written as text; all of them stand for the same bytes.
SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "unpadded": lambda text: text.rstrip("="),
    "url_safe": lambda text: text.replace("+", "-").replace("/", "_"),
    "lines": lambda text: "\r\n".join(text[n : n + 76] for n in range(0, len(text), 76)),
    "data_url": lambda text: f"data:image/png;base64,{text}",
    # The JSON escapes are put in once the document is written: `with_escapes`.
    "escaped": lambda text: text,
}
#: Of images on their way, in pixels.
PREVIEW_SIDE = 64
MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """One image that is handed out."""

    data: bytes = field(repr=False)
    media_type: str
    seed: int


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
        if kind == "one_bad_image" and n == 0:
            data = b""
        made.append(DrawnImage(data, MEDIA_TYPES[request.output_format], seed + n))
    return made


def base64_of(picture: DrawnImage, *, fault: Fault | None, spelling: str = "plain") -> str:
    """Encode an image; cut off in the middle of a group where the fault says so."""
    text = base64.b64encode(picture.data).decode("ascii")
    if fault is not None and fault.kind == "truncated_base64":
        half = len(text) // 2
        return text[: half - half % 4 + 1]
    return SPELLINGS[spelling](text)


def blurred(picture: DrawnImage, *, radius: int = 20) -> DrawnImage:
    """Return an image that shows little of another one, as a PNG; a spoilt one as it is."""
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(picture.data)) as clear:
            rough = clear.convert("RGB").filter(ImageFilter.BoxBlur(radius))
    except (OSError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return picture
    rough.save(buffer, "PNG", compress_level=1)
    return DrawnImage(buffer.getvalue(), "image/png", picture.seed)


def with_escapes(body: bytes, *, spelling: str) -> bytes:
    """Return a JSON document, with escapes in its texts where the spelling asks for them."""
    if spelling != "escaped":
        return body
    return body.replace(b"/", b"\\/").replace(b"+", b"\\u002b")


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


def preview_image(share: float, *, mark: str = "") -> bytes:
    """Return an image on its way as a JPEG: the lighter, the further it is; `mark` is its comment."""
    out = io.BytesIO()
    shade = round(share * 255)
    Image.new("RGB", (PREVIEW_SIDE, PREVIEW_SIDE), (shade, shade, shade)).save(
        out, "JPEG", comment=mark.encode()
    )
    return out.getvalue()
