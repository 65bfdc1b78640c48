"""Read and keep the Content Credentials of files that may be anybody's.

They are read in a decoder process. What may be published of them is `IngredientFacts`; the whole
manifest store is kept in private storage, for the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imagegen_app.imaging.content_credentials import read_ingredient_facts
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.ingredients import IngredientFacts, manifest_store, may_have_manifest
from imagegen_app.imaging.inspect import FORMATS, sniff
from imagegen_app.services.gateways import decoding, signing, storage

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class UploadManifest:
    """The Content Credentials of an uploaded file, as it was received."""

    facts: IngredientFacts
    #: The manifest store as it is; empty if there is none, or if it is stored already.
    store: bytes = field(default=b"", repr=False)
    #: Where it is in private storage; empty if it is not stored.
    key: str = ""


def read_facts(
    data: bytes, media_type: str, *, patience: decoding.Patience | None = None
) -> IngredientFacts:
    """Return what may be published of a file's Content Credentials.

    For an upload a person waits, for as long as `patience` says.

    :raises InvalidImage: if no decoder became free in that time, which says nothing of the file.
    """
    if not may_have_manifest(data):
        return read_ingredient_facts(data, media_type)
    anchors = signing.trust_anchors()
    run = decoding.decoder_pool().run if patience is None else patience.run
    try:
        return run(read_ingredient_facts, data, media_type, anchors)
    except InvalidImage as error:
        if error.reason == "decoder_busy":
            raise
        return IngredientFacts(
            sha256=storage.file_hash(data), media_type=media_type, state="unreadable"
        )


def read_manifest(data: bytes, *, patience: decoding.Patience) -> UploadManifest:
    """Return the Content Credentials of an upload; to be read from its bytes as they were received.

    :raises InvalidImage: if no decoder became free in time.
    """
    try:
        media_type = FORMATS[sniff(data)].media_type
    except InvalidImage:
        # A format that is converted before it is used; its hash can be told all the same.
        return UploadManifest(IngredientFacts(sha256=storage.file_hash(data), media_type=""))
    return UploadManifest(read_facts(data, media_type, patience=patience), manifest_store(data))


def keep_manifest(manifest: UploadManifest) -> str:
    """Put the manifest store of an upload into private storage; return its key, empty without one.

    :raises StorageFailed: if the storage does not take it.
    """
    if manifest.key or not manifest.store:
        return manifest.key
    return storage.put("manifests", manifest.store, extension="c2pa")[0]


def without_names(stored: Mapping[str, Any]) -> dict[str, str]:
    """Return stored facts without the texts that may name a person; empty ones stay empty."""
    if not stored:
        return {}
    facts = IngredientFacts.from_dict(stored)
    return replace(facts, title="", signer="", issuer="", claim_generator="").as_dict()
