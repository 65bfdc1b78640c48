"""Sign with a time stamp, or without one where the site says so and the authority does not answer.

Needs no database access: it runs in the driver's pool, too.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from imagegen_app import conf
from imagegen_app.imaging.content_credentials import SigningFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.imaging.content_credentials import SigningIdentity

T = TypeVar("T")
logger = logging.getLogger("imagegen.driver")

#: Seconds for which an authority is left alone after it failed: one that hangs takes 30 a file.
PAUSE_SECONDS = 60.0
#: Until when an authority is left alone, by the monotonic clock and its URL.
_paused_until: dict[str, float] = {}


def sign_with_stamp(identity: SigningIdentity, sign: Callable[[SigningIdentity], T]) -> T:
    """Return what `sign` returns, which signs all files of one image with the identity it is given.

    Either all of them have a time stamp or none: if the authority fails in between, and images do
    not wait for it, all are signed again without.

    :raises SigningFailed: if the authority does not answer, and images wait for it.
    """
    url = identity.tsa_url
    if not url or conf.get().c2pa.tsa_on_error != "sign":
        return sign(identity)
    if _paused_until.get(url, 0.0) <= time.monotonic():
        try:
            return sign(identity)
        except SigningFailed as error:
            if error.reason != "time_stamp":
                raise
            logger.warning("Images are signed without a time stamp: the authority does not answer.")
            _paused_until[url] = time.monotonic() + PAUSE_SECONDS
    return sign(replace(identity, tsa_url=""))
