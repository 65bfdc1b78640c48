"""Read the AI marking in an image file: its Content Credentials (C2PA) and XMP fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from django.utils.translation import gettext as _

from imagegen_app.imaging.ingredients import IngredientFacts
from imagegen_app.imaging.manifests import INTACT_STATES, ContentCredentials
from imagegen_app.imaging.marking import read_marking
from imagegen_app.imaging.metadata import ReadXmpFields
from imagegen_app.services.foundation.local_times import format_in_text
from imagegen_app.services.gateways import decoding, signing, storage

if TYPE_CHECKING:
    from imagegen_app.imaging.manifests import State
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
        """Whether the file is as it was signed; the signer's certificate may have expired."""
        return self.credentials.state in INTACT_STATES and self.is_unchanged is not False

    @property
    def summary(self) -> str:
        """The state of the Content Credentials in a few words, in the reader's language."""
        signer = self.credentials.signer
        if self.is_unchanged is False:
            return _("the stored file was changed")
        if self.credentials.state == "invalid" and self.credentials.is_unaltered:
            return _("intact, but the signature of %(signer)s is not accepted (%(reason)s)") % {
                "signer": signer,
                "reason": ", ".join(self.credentials.failures),
            }
        return {
            "trusted": _("intact, signed by %(signer)s, on a trust list"),
            "valid": _("intact, signed by %(signer)s, not on a trust list"),
            "expired": _("intact, signed by %(signer)s, certificate expired"),
            "invalid": _("changed after %(signer)s signed it"),
            "unreadable": _("unreadable"),
            "none": _("none"),
        }[self.credentials.state] % {"signer": signer}

    @property
    def time_stamp(self) -> str:
        """When the file was signed, by whose word, in the reader's language; empty if unsigned."""
        if self.credentials.state in {"none", "unreadable"}:
            return ""
        moment = self.credentials.stamped_at
        if moment is None:
            return _("not stamped")
        time = format_in_text(moment)
        if self.credentials.is_time_trusted:
            return _("stamped at %(time)s") % {"time": time}
        return _("stamped at %(time)s, by an authority that is not on a trust list") % {
            "time": time
        }


@dataclass(frozen=True, slots=True)
class ProviderCredentials:
    """What the provider's own Content Credentials of an image said when it came."""

    #: In a few words, in the reader's language.
    summary: str
    issuer: str
    #: The software that made the claim, and the claim's id.
    claim: str
    #: Whether they are whole in the published file, as an ingredient.
    is_embedded: bool


def provider_credentials(asset: Asset) -> ProviderCredentials | None:
    """Return what is known of the provider's own Content Credentials; None without any."""
    if not asset.provider_credentials:
        return None
    facts = IngredientFacts.from_dict(asset.provider_credentials)
    read = ContentCredentials(cast("State", facts.state), signer=facts.signer or _("somebody"))
    return ProviderCredentials(
        summary=Inspection(read, ReadXmpFields()).summary,
        issuer=facts.issuer,
        claim=" ".join(filter(None, (facts.claim_generator, facts.manifest_id))),
        is_embedded=asset.is_provider_embedded,
    )


def inspect_bytes(data: bytes, media_type: str) -> Inspection:
    """Read the marking of any image file, in a decoder process.

    If the file of the site's trust anchors cannot be read, they are left out.
    """
    found = decoding.read_marking_isolated(data, media_type, trust_anchors=signing.trust_anchors())
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
    ours = read_marking(data, asset.media_type, signing.trust_anchors())
    return Inspection(ours.credentials, ours.marks, is_unchanged=True)
