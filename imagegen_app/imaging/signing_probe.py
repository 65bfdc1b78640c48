"""Find out whether an identity can sign now, by signing a picture of one pixel with it."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from imagegen_app.core.source_types import GENERATED
from imagegen_app.core.types import Operation
from imagegen_app.imaging.certificates import check_certificate, validity
from imagegen_app.imaging.content_credentials import (
    SigningFailed,
    SoftwareAgent,
    read_content_credentials,
    sign,
)

if TYPE_CHECKING:
    import datetime as dt

    from imagegen_app.imaging.content_credentials import ContentCredentials, SigningIdentity

#: A result is used for so long; an identity with another file or key is tried at once.
PROBE_SECONDS = 60
_ANCHORS_UNREADABLE = (
    "The file of IMAGEGEN['C2PA']['TRUST_ANCHORS'] is not readable: give PEM certificates, or none."
)
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


def signing_problem(identity: SigningIdentity, *, now: dt.datetime) -> str:
    """Return why nothing can be signed with the identity, with a remedy; empty if it can be.

    Cheap enough for each call to a provider: the certificate is read once, and the picture is
    signed once a minute. No time-stamp authority is asked.
    """
    period = validity(identity.chain_pem)
    in_time = period is not None and period[0] <= now <= period[1]
    minute = int(now.timestamp() // PROBE_SECONDS)
    if in_time and _can_sign(os.getpid(), replace(identity, tsa_url=""), minute):
        return ""
    problems = check_certificate(identity.chain_pem, identity.key_pem, alg=identity.alg, now=now)
    if in_time and identity.trust_anchors and validity(identity.trust_anchors) is None:
        problems.insert(0, _ANCHORS_UNREADABLE)
    return problems[0] if problems else "The signing library refuses the certificate or its key."


def stamped_probe(identity: SigningIdentity) -> ContentCredentials:
    """Return what a picture of one pixel says after it was signed with a time stamp.

    The authority is asked each time, and has half a minute.

    :raises SigningFailed: if it does not answer, or nothing can be signed.
    """
    return _signed_pixel(identity)


@lru_cache(maxsize=8)
def _can_sign(_pid: int, identity: SigningIdentity, _minute: int) -> bool:
    try:
        return _signed_pixel(identity).state in {"valid", "trusted"}
    except SigningFailed:
        return False


def _signed_pixel(identity: SigningIdentity) -> ContentCredentials:
    signed = sign(
        _PIXEL,
        "image/png",
        signing=identity,
        title="probe",
        operation=Operation.GENERATE,
        digital_source_type=GENERATED,
        software_agent=SoftwareAgent("probe"),
    )
    return read_content_credentials(signed, "image/png", trust_anchors=identity.trust_anchors)
