"""Take erased texts out of stored image files, and sign our own files anew.

The pixels stay as they are. The new files are signed by the rules of the first signing, and each
gets a new instance ID, since it is another file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from imagegen_app.imaging import text_removal
from imagegen_app.imaging.content_credentials import SigningFailed
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import FORMATS, sniff
from imagegen_app.imaging.metadata import read_xmp
from imagegen_app.imaging.text_removal import TextNotRemovable
from imagegen_app.services.gateways import file_signing, signing, time_stamps

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from imagegen_app.imaging.content_credentials import SigningIdentity
    from imagegen_app.services.gateways.file_signing import ImageOrigin, ParentFile, SignedMaster

#: The instance IDs that this app writes.
_INSTANCE_ID = re.compile(r"xmp\.iid:[0-9a-f-]{36}")


class CannotResign(Exception):
    """A file cannot be rewritten without the text; the message says why."""


class CannotSignNow(CannotResign):
    """Nothing is wrong with the file: the certificate or the time-stamp authority is out of order."""


@dataclass(frozen=True, slots=True)
class _BlankedFile:
    """One of our published files without the texts, not signed yet."""

    data: bytes = field(repr=False)
    media_type: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class ResignedFiles:
    """The files of an image after they were signed again, the renditions in the order given."""

    master: SignedMaster
    renditions: tuple[bytes, ...] = field(repr=False)


def has_text(data: bytes, texts: Collection[str]) -> bool:
    """Return whether a file holds one of the texts, in any of its usual spellings."""
    return text_removal.has_text(data, texts)


def has_prompt(data: bytes, *, writer: bool) -> bool:
    """Return whether one of our files tells its prompt or, with `writer`, who wrote the prompt."""
    try:
        marks = read_xmp(data)
    except InvalidImage:
        return False
    return bool(marks.prompt or (writer and marks.prompt_writer))


def resign_files(
    master: bytes,
    renditions: Sequence[bytes],
    *,
    texts: Collection[str],
    writer: bool,
    origin: ImageOrigin,
    parents: tuple[ParentFile, ...],
) -> ResignedFiles:
    """Return a master and its renditions without the texts, signed anew.

    With `writer`, the name of the prompt's writer is taken out, too. `parents` are the files that
    the master was made from, as at its first signing. Either all files have a time stamp or none.

    :raises CannotSignNow: if the certificate or the time-stamp authority is out of order.
    :raises CannotResign: if a file cannot be signed, or still holds one of the texts.
    """
    blank = [_without(one, texts, writer=writer) for one in (master, *renditions)]

    def sign_all(identity: SigningIdentity) -> ResignedFiles:
        signed = file_signing.sign_master(
            blank[0], origin=origin, identity=identity, parents=parents
        )
        return ResignedFiles(
            signed,
            tuple(
                file_signing.sign_rendition(one, master=signed, origin=origin, identity=identity)
                for one in blank[1:]
            ),
        )

    try:
        identity = signing.require_usable_identity()
        files = time_stamps.sign_with_stamp(identity, sign_all)
    except signing.CertificateUnusable as error:
        raise CannotSignNow(str(error)) from None
    except SigningFailed as error:
        if error.reason == "time_stamp":
            raise CannotSignNow(str(error)) from None
        raise CannotResign(str(error)) from None
    if any(has_text(data, texts) for data in (files.master.data, *files.renditions)):
        raise CannotResign("A file holds the text in a place that cannot be rewritten.")
    return files


def original_without_texts(data: bytes, texts: Collection[str]) -> bytes:
    """Return a provider's file without its metadata, and so without the texts.

    :raises CannotResign: if they stand elsewhere, or in a format that cannot be changed.
    """
    try:
        changed = text_removal.without_metadata(data)
    except (InvalidImage, TextNotRemovable) as error:
        raise CannotResign(str(error)) from None
    if has_text(changed, texts):
        raise CannotResign("A provider's file holds the text outside of its metadata.")
    return changed


def _without(file: bytes, texts: Collection[str], *, writer: bool) -> _BlankedFile:
    """Return a file without the texts and with a new instance ID, not signed yet."""
    try:
        data = text_removal.blank_properties(file, texts, writer=writer)
        former = read_xmp(data).instance_id
        if not _INSTANCE_ID.fullmatch(former):
            return _BlankedFile(data, FORMATS[sniff(data)].media_type, "")
        # From the former one: it is another one each time.
        new = f"xmp.iid:{uuid5(NAMESPACE_URL, former)}"
        renamed = text_removal.with_instance_id(data, former=former, new=new)
        return _BlankedFile(renamed, FORMATS[sniff(renamed)].media_type, new)
    except InvalidImage as error:
        raise CannotResign(str(error)) from None
