"""Find texts in image files, and take them out of the metadata without touching a pixel.

Our own files keep their layout: a property of the XMP packet that holds a text is overwritten with
spaces, so no offset in the file changes. The file has to be signed again afterwards.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from imagegen_app.imaging import containers
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import sniff
from imagegen_app.imaging.metadata import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Of a longer text, so many characters at its beginning are looked for: a file may have it cut.
PREFIX_CHARS = 120
#: A compressed text of a PNG is read up to this many bytes.
_MAX_TEXT_BYTES = 1024 * 1024

_PACKET = re.compile(rb"<x:xmpmeta\b.*?</x:xmpmeta>", re.DOTALL)
_PROPERTY = re.compile(rb"<([A-Za-z0-9]+:[A-Za-z0-9]+)>([^<]*)</\1>")
_PROMPT = b"Iptc4xmpExt:AIPromptInformation"
_WRITER = b"Iptc4xmpExt:AIPromptWriterName"
#: Without it the file would not be marked any more; it holds a term of a vocabulary.
_MARK = b"Iptc4xmpExt:DigitalSourceType"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG_METADATA = _PNG_TEXTS | {b"eXIf", b"caBX", b"tIME"}
_WEBP_METADATA = frozenset({b"EXIF", b"XMP ", b"C2PA"})
#: Flags of a WebP's VP8X chunk: EXIF and XMP are there.
_WEBP_FLAGS = 0x08 | 0x04
#: JPEG segments that hold the colours' meaning: JFIF, an ICC profile, Adobe's colour transform.
_JPEG_KEPT_APPS = frozenset({0xE0, 0xE2, 0xEE})
_JPEG_COMMENT = 0xFE


class TextNotRemovable(Exception):
    """A file holds the text in a place from which it cannot be taken out."""


def spellings(text: str) -> tuple[bytes, ...]:
    """Return how the beginning of a text may be spelt in a file: plain, in XML, JSON or UTF-16."""
    start = clean(text, cap=10**9)[:PREFIX_CHARS]
    escaped = json.dumps(start)[1:-1]
    found = {
        start.encode(),
        html.escape(start, quote=False).encode(),
        html.escape(start).encode(),
        escaped.encode(),
        json.dumps(start, ensure_ascii=False)[1:-1].encode(),
        start.encode("utf-16-le"),
        start.encode("utf-16-be"),
    }
    with suppress(UnicodeEncodeError):
        # The texts of a PNG's older chunks.
        found.add(start.encode("latin-1"))
    return tuple(sorted(found))


def has_text(data: bytes, texts: Iterable[str]) -> bool:
    """Return whether one of the texts is in a file, also in the compressed texts of a PNG."""
    needles = [needle for text in texts for needle in spellings(text)]
    return any(needle in part for part in _parts(data) for needle in needles)


def blank_properties(data: bytes, texts: Iterable[str], *, writer: bool) -> bytes:
    """Return one of our files with spaces in place of the prompt and of properties with a text.

    With `writer`, the name of the prompt's writer goes as well.

    :raises InvalidImage: if the file is damaged.
    """
    needles = [clean(text, cap=10**9)[:PREFIX_CHARS] for text in texts]

    def blanked(match: re.Match[bytes]) -> bytes:
        if match[1] == _MARK:
            return match[0]
        value = html.unescape(match[2].decode("utf-8", "replace"))
        is_told = match[1] == _PROMPT or (writer and match[1] == _WRITER)
        is_told = is_told or any(needle in value for needle in needles)
        return b" " * len(match[0]) if is_told else match[0]

    return _with_packet(data, lambda packet: _PROPERTY.sub(blanked, packet))


def with_instance_id(data: bytes, *, former: str, new: str) -> bytes:
    """Return one of our files with another instance ID, which must be as long as the former one.

    :raises InvalidImage: if the file is damaged.
    :raises ValueError: if the new ID has another length.
    """
    if len(former) != len(new):
        raise ValueError("an instance ID can only be replaced by one of the same length")
    if not former:
        return data
    return _with_packet(
        data, lambda packet: packet.replace(former.encode("ascii"), new.encode("ascii"))
    )


def _with_packet(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return a file whose XMP packet was changed without changing its length."""
    changed = _PACKET.sub(lambda packet: change(packet[0]), data)
    return _with_new_checksums(changed) if sniff(data) == "png" and changed != data else changed


def without_metadata(data: bytes) -> bytes:
    """Return a PNG, JPEG or WebP without its texts, EXIF, XMP and Content Credentials.

    :raises TextNotRemovable: if the file is in another format.
    :raises InvalidImage: if it is damaged.
    """
    name = sniff(data)
    if name == "png":
        kept = [chunk for chunk in containers.png_chunks(data) if chunk[0] not in _PNG_METADATA]
        return _png(kept)
    if name == "webp":
        return _webp_without_metadata(data)
    if name == "jpeg":
        return _jpeg_without_metadata(data)
    raise TextNotRemovable(f"The metadata of a file in the format {name} cannot be taken out.")


def _parts(data: bytes) -> Iterator[bytes]:
    yield data
    if not data.startswith(_PNG_START):
        return
    try:
        chunks = list(containers.png_chunks(data))
    except InvalidImage:
        return
    for kind, body in chunks:
        if kind == b"zTXt":
            yield _inflated(body.partition(b"\0")[2][1:])
        elif kind == b"iTXt":
            rest = body.partition(b"\0")[2]
            if rest[:1] == b"\1":
                yield _inflated(rest[2:].split(b"\0", maxsplit=2)[-1])


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_TEXT_BYTES)
    except zlib.error:
        return b""


def _with_new_checksums(data: bytes) -> bytes:
    return _png(containers.png_chunks(data))


def _png(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    parts = [_PNG_START]
    for kind, body in chunks:
        parts += [
            len(body).to_bytes(4),
            kind,
            body,
            zlib.crc32(kind + body).to_bytes(4),
        ]
    return b"".join(parts)


def _webp_without_metadata(data: bytes) -> bytes:
    parts = []
    for kind, body in containers.riff_chunks(data):
        if kind in _WEBP_METADATA:
            continue
        kept = bytes([body[0] & ~_WEBP_FLAGS]) + body[1:] if kind == b"VP8X" and body else body
        parts += [kind, len(kept).to_bytes(4, "little"), kept, b"\0" * (len(kept) & 1)]
    content = b"WEBP" + b"".join(parts)
    return b"RIFF" + len(content).to_bytes(4, "little") + content


def _jpeg_without_metadata(data: bytes) -> bytes:
    kept, end = [data[:2]], 2
    for marker, body in containers.jpeg_segments(data):
        # Fill bytes may stand before a segment: where it begins is found by its own bytes.
        segment = bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body
        end = data.index(segment, end) + len(segment)
        is_app = marker & 0xF0 == 0xE0  # noqa: PLR2004 - APP0 to APP15
        if marker != _JPEG_COMMENT and (not is_app or marker in _JPEG_KEPT_APPS):
            kept.append(segment)
    # From the first scan on; what follows the image's end is none of the image.
    rest = data[end:]
    last = rest.rfind(b"\xff\xd9")
    return b"".join(kept) + (rest if last < 0 else rest[: last + 2])
