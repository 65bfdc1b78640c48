"""Store the files of one image of an answer, each under its hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.services.gateways import decoding, storage

if TYPE_CHECKING:
    from imagegen_app.imaging.pipeline import EncodedFile
    from imagegen_app.services.worker._ingest_options import IngestOptions


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the storage."""

    key: str
    sha256: str
    format: str
    media_type: str
    width: int
    height: int
    byte_size: int


def store(prefix: str, data: bytes, encoded: EncodedFile) -> StoredFile:
    """Store a file under its hash.

    :raises StorageFailed: if the storage fails.
    """
    key, sha256 = storage.put(prefix, data, extension=encoded.extension)
    return StoredFile(
        key=key,
        sha256=sha256,
        format=encoded.format,
        media_type=encoded.media_type,
        width=encoded.width,
        height=encoded.height,
        byte_size=len(data),
    )


def store_pass_input(options: IngestOptions, master: EncodedFile) -> StoredFile | None:
    """Store what the next pass sends of an image; None if no pass follows.

    :raises StorageFailed: if the storage fails.
    """
    if options.pass_rule is None:
        return None
    try:
        sent = decoding.normalise_picture(master.data, rule=options.pass_rule)
    except InvalidImage:
        # The image is paid for: the pass gets our file, and its model's adapter decides.
        return store("inputs", master.data, master)
    name = sent.media_type.removeprefix("image/")
    key, sha256 = storage.put("inputs", sent.data, extension=name.replace("jpeg", "jpg"))
    return StoredFile(
        key=key,
        sha256=sha256,
        format=name,
        media_type=sent.media_type,
        width=sent.width,
        height=sent.height,
        byte_size=len(sent.data),
    )
