"""Sign the files of one image, and tell apart what fails: the certificate, a parent, or the file.

Runs in the driver's pool, without database access.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from imagegen_app.core.errors import ProviderError
from imagegen_app.core.types import Operation
from imagegen_app.imaging.content_credentials import (
    Parent,
    SigningFailed,
    read_content_credentials,
    read_ingredient_facts,
    sign,
)
from imagegen_app.imaging.ingredients import IngredientFacts, manifest_store
from imagegen_app.imaging.manifests import INTACT_STATES
from imagegen_app.services.gateways import manifests, signing, storage

if TYPE_CHECKING:
    from imagegen_app.imaging.content_credentials import ContentCredentials, SigningIdentity
    from imagegen_app.imaging.pipeline import EncodedFile
    from imagegen_app.services.worker._ingest_options import IngestOptions, InputFile

#: The largest manifest store of another file that goes whole into a master.
MAX_EMBEDDED_BYTES = 64 * 1024
#: The largest manifest store of a rendition that has its master's in it.
MAX_RENDITION_BYTES = 10_000
#: The states of a file of others whose facts are all that there is to tell.
_READABLE = frozenset({"none"}) | INTACT_STATES


class NotPublishable(ProviderError):
    """The image could not be marked and signed as AI-generated, so it cannot be published."""

    code = "not_publishable"
    #: The provider has made the image; its answer is kept.
    billed = "yes"
    remedy = "Tell an image administrator: the attempt's record has the reason, the answer is kept."


@dataclass(frozen=True, slots=True)
class ParentFile:
    """A file that a master was made from: by its facts, and with its own manifests if they may go in."""

    facts: IngredientFacts
    relationship: Literal["parentOf", "inputTo"]
    #: The file's bytes, if its own manifests go whole into the master.
    data: bytes | None = field(default=None, repr=False)
    #: Whether it is the image as the provider sent it, and not an input.
    is_answer: bool = False
    #: Whether it is an asset of this site.
    is_asset: bool = False

    @property
    def is_embedded(self) -> bool:
        """Whether the file's own manifests go into the master."""
        return self.data is not None


@dataclass(frozen=True, slots=True)
class SignedMaster:
    """A signed master, and how it names its parents."""

    data: bytes = field(repr=False)
    media_type: str
    credentials: ContentCredentials
    #: Whether it says something of a file that is not an asset of this site.
    names_others: bool
    #: Whether the manifests of a parent, which were to go in, could not be read or added.
    is_reduced: bool = False
    #: The image as the provider sent it, if that has Content Credentials of its own.
    answer: ParentFile | None = None


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
    parents, is_reduced = _parents(options, answer, answer_media_type)
    try:
        data, credentials = _signed_master(file, options, identity, parents)
    except NotPublishable:
        if not any(one.is_embedded for one in parents):
            raise
        parents = tuple(replace(one, data=None) for one in parents)
        data, credentials = _signed_master(file, options, identity, parents)
        is_reduced = True
    return SignedMaster(
        data=data,
        media_type=file.media_type,
        credentials=credentials,
        names_others=not all(one.is_asset for one in parents),
        is_reduced=is_reduced,
        answer=next((one for one in parents if one.is_answer), None),
    )


def sign_rendition(
    file: EncodedFile, *, master: SignedMaster, options: IngestOptions, identity: SigningIdentity
) -> bytes:
    """Sign a rendition, whose manifests stay small however long the history of the image is.

    It carries the master's manifest only if that names nobody else's file, if both are within the
    limit, and if they have no time stamps, since each is as large as the limit. Otherwise it names
    the master by its facts, and says itself how the image was made.

    :raises NotPublishable: if the file cannot be signed, with or without its parents' manifests.
    :raises CertificateUnusable: if the certificate is the reason.
    :raises SigningFailed: if the time-stamp authority does not answer.
    """
    parent = Parent(data=master.data, media_type=master.media_type, title="master")
    if not master.names_others and not identity.tsa_url:
        signed = _sign(file, options, identity, operation="rendition", parents=(parent,))
        if len(manifest_store(signed)) <= MAX_RENDITION_BYTES:
            return signed
    facts = read_ingredient_facts(master.data, master.media_type)
    named = replace(parent, facts=facts)
    return _sign(file, options, identity, operation="rendition", parents=(named,))


def _signed_master(
    file: EncodedFile,
    options: IngestOptions,
    identity: SigningIdentity,
    parents: tuple[ParentFile, ...],
) -> tuple[bytes, ContentCredentials]:
    named = tuple(
        Parent(
            data=one.data or b"",
            media_type=one.facts.media_type,
            title="input",
            relationship=one.relationship,
            facts=None if one.is_embedded else one.facts,
        )
        for one in parents
    )
    data = _sign(file, options, identity, operation=options.operation, parents=named)
    credentials = read_content_credentials(
        data, file.media_type, trust_anchors=identity.trust_anchors
    )
    if credentials.state not in {"valid", "trusted"}:
        raise NotPublishable(detail=f"the signature reads back as {credentials.state}")
    return data, credentials


def _sign(
    file: EncodedFile,
    options: IngestOptions,
    identity: SigningIdentity,
    *,
    operation: Operation | str,
    parents: tuple[Parent, ...],
) -> bytes:
    try:
        return sign(
            file.data,
            file.media_type,
            signing=identity,
            title=options.title,
            operation=operation,
            digital_source_type=options.source_type,
            software_agent=options.agent,
            parents=parents,
            instance_id=file.instance_id,
        )
    except SigningFailed as error:
        if error.reason == "time_stamp" and identity.tsa_url:
            raise
        # Not by the library's text, which may name any address or key: is it the certificate?
        signing.require_usable_identity()
        raise NotPublishable(detail=f"{error} {error.detail}"[:200]) from error


def _parents(
    options: IngestOptions, answer: bytes, answer_media_type: str
) -> tuple[tuple[ParentFile, ...], bool]:
    """Return the parents, and whether one of our own can only be named by its facts."""
    parents: list[ParentFile] = []
    is_reduced = False
    for one in options.parents:
        # C2PA allows one `parentOf`, the image that was changed; the others are `inputTo`.
        first = not any(p.relationship == "parentOf" for p in parents)
        is_changed = one.relationship == "parentOf" and first
        parent, is_whole = _input(one, relationship="parentOf" if is_changed else "inputTo")
        parents.append(parent)
        is_reduced = is_reduced or not is_whole
    made = manifests.read_facts(answer, answer_media_type)
    if made.state != "none":
        # What the provider itself says of the image that it made.
        is_embedded = made.is_valid and len(manifest_store(answer)) <= MAX_EMBEDDED_BYTES
        parents.append(ParentFile(made, "inputTo", answer if is_embedded else None, is_answer=True))
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
