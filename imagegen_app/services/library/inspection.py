"""Read the AI marking in an image file: its Content Credentials (C2PA) and XMP fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.imaging.marking import read_marking
from imagegen_app.services.gateways import decoding, storage
from imagegen_app.services.gateways.signing import CertificateUnreadable, signing_identity

if TYPE_CHECKING:
    from imagegen_app.imaging.content_credentials import ContentCredentials
    from imagegen_app.imaging.metadata import ReadXmpFields
    from imagegen_app.models import Asset


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the marking in a file says, and whether the file is unchanged."""

    credentials: ContentCredentials
    marks: ReadXmpFields
    #: Whether the stored bytes still have the recorded hash; None for a file that is not ours.
    is_unchanged: bool | None = None

    @property
    def is_intact(self) -> bool:
        """Whether the signature is valid and the stored bytes are unchanged."""
        return self.credentials.state in {"valid", "trusted"} and self.is_unchanged is not False

    @property
    def summary(self) -> str:
        """The state of the Content Credentials in a few words, in the reader's language."""
        signer = self.credentials.signer
        if self.is_unchanged is False:
            return _("the stored file was changed")
        return {
            "trusted": _("intact, signed by %(signer)s, on a trust list"),
            "valid": _("intact, signed by %(signer)s, not on a trust list"),
            "invalid": _("changed after %(signer)s signed it"),
            "unreadable": _("unreadable"),
            "none": _("none"),
        }[self.credentials.state] % {"signer": signer}


def inspect_bytes(data: bytes, media_type: str) -> Inspection:
    """Read the marking of any image file, in a decoder process.

    Without a readable signing certificate, the site's trust anchors are left out.
    """
    found = decoding.read_marking_isolated(data, media_type, trust_anchors=_trust_anchors())
    return Inspection(found.credentials, found.marks)


def inspect_stored(asset: Asset) -> Inspection:
    """Read the marking of an asset's published file, and compare its hash.

    :raises StorageFailed: if the file cannot be read.
    """
    data = storage.get(asset.storage_key)
    if storage.file_hash(data) != asset.sha256:
        # Somebody else's bytes, whatever they are.
        found = inspect_bytes(data, asset.media_type)
        return Inspection(found.credentials, found.marks, is_unchanged=False)
    ours = read_marking(data, asset.media_type, _trust_anchors())
    return Inspection(ours.credentials, ours.marks, is_unchanged=True)


def _trust_anchors() -> str:
    try:
        return signing_identity().trust_anchors
    except CertificateUnreadable:
        return ""
