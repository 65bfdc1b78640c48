"""Sign the files of one image, the same way when it is made and when its files are rewritten.

A master names the files it was made from; a rendition names the master, and stays small. Needs no
database access: it runs in the driver's pool, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from imagegen_app.imaging.content_credentials import (
    RENDITION,
    Parent,
    SigningFailed,
    SoftwareAgent,
    read_content_credentials,
    read_ingredient_facts,
    sign,
)
from imagegen_app.imaging.ingredients import IngredientFacts, manifest_store
from imagegen_app.services.gateways import manifests, signing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import Operation
    from imagegen_app.imaging.content_credentials import ContentCredentials, SigningIdentity

#: The largest manifest store of another file that goes whole into a master.
MAX_EMBEDDED_BYTES = 64 * 1024
#: The largest manifest store of a rendition that has its master's in it.
MAX_RENDITION_BYTES = 10_000


class UnsignedFile(Protocol):
    """A file with its marks, not signed yet."""

    @property
    def data(self) -> bytes:
        """Its bytes."""

    @property
    def media_type(self) -> str:
        """Its media type."""

    @property
    def instance_id(self) -> str:
        """What identifies this one file in its metadata; empty for nothing."""


@dataclass(frozen=True, slots=True)
class ImageOrigin:
    """What the manifests of an image say of its making."""

    title: str
    operation: Operation
    source_type: str
    agent: SoftwareAgent

    @classmethod
    def of_model(
        cls,
        *,
        title: str,
        operation: Operation,
        source_type: str,
        system: str,
        version: str,
        provider: str,
        created: str,
        document_id: str,
    ) -> Self:
        """Return the origin of an image that a model made; `created` is ISO 8601 in UTC."""
        agent = SoftwareAgent(
            name=system,
            version=version,
            provider=provider,
            created=created,
            document_id=document_id,
        )
        return cls(title, operation, source_type, agent)


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

    @classmethod
    def by_facts(
        cls,
        stored: Mapping[str, Any],
        relationship: Literal["parentOf", "inputTo"],
        *,
        is_answer: bool = False,
        is_asset: bool = False,
    ) -> Self:
        """Return a file that is named by its facts only, as `IngredientFacts.as_dict` stores them."""
        facts = IngredientFacts.from_dict(stored)
        return cls(facts, relationship, is_answer=is_answer, is_asset=is_asset)

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


def answer_as_parent(answer: bytes, media_type: str) -> ParentFile | None:
    """Return the image as the provider sent it, if that has Content Credentials of its own.

    They go whole into the master if they are valid and not too large.
    """
    made = manifests.read_facts(answer, media_type)
    if made.state == "none":
        return None
    is_embedded = made.is_valid and len(manifest_store(answer)) <= MAX_EMBEDDED_BYTES
    return ParentFile(made, "inputTo", answer if is_embedded else None, is_answer=True)


def sign_master(
    file: UnsignedFile,
    *,
    origin: ImageOrigin,
    identity: SigningIdentity,
    parents: tuple[ParentFile, ...],
) -> SignedMaster:
    """Sign a master; a parent whose manifests cannot be read or added is named by its facts.

    :raises CertificateUnusable: if the certificate is the reason.
    :raises SigningFailed: if the time-stamp authority does not answer, or the file cannot be
        signed, with or without its parents' manifests.
    """
    is_reduced = False
    try:
        data, credentials = _signed_master(file, origin, identity, parents)
    except SigningFailed as error:
        if is_time_stamp_missing(error, identity) or not any(one.is_embedded for one in parents):
            raise
        parents = tuple(replace(one, data=None) for one in parents)
        data, credentials = _signed_master(file, origin, identity, parents)
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
    file: UnsignedFile, *, master: SignedMaster, origin: ImageOrigin, identity: SigningIdentity
) -> bytes:
    """Sign a rendition, whose manifests stay small however long the history of the image is.

    It carries the master's manifest only if that names nobody else's file, if both are within the
    limit, and if they have no time stamps, since each is as large as the limit. Otherwise it names
    the master by its facts, and says itself how the image was made.

    :raises CertificateUnusable: if the certificate is the reason.
    :raises SigningFailed: if the time-stamp authority does not answer, or the file cannot be signed.
    """
    parent = Parent(data=master.data, media_type=master.media_type, title="master")
    if not master.names_others and not identity.tsa_url:
        signed = _sign(file, origin, identity, operation=RENDITION, parents=(parent,))
        if len(manifest_store(signed)) <= MAX_RENDITION_BYTES:
            return signed
    facts = read_ingredient_facts(master.data, master.media_type)
    named = replace(parent, facts=facts)
    return _sign(file, origin, identity, operation=RENDITION, parents=(named,))


def is_time_stamp_missing(error: SigningFailed, identity: SigningIdentity) -> bool:
    """Return whether the time-stamp authority is the reason, so that a later try may succeed."""
    return error.reason == "time_stamp" and bool(identity.tsa_url)


def _signed_master(
    file: UnsignedFile,
    origin: ImageOrigin,
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
    data = _sign(file, origin, identity, operation=origin.operation, parents=named)
    credentials = read_content_credentials(
        data, file.media_type, trust_anchors=identity.trust_anchors
    )
    if credentials.state not in {"valid", "trusted"}:
        raise SigningFailed("other", f"the signature reads back as {credentials.state}")
    return data, credentials


def _sign(
    file: UnsignedFile,
    origin: ImageOrigin,
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
            title=origin.title,
            operation=operation,
            digital_source_type=origin.source_type,
            software_agent=origin.agent,
            parents=parents,
            instance_id=file.instance_id,
        )
    except SigningFailed as error:
        if not is_time_stamp_missing(error, identity):
            # Not by the library's text, which may name any address or key: is it the certificate?
            signing.require_usable_identity()
        raise
