"""Name a file in another file's Content Credentials by a few facts, without its own manifest.

A manifest can hold any text and any data of its signer. What of a stranger's manifest may be
published is exactly `IngredientFacts`: few fields, each short, cleaned and of a known form.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from imagegen_app.core.source_types import DIGITAL_SOURCE_TYPES
from imagegen_app.imaging import containers
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import sniff
from imagegen_app.imaging.manifests import INTACT_STATES
from imagegen_app.imaging.metadata import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The longest text of another's manifest that is repeated, in characters.
MAX_FACT_CHARS = 100
#: The label of our statement within an ingredient's metadata.
FACTS_LABEL = "imagegen_app.ingredient"

_SOURCE_TYPE = re.compile(re.escape(DIGITAL_SOURCE_TYPES) + r"[A-Za-z]{1,60}\Z")
_MANIFEST_ID = re.compile(
    r"urn:(?:c2pa|uuid):[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"
)
_STATES = frozenset({"none", "unreadable", "invalid"}) | INTACT_STATES
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+-]{1,30}\Z")
_APP11 = 0xEB
#: In each JPEG segment: identifier, instance and sequence number, before the part of the box.
_JPEG_PART_HEAD = 8
_JPEG_BOX_HEAD = 8
_BMFF_PURPOSE = b"manifest\0"


@dataclass(frozen=True, slots=True)
class IngredientFacts:
    """What is said of a file that another file was made from; safe to publish.

    Texts are cut and cleaned when the facts are made; anything of an unknown form is left out.
    """

    #: Of the whole file, as it was received.
    sha256: str
    media_type: str
    #: Whether the file's own Content Credentials hold: a `content_credentials.State`.
    state: str = "none"
    title: str = ""
    signer: str = ""
    issuer: str = ""
    #: The software that made the claim.
    claim_generator: str = ""
    #: The label of the active manifest, a URN.
    manifest_id: str = ""
    digital_source_type: str = ""

    def __post_init__(self) -> None:
        forms = {
            "sha256": _HASH,
            "media_type": _MEDIA_TYPE,
            "manifest_id": _MANIFEST_ID,
            "digital_source_type": _SOURCE_TYPE,
        }
        for name, form in forms.items():
            if not form.match(str(getattr(self, name))):
                object.__setattr__(self, name, "")
        for name in ("title", "signer", "issuer", "claim_generator"):
            object.__setattr__(self, name, _short(getattr(self, name)))
        if self.state not in _STATES:
            object.__setattr__(self, "state", "unreadable")

    @property
    def is_valid(self) -> bool:
        """Whether the file has Content Credentials of its own, and they hold."""
        return self.state in {"valid", "trusted"}

    @property
    def is_intact(self) -> bool:
        """Whether the file is as its signer left it; the signer's certificate may have expired."""
        return self.state in INTACT_STATES

    def as_dict(self) -> dict[str, str]:
        """Return the facts for a JSON column."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return the facts that `as_dict` stored; unknown keys are ignored."""
        names = {f.name for f in fields(cls)}
        known = {key: str(value) for key, value in stored.items() if key in names}
        return cls(**{"sha256": "", "media_type": "", **known})

    def definition(self, *, label: str, relationship: str) -> dict[str, Any]:
        """Return the ingredient as the signing library takes it, without any manifest store."""
        told = {
            "sha256": self.sha256,
            "credentials": self.state,
            "signer": self.signer,
            "issuer": self.issuer,
            "claim_generator": self.claim_generator,
            "manifest": self.manifest_id,
            "digitalSourceType": self.digital_source_type,
        }
        entry: dict[str, Any] = {
            "title": self.title or label,
            "label": label,
            "relationship": relationship,
            "metadata": {FACTS_LABEL: {key: value for key, value in told.items() if value}},
        }
        if self.media_type:
            entry["format"] = self.media_type
        if self.sha256:
            entry["instance_id"] = f"urn:sha256:{self.sha256}"
        return entry


def may_have_manifest(data: bytes) -> bool:
    """Return whether a file may have Content Credentials, readable or not; fast."""
    return b"c2pa" in data or bool(manifest_store(data))


def manifest_store(data: bytes) -> bytes:
    """Return the C2PA manifest store inside an image file as it is; empty if there is none.

    The bytes are those of a `.c2pa` file. They are not checked in any way.
    """
    try:
        name = sniff(data)
        if name == "png":
            return b"".join(body for kind, body in containers.png_chunks(data) if kind == b"caBX")
        if name == "webp":
            return b"".join(body for kind, body in containers.riff_chunks(data) if kind == b"C2PA")
    except InvalidImage:
        return b""
    return _jpeg_store(data) if name == "jpeg" else _bmff_store(data)


def _jpeg_store(data: bytes) -> bytes:
    store = b""
    for marker, body in containers.jpeg_segments(data):
        if marker != _APP11 or body[:2] != b"JP":
            continue
        part = body[_JPEG_PART_HEAD:]
        # Each segment after the first repeats the head of the box that it continues.
        store += part[_JPEG_BOX_HEAD:] if store else part
    return store if b"c2pa" in store[:64] else b""


def _bmff_store(data: bytes) -> bytes:
    at = data.find(containers.C2PA_UUID)
    if at < 8:  # noqa: PLR2004 - length and type come before it
        return b""
    length = int.from_bytes(data[at - 8 : at - 4])
    content = data[at + 16 : at - 8 + length] if length else data[at + 16 :]
    purpose = content[4 : 4 + len(_BMFF_PURPOSE)]
    # Version and flags, the purpose, and the offset of a Merkle box come first.
    return content[4 + len(_BMFF_PURPOSE) + 8 :] if purpose == _BMFF_PURPOSE else b""


def _short(text: str) -> str:
    """Return the text on one line, without control and direction characters, cut to its limit."""
    line = " ".join(str(text).split())
    return clean("".join(c for c in line if c.isprintable()), cap=MAX_FACT_CHARS)
