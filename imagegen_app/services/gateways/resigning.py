"""Take erased texts out of stored image files, and sign our own files anew.

The pixels stay as they are. The new manifest says what the old one said, but names the files that
the image was made from by their facts only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.imaging import text_removal
from imagegen_app.imaging.content_credentials import (
    RENDITION,
    Parent,
    SigningFailed,
    SoftwareAgent,
    read_content_credentials,
    read_ingredient_facts,
    sign,
)
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.ingredients import IngredientFacts
from imagegen_app.imaging.metadata import read_xmp
from imagegen_app.imaging.text_removal import TextNotRemovable
from imagegen_app.services.gateways import manifests, signing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from imagegen_app.core.types import Operation


class CannotResign(Exception):
    """A file cannot be rewritten without the text; the message says why."""


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


@dataclass(frozen=True, slots=True)
class Origin:
    """What the manifest of an image says of its making."""

    title: str
    operation: Operation
    digital_source_type: str
    agent_name: str
    agent_version: str
    provider: str
    #: When the image was made, as ISO 8601 in UTC.
    created: str
    document_id: str
    #: The first is the image that was changed, if the operation changes one.
    inputs: tuple[Mapping[str, Any], ...] = ()
    #: How many of the inputs, from the first, were changed: 0 or 1.
    changed_inputs: int = 0


def facts_of_file(data: bytes, media_type: str) -> dict[str, str]:
    """Return the facts by which a manifest names a file, as `Origin.inputs` takes them."""
    return manifests.read_facts(data, media_type).as_dict()


def resign_master(
    data: bytes, media_type: str, *, texts: Collection[str], writer: bool, origin: Origin
) -> tuple[bytes, str]:
    """Return a master without the texts, signed anew, and the state of its Content Credentials.

    With `writer`, the name of the prompt's writer is taken out, too.

    :raises CannotResign: if it cannot be signed now, or still holds one of the texts.
    """
    parents = tuple(
        Parent(
            data=b"",
            media_type=facts["media_type"],
            title="input",
            relationship="parentOf" if number < origin.changed_inputs else "inputTo",
            facts=IngredientFacts.from_dict(facts),
        )
        for number, facts in enumerate(origin.inputs)
    )
    signed = _resign(
        data, media_type, texts, writer=writer, origin=origin, parents=parents, operation=None
    )
    identity = signing.require_usable_identity()
    state = read_content_credentials(signed, media_type, trust_anchors=identity.trust_anchors).state
    if state not in {"valid", "trusted"}:
        raise CannotResign(f"The new signature reads back as {state}.")
    return signed, state


def resign_rendition(
    data: bytes,
    media_type: str,
    *,
    texts: Collection[str],
    writer: bool,
    origin: Origin,
    master: tuple[bytes, str],
) -> bytes:
    """Return a rendition without the texts, signed anew as made from the new master.

    `master` is the master's bytes and media type.

    :raises CannotResign: if it cannot be signed now, or still holds one of the texts.
    """
    facts = read_ingredient_facts(*master) if origin.inputs else None
    parent = Parent(data=master[0], media_type=master[1], title="master", facts=facts)
    return _resign(
        data,
        media_type,
        texts,
        writer=writer,
        origin=origin,
        parents=(parent,),
        operation=RENDITION,
    )


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


def _resign(
    data: bytes,
    media_type: str,
    texts: Collection[str],
    *,
    writer: bool,
    origin: Origin,
    parents: tuple[Parent, ...],
    operation: str | None,
) -> bytes:
    try:
        blank = text_removal.blank_properties(data, texts, writer=writer)
        signed = sign(
            blank,
            media_type,
            signing=signing.require_usable_identity(),
            title=origin.title,
            operation=operation or origin.operation,
            digital_source_type=origin.digital_source_type,
            software_agent=SoftwareAgent(
                name=origin.agent_name,
                version=origin.agent_version,
                provider=origin.provider,
                created=origin.created,
                document_id=origin.document_id,
            ),
            parents=parents,
        )
    except (InvalidImage, SigningFailed, signing.CertificateUnusable) as error:
        raise CannotResign(str(error)) from None
    if has_text(signed, texts):
        raise CannotResign("A file holds the text in a place that cannot be rewritten.")
    return signed
