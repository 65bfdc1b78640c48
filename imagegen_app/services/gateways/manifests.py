"""Read and keep the Content Credentials of files that may be anybody's.

They are read in a decoder process. What may be published of them is `IngredientFacts`; the whole
manifest store is kept in private storage, for the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from imagegen_app.imaging.content_credentials import read_ingredient_facts
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.ingredients import IngredientFacts, manifest_store, may_have_manifest
from imagegen_app.services.gateways import decoding, storage


@dataclass(frozen=True, slots=True)
class KeptManifest:
    """What is kept of an uploaded file's Content Credentials, for the row of the input."""

    #: The facts, as `IngredientFacts.as_dict` returns them.
    ingredient_facts: dict[str, str] = field(default_factory=dict)
    #: Where the manifest store is; empty if the file has none.
    manifest_key: str = ""


def read_facts(data: bytes, media_type: str) -> IngredientFacts:
    """Return what may be published of a file's Content Credentials."""
    if not may_have_manifest(data):
        return read_ingredient_facts(data, media_type)
    try:
        return decoding.decoder_pool().run(read_ingredient_facts, data, media_type)
    except InvalidImage:
        return IngredientFacts(
            sha256=storage.file_hash(data), media_type=media_type, state="unreadable"
        )


def keep_manifest(data: bytes, media_type: str) -> KeptManifest:
    """Read the facts of an upload as it was received, and store its manifest store as it is.

    :raises StorageFailed: if the storage does not take it.
    """
    facts = read_facts(data, media_type)
    store = manifest_store(data)
    key = storage.put("manifests", store, extension="c2pa")[0] if store else ""
    return KeptManifest(facts.as_dict(), key)
