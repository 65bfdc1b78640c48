"""Sign files with Content Credentials (C2PA), and read the Content Credentials of any file.

The library's contexts and signers cannot be used after a fork, so they are cached by process id
and never created at import. No network connection is made except to the time-stamp authority in
the site's settings: by default the library would fetch any URL written inside a file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit

from c2pa import (  # type: ignore[import-untyped]  # it ships no types
    Builder,
    C2paError,
    C2paSignerInfo,
    Context,
    Reader,
    Settings,
    Signer,
)

from imagegen_app.core.source_types import GENERATED
from imagegen_app.core.types import Operation
from imagegen_app.imaging.certificates import (
    check_certificate,
    make_development_chain,
    without_root,
)
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.ingredients import IngredientFacts, may_have_manifest
from imagegen_app.imaging.inspect import FORMATS, sniff
from imagegen_app.imaging.manifests import ContentCredentials, read_store
from imagegen_app.imaging.metadata import clean

__all__ = [
    "ContentCredentials",
    "IngredientFacts",
    "Parent",
    "SigningFailed",
    "SigningIdentity",
    "SoftwareAgent",
    "check_certificate",
    "make_development_chain",
    "read_content_credentials",
    "read_ingredient_facts",
    "sign",
]

#: The operation for a file that was only resized or converted, without a model.
RENDITION = "rendition"
#: The version of the C2PA specification that our claims follow.
SPECIFICATION = "2.4.0"

_MAX_TEXT = 300
#: Operations that C2PA calls enhanced instead of edited.
_ENHANCED = frozenset({Operation.UPSCALE})


class SigningFailed(Exception):
    """The file could not be signed."""

    def __init__(
        self, reason: Literal["certificate", "time_stamp", "parent", "other"], detail: str
    ) -> None:
        messages = {
            "certificate": "The signing certificate or key was refused; check the certificate.",
            "parent": "The Content Credentials of an input image cannot be read or added.",
            "time_stamp": "The time-stamp authority did not answer; the file was not signed.",
            "other": "The file could not be signed.",
        }
        super().__init__(messages[reason])
        self.reason = reason
        #: The library's error text, for the log.
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """The certificate and key that sign, and how they are used."""

    #: The signer's certificate first, then its issuers.
    chain_pem: str = field(repr=False)
    key_pem: str = field(repr=False)
    alg: str = "es256"
    #: URL of an RFC 3161 time-stamp authority; empty for none.
    tsa_url: str = ""
    #: Further certificates that this site trusts, as PEM; used for reading only.
    trust_anchors: str = field(default="", repr=False)
    generator_name: str = "imagegen_app"
    generator_version: str = ""


@dataclass(frozen=True, slots=True)
class SoftwareAgent:
    """The model that made or changed an image, and when."""

    #: The model with its provider's name in front.
    name: str
    #: As the provider resolved it.
    version: str = ""
    provider: str = ""
    #: When the image was made, as ISO 8601 in UTC.
    created: str = ""
    #: What identifies the image in its metadata, the same in all of its files.
    document_id: str = ""


@dataclass(frozen=True, slots=True)
class Parent:
    """A file that another file was made from."""

    data: bytes = field(repr=False)
    media_type: str
    title: str = ""
    #: `parentOf` for the image that was changed, `inputTo` for a reference or mask.
    relationship: Literal["parentOf", "inputTo"] = "parentOf"
    #: If given, the signed file names the parent by these facts alone, and `data` is not used: the
    #: parent's own manifest stays out of it.
    facts: IngredientFacts | None = None


def sign(
    data: bytes,
    media_type: str,
    *,
    signing: SigningIdentity,
    title: str,
    operation: Operation | str,
    digital_source_type: str,
    software_agent: SoftwareAgent,
    parents: tuple[Parent, ...] = (),
    instance_id: str = "",
) -> bytes:
    """Return the file with Content Credentials; changing its bytes afterwards makes them invalid.

    `instance_id` is what identifies this one file in its metadata.

    A parent without facts is read, and its own manifests go into the file: only for files whose
    manifests may be published as they are.

    :raises SigningFailed: if the certificate, the file, a parent or the time-stamp authority has
        an error.
    :raises ValueError: if a rendition has no parent, or there are several parents.
    """
    labels = [f"parent-{number}" for number in range(len(parents))]
    claim = {
        "title": clean(title, cap=_MAX_TEXT),
        **({"instance_id": instance_id} if instance_id else {}),
        "claim_generator_info": [
            {
                "name": signing.generator_name,
                "version": signing.generator_version or "0",
                "specVersion": SPECIFICATION,
            }
        ],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "allActionsIncluded": True,
                    "actions": _actions(
                        operation, digital_source_type, software_agent, parents, labels
                    ),
                },
            }
        ],
        "ingredients": [
            parent.facts.definition(label=label, relationship=parent.relationship)
            for label, parent in zip(labels, parents, strict=True)
            if parent.facts is not None
        ],
    }
    added = [(label, one) for label, one in zip(labels, parents, strict=True) if one.facts is None]
    try:
        return _signed(data, media_type, claim=claim, signing=signing, parents=added)
    except C2paError as error:
        raise _failure(
            error,
            signing,
            lambda unstamped: _signed(
                data, media_type, claim=claim, signing=unstamped, parents=added
            ),
        ) from error


def _signed(
    data: bytes,
    media_type: str,
    *,
    claim: dict[str, Any],
    signing: SigningIdentity,
    parents: list[tuple[str, Parent]],
) -> bytes:
    out = io.BytesIO()
    context, signer = _signing_context(os.getpid(), signing)
    with Builder(claim, context) as builder:
        for label, parent in parents:
            _add_parent(builder, parent, label=label)
        builder.sign(signer, media_type, io.BytesIO(data), out)
    return out.getvalue()


def _failure(
    error: C2paError, signing: SigningIdentity, sign_again: Callable[[SigningIdentity], bytes]
) -> SigningFailed:
    """Return our error; whatever an authority answers, it is the cause if signing works without."""
    if not signing.tsa_url:
        return _translate(error)
    try:
        sign_again(replace(signing, tsa_url=""))
    except C2paError as other:
        return _translate(other)
    return SigningFailed("time_stamp", str(error)[:_MAX_TEXT])


def _add_parent(builder: Builder, parent: Parent, *, label: str) -> None:
    """Add a parent with its own manifests.

    :raises SigningFailed: if they cannot be read.
    """
    ingredient = {
        "title": clean(parent.title, cap=_MAX_TEXT) or label,
        "label": label,
        "relationship": parent.relationship,
    }
    try:
        builder.add_ingredient(ingredient, parent.media_type, io.BytesIO(parent.data))
    except C2paError as error:
        raise SigningFailed("parent", str(error)[:_MAX_TEXT]) from error


def read_ingredient_facts(data: bytes, media_type: str, trust_anchors: str = "") -> IngredientFacts:
    """Return what may be said of a file in the Content Credentials of others made from it.

    Runs in a decoder process just as well: the file may be anybody's.
    """
    found = (
        read_content_credentials(data, media_type, trust_anchors=trust_anchors)
        if may_have_manifest(data)
        else ContentCredentials(state="none")
    )
    return IngredientFacts(
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=media_type,
        state=found.state,
        title=found.title,
        signer=found.signer,
        issuer=found.issuer,
        claim_generator=found.generator,
        manifest_id=found.manifest_id,
        digital_source_type=found.ai_source_type or found.digital_source_type,
    )


def read_content_credentials(
    data: bytes, media_type: str, *, trust_anchors: str = ""
) -> ContentCredentials:
    """Return what the file's Content Credentials say, and whether they are valid.

    Bytes that are not of the named media type never reach the library's parser.
    """
    try:
        if FORMATS[sniff(data)].media_type != media_type:
            return ContentCredentials(state="unreadable")
        context = _reading_context(os.getpid(), trust_anchors)
        with Reader(media_type, io.BytesIO(data), context=context) as reader:
            store = json.loads(reader.json())
    except C2paError as error:
        is_none = "ManifestNotFound" in str(error)
        return ContentCredentials(state="none" if is_none else "unreadable")
    except (InvalidImage, ValueError, RecursionError):
        return ContentCredentials(state="unreadable")
    return read_store(store) if isinstance(store, dict) else ContentCredentials(state="unreadable")


def _actions(
    operation: Operation | str,
    source_type: str,
    agent: SoftwareAgent,
    parents: tuple[Parent, ...],
    labels: list[str],
) -> list[dict[str, Any]]:
    """Return the C2PA actions that describe how the file was made, in order."""
    pairs = list(zip(labels, parents, strict=True))
    opened = [label for label, parent in pairs if parent.relationship == "parentOf"]
    references = [label for label, parent in pairs if parent.relationship == "inputTo"]
    if len(opened) > 1:
        raise ValueError("a file has at most one parent; pass the others as inputTo")
    first: dict[str, Any] = {"action": "c2pa.opened", "parameters": {"ingredientIds": opened}}
    if operation == RENDITION:
        if not opened:
            raise ValueError("a rendition needs the master that it was derived from")
        return [
            first,
            {"action": "c2pa.resized.proportional"},
            _transcoded(source_type, agent, parents[0], opened),
        ]
    details: dict[str, Any] = {
        "digitalSourceType": source_type or GENERATED,
        "softwareAgent": {
            "name": agent.name,
            **({"version": agent.version} if agent.version else {}),
        },
        **({"when": agent.created} if agent.created else {}),
    }
    parameters = _named({"provider": agent.provider, "document": agent.document_id})
    if references:
        parameters["ingredientIds"] = references
    if parameters:
        details["parameters"] = parameters
    kind = Operation(operation)
    if not opened:
        return [{"action": "c2pa.created", **details}]
    action = "c2pa.enhanced" if kind in _ENHANCED else "c2pa.edited"
    return [first, {"action": action, **details}]


def _transcoded(
    source_type: str, agent: SoftwareAgent, master: Parent, ids: list[str]
) -> dict[str, Any]:
    """Return the action of a rendition, which says how the image was made if nothing else does."""
    parameters: dict[str, Any] = {"ingredientIds": ids}
    if master.facts is not None:
        # The master's own claim is not in the file.
        told = {
            "provider": agent.provider,
            "system": agent.name,
            "version": agent.version,
            "created": agent.created,
            "document": agent.document_id,
        }
        parameters |= _named(told)
    # Not with `c2pa.opened`, which must not have a source type since version 2.4.
    described = {"digitalSourceType": source_type} if source_type else {}
    return {"action": "c2pa.transcoded", **described, "parameters": parameters}


def _named(parameters: dict[str, str]) -> dict[str, Any]:
    """Return our own parameters of an action, which need a name with a dot; empty ones left out."""
    return {f"imagegen_app.{name}": value for name, value in parameters.items() if value}


def _network_settings(hosts: list[str]) -> dict[str, Any]:
    """Return settings that allow the library to connect to the given hosts only."""
    return {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        "core": {"allowed_network_hosts": hosts},
    }


@lru_cache(maxsize=16)
def _signing_context(_pid: int, signing: SigningIdentity) -> tuple[Context, Signer]:
    host = urlsplit(signing.tsa_url).hostname
    settings = _network_settings([host] if host else [])
    settings["builder"] = {
        "thumbnail": {"enabled": False},
        "created_assertion_labels": ["c2pa.actions", "c2pa.soft-binding"],
    }
    # The library's own check after signing stays enabled: it detects unsuitable certificates.
    signer = Signer.from_info(
        C2paSignerInfo(
            alg=signing.alg,
            sign_cert=without_root(signing.chain_pem).encode(),
            private_key=signing.key_pem.encode(),
            ta_url=signing.tsa_url or None,
        )
    )
    return Context(Settings.from_dict(settings)), signer


@lru_cache(maxsize=16)
def _reading_context(_pid: int, trust_anchors: str) -> Context:
    settings = _network_settings([])
    if trust_anchors:
        settings["trust"] = {"trust_anchors": trust_anchors}
    return Context(Settings.from_dict(settings))


def _translate(error: C2paError) -> SigningFailed:
    """Convert the library's error; only its text shows what is wrong."""
    detail = str(error)[:_MAX_TEXT]
    lowered = detail.lower()
    if any(word in lowered for word in ("certificate", "signature", "key", "cose")):
        return SigningFailed("certificate", detail)
    return SigningFailed("other", detail)
