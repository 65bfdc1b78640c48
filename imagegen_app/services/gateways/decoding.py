"""Hand untrusted image bytes to this process's decoder processes."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.types import InputRule
from imagegen_app.imaging import input_images
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import ImageLimits
from imagegen_app.imaging.isolation import DecoderPool

if TYPE_CHECKING:
    from imagegen_app.imaging.input_images import NormalisedImage

#: Decoder processes of one process of ours.
DECODERS = 2

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


def image_limits() -> ImageLimits:
    """Return the site's limits for images that come from outside."""
    settings = conf.get().images
    return ImageLimits(max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)


def normalise_picture(data: bytes, *, rule: InputRule) -> NormalisedImage:
    """Return what is sent of an input image to a model with that rule.

    :raises InvalidImage: if it is not an image that we accept.
    """
    return decoder_pool().run(
        input_images.normalise_picture, data, limits=image_limits(), rule=rule
    )


def normalise_mask(
    data: bytes, *, rule: InputRule, picture: NormalisedImage | None
) -> NormalisedImage:
    """Return what is sent of a mask, as large as the picture that it belongs to.

    :raises InvalidImage: if it is not an image that we accept, or has another shape.
    """
    # Only the picture's size and orientation count: its bytes need not travel.
    shape = None if picture is None else replace(picture, data=b"")
    return decoder_pool().run(
        input_images.normalise_mask, data, limits=image_limits(), rule=rule, picture=shape
    )


def without_metadata(data: bytes, media_type: str) -> tuple[bytes, str]:
    """Return the pixels of one of our own files as PNG, JPEG or WebP, and the media type.

    If that fails, the file itself is returned: a decoder that is late must not cost a paid image.
    """
    try:
        image = normalise_picture(data, rule=InputRule())
    except InvalidImage:
        return data, media_type
    return image.data, image.media_type
