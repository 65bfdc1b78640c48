"""Sign the files of a new image, and tell apart what fails: the certificate, a parent, or the file.

Runs in the driver's pool, without database access.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from imagegen_app.core.errors import ProviderError
from imagegen_app.imaging.content_credentials import SigningFailed
from imagegen_app.imaging.ingredients import IngredientFacts
from imagegen_app.imaging.manifests import INTACT_STATES
from imagegen_app.services.gateways import file_signing, manifests, storage
from imagegen_app.services.gateways.file_signing import ImageOrigin, ParentFile, SignedMaster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.imaging.content_credentials import SigningIdentity
    from imagegen_app.imaging.pipeline import EncodedFile
    from imagegen_app.services.worker._ingest_options import IngestOptions, InputFile

#: The states of a file of others whose facts are all that there is to tell.
_READABLE = frozenset({"none"}) | INTACT_STATES


class NotPublishable(ProviderError):
    """The image could not be marked and signed as AI-generated, so it cannot be published."""

    code = "not_publishable"
    #: The provider has made the image; its answer is kept.
    billed = "yes"
    remedy = "Tell an image administrator: the attempt's record has the reason, the answer is kept."


def sign_master(
    file: EncodedFile,
    *,
    options: IngestOptions,
    identity: SigningIdentity,
    answer: bytes,
    answer_media_type: str,
) -> SignedMaster:
    """Sign a master; a parent whose manifests cannot be read or added is named by its facts.

    :raises NotPublishable: if the file cannot be signed, with or without its parents' manifests.
    :raises CertificateUnusable: if the certificate is the reason.
    :raises SigningFailed: if the time-stamp authority does not answer.
    :raises StorageFailed: if an input cannot be read.
    """
    parents, is_reduced = _parents(options)
    made = file_signing.answer_as_parent(answer, answer_media_type)
    if made is not None:
        # What the provider itself says of the image that it made.
        parents = (*parents, made)
    with _not_publishable(identity):
        master = file_signing.sign_master(
            file, origin=_origin(options), identity=identity, parents=parents
        )
    return replace(master, is_reduced=master.is_reduced or is_reduced)


def sign_rendition(
    file: EncodedFile, *, master: SignedMaster, options: IngestOptions, identity: SigningIdentity
) -> bytes:
    """Sign a rendition, whose manifests stay small however long the history of the image is.

    :raises NotPublishable: if the file cannot be signed, with or without its parents' manifests.
    :raises CertificateUnusable: if the certificate is the reason.
    :raises SigningFailed: if the time-stamp authority does not answer.
    """
    with _not_publishable(identity):
        return file_signing.sign_rendition(
            file, master=master, origin=_origin(options), identity=identity
        )


@contextmanager
def _not_publishable(identity: SigningIdentity) -> Iterator[None]:
    """Turn a failure that no later try would mend into `NotPublishable`."""
    try:
        yield
    except SigningFailed as error:
        if file_signing.is_time_stamp_missing(error, identity):
            raise
        raise NotPublishable(detail=f"{error} {error.detail}"[:200]) from error


def _origin(options: IngestOptions) -> ImageOrigin:
    return ImageOrigin(options.title, options.operation, options.source_type, options.agent)


def _parents(options: IngestOptions) -> tuple[tuple[ParentFile, ...], bool]:
    """Return the inputs, and whether one of our own can only be named by its facts."""
    parents: list[ParentFile] = []
    is_reduced = False
    for one in options.parents:
        # C2PA allows one `parentOf`, the image that was changed; the others are `inputTo`.
        first = not any(p.relationship == "parentOf" for p in parents)
        is_changed = one.relationship == "parentOf" and first
        parent, is_whole = _input(one, relationship="parentOf" if is_changed else "inputTo")
        parents.append(parent)
        is_reduced = is_reduced or not is_whole
    return tuple(parents), is_reduced


def _input(
    one: InputFile, *, relationship: Literal["parentOf", "inputTo"]
) -> tuple[ParentFile, bool]:
    """Return an input as a parent, and whether it is told as fully as it can be."""
    if not one.is_asset and one.facts:
        facts = IngredientFacts.from_dict(one.facts)
        return ParentFile(facts, relationship), facts.state in _READABLE
    try:
        data = storage.get(one.storage_key)
    except storage.FileMissing:
        # No later try would find it, and the image is paid for.
        facts = IngredientFacts(one.sha256, one.media_type, state="unreadable")
        return ParentFile(facts, relationship), False
    facts = manifests.read_facts(data, one.media_type)
    # Those of an asset are in its file and in the evidence: manifests would grow with each edit. They
    # tell as much when a certificate of ours has expired.
    is_told = facts.is_intact if one.is_asset else facts.state in _READABLE
    return ParentFile(facts, relationship, is_asset=one.is_asset), is_told
