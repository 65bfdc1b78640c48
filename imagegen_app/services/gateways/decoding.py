"""Hand untrusted image bytes to this process's decoder processes.

Each process of the site that decodes has at most `DECODERS` + 1 decoder processes of 512 MB.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from imagegen_app import conf
from imagegen_app.core.capabilities import InputRule
from imagegen_app.imaging import input_images, previews
from imagegen_app.imaging.content_credentials import ContentCredentials
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import ImageLimits, inspect
from imagegen_app.imaging.isolation import DecoderPool
from imagegen_app.imaging.marking import Marking, read_marking
from imagegen_app.imaging.metadata import ReadXmpFields

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.mask_drawings import MaskDrawing
    from imagegen_app.imaging.input_images import NormalisedImage

P = ParamSpec("P")
T = TypeVar("T")

#: Decoder processes of one process of ours; one more is started while large images are decoded.
DECODERS = 2
#: Images that may be in work at once. More than there are decoders: those that wait for the turn of
#: large images must not keep others from the rest.
CONCURRENT_IMAGES = 8
#: From this EXIF orientation on, an image lies on its side.
_FIRST_TURNED = 5
#: How long the uploads of a request may take in all: web servers end it after 30 s by default.
UPLOAD_PATIENCE_SECONDS = 25.0

_pools: dict[str, DecoderPool] = {}
_pools_lock = threading.Lock()


def decoder_pool() -> DecoderPool:
    """Return this process's pool of decoders, started on first use."""
    with _pools_lock:
        if "decoder" not in _pools:
            _pools["decoder"] = DecoderPool(
                workers=DECODERS, timeout=float(conf.get().images.max_seconds)
            )
        return _pools["decoder"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a person waits for all the uploads of one request."""

    until: float = field(default_factory=lambda: time.monotonic() + UPLOAD_PATIENCE_SECONDS)

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a decoder process, within what is left of the time.

        :raises InvalidImage: as `DecoderPool.run`, or if it takes too long for somebody who waits.
        """
        left = max(0.0, self.until - time.monotonic())
        return decoder_pool().run_within(left, function, *args, **kwargs)


def read_marking_isolated(data: bytes, media_type: str, *, trust_anchors: str = "") -> Marking:
    """Return the marking of a file that may be anybody's; what cannot be read is `unreadable`."""
    try:
        return Patience().run(read_marking, data, media_type, trust_anchors)
    except InvalidImage as error:
        return Marking(ContentCredentials(state="unreadable"), ReadXmpFields(problem=str(error)))


def image_limits() -> ImageLimits:
    """Return the site's limits for images that come from outside."""
    settings = conf.get().images
    return ImageLimits(max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)


def normalise_picture(
    data: bytes, *, rule: InputRule, patience: Patience | None = None
) -> NormalisedImage:
    """Return what is sent of an input image to a model with that rule.

    For an upload a person waits, for as long as `patience` says.

    :raises InvalidImage: if it is not an image that we accept.
    """
    run = decoder_pool().run if patience is None else patience.run
    return run(input_images.normalise_picture, data, limits=image_limits(), rule=rule)


def upright_size(data: bytes) -> tuple[int, int]:
    """Return width and height of an image that came from outside, turned as its metadata says.

    :raises InvalidImage: if it is not an image that we accept.
    """
    found = Patience().run(inspect, data, limits=image_limits())
    is_turned = found.orientation >= _FIRST_TURNED
    return (found.height, found.width) if is_turned else (found.width, found.height)


def normalise_mask(
    data: bytes,
    *,
    rule: InputRule,
    picture: NormalisedImage | None,
    patience: Patience,
    drawing: MaskDrawing | None = None,
) -> NormalisedImage:
    """Return what is sent of a mask, uploaded or drawn, as large as the picture that it belongs to.

    :raises InvalidImage: if it is not an image that we accept, or has another shape.
    """
    # Only the picture's size and orientation count: its bytes need not travel.
    shape = None if picture is None else replace(picture, data=b"")
    return patience.run(
        input_images.normalise_mask,
        data,
        limits=image_limits(),
        rule=rule,
        picture=shape,
        drawing=drawing,
    )


def make_preview(data: bytes) -> bytes:
    """Return a small WebP image of an unfinished one that a provider sent.

    :raises InvalidImage: if it is not an image that we accept, or cannot be made small enough.
    """
    return decoder_pool().run(previews.make_preview, data, limits=image_limits())


def without_metadata(data: bytes, media_type: str) -> tuple[bytes, str]:
    """Return the pixels of one of our own files as PNG, JPEG or WebP, and the media type.

    If that fails, the file itself is returned: a decoder that is late must not cost a paid image.
    """
    try:
        image = normalise_picture(data, rule=InputRule())
    except InvalidImage:
        return data, media_type
    return image.data, image.media_type
