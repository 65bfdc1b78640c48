"""Hand untrusted image bytes to this process's decoder processes.

Each process of the site that decodes has at most `DECODERS` + 1 decoder processes of 512 MB.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from imagegen_app import conf
from imagegen_app.imaging.content_credentials import ContentCredentials
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import ImageLimits
from imagegen_app.imaging.isolation import DecoderPool
from imagegen_app.imaging.marking import Marking, read_marking
from imagegen_app.imaging.metadata import ReadXmpFields

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

#: Decoder processes of one process of ours; one more is started while large images are decoded.
DECODERS = 2
#: Images that may be in work at once. More than there are decoders: those that wait for the turn of
#: large images must not keep others from the rest.
CONCURRENT_IMAGES = 8
#: How long an upload may take in all: web servers end requests after 30 s by default.
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


def decode_upload(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a decoder process while a person waits for it.

    :raises InvalidImage: as `DecoderPool.run`, or if it takes too long for somebody who waits.
    """
    return decoder_pool().run_within(UPLOAD_PATIENCE_SECONDS, function, *args, **kwargs)


def read_marking_isolated(data: bytes, media_type: str, *, trust_anchors: str = "") -> Marking:
    """Return the marking of a file that may be anybody's; what cannot be read is `unreadable`."""
    try:
        return decode_upload(read_marking, data, media_type, trust_anchors)
    except InvalidImage as error:
        return Marking(ContentCredentials(state="unreadable"), ReadXmpFields(problem=str(error)))


def image_limits() -> ImageLimits:
    """Return the site's limits for images that come from outside."""
    settings = conf.get().images
    return ImageLimits(max_bytes=settings.max_bytes, max_pixels=settings.max_pixels)
