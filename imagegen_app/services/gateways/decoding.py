"""Hand untrusted image bytes to this process's decoder processes."""

from __future__ import annotations

import threading

from imagegen_app import conf
from imagegen_app.imaging.inspect import ImageLimits
from imagegen_app.imaging.isolation import DecoderPool

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
