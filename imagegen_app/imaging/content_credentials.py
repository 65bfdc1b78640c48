"""Sign files with Content Credentials (C2PA), and read the Content Credentials of any file.

The library's contexts and signers cannot be used after a fork, so they are cached by process id
and never created at import. No network connection is made except to the time-stamp authority in
the site's settings: by default the library would fetch any URL written inside a file.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field
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
from imagegen_app.imaging.certificates import check_certificate, make_development_chain
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import FORMATS, sniff
from imagegen_app.imaging.metadata import clean

__all__ = [
    "ContentCredentials",
    "Parent",
    "SigningFailed",
    "SigningIdentity",
    "SoftwareAgent",
    "check_certificate",
    "make_development_chain",
    "read_content_credentials",
    "sign",
]

#: The operation for a file that was only resized or converted, without a model.
RENDITION = "rendition"
#: The version of the C2PA specification that our claims follow.
SPECIFICATION = "2.4.0"

State = Literal["none", "unreadable", "invalid", "valid", "trusted"]
_STATES: dict[str, State] = {"Trusted": "trusted", "Valid": "valid", "Invalid": "invalid"}
_MAX_TEXT = 300
_MAX_ITEMS = 100
_MAX_GENERATIONS = 10
#: Operations that C2PA calls enhanced instead of edited.
_ENHANCED = frozenset({Operation.UPSCALE})


class SigningFailed(Exception):
    """The file could not be signed."""

    def __init__(self, reason: Literal["certificate", "time_stamp", "other"], detail: str) -> None:
        messages = {
            "certificate": "The signing certificate or key was refused; check the certificate.",
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
    """The model that made or changed an image."""

    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Parent:
    """A file that another file was made from."""

    data: bytes = field(repr=False)
    media_type: str
    title: str = ""
    #: `parentOf` for the image that was changed, `inputTo` for a reference or mask.
    relationship: Literal["parentOf", "inputTo"] = "parentOf"


@dataclass(frozen=True, slots=True)
class ContentCredentials:
    """What a file's Content Credentials say; untrusted text, cleaned and limited in length."""

    #: `valid`: unaltered, signed by an unknown signer; `trusted`: signed by a trusted one.
    state: State
    signer: str = ""
    issuer: str = ""
    #: When the file was signed, by its time stamp; empty without one.
    time: str = ""
    #: Status codes of the specification; `signingCredential.untrusted` alone means no tampering.
    failures: tuple[str, ...] = ()
    #: That of the image itself, else of its nearest ancestor that has one.
    digital_source_type: str = ""
    actions: tuple[str, ...] = ()
    #: Number of files that the image was made from.
    ingredients: int = 0
    generator: str = ""
    title: str = ""


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
) -> bytes:
    """Return the file with Content Credentials; changing its bytes afterwards makes them invalid.

    :raises SigningFailed: if the certificate, the file or the time-stamp authority has an error.
    :raises ValueError: if a rendition has no parent, or there are several parents.
    """
    labels = [f"parent-{number}" for number in range(len(parents))]
    claim = {
        "title": clean(title, cap=_MAX_TEXT),
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
    }
    out = io.BytesIO()
    try:
        context, signer = _signing_context(os.getpid(), signing)
        with Builder(claim, context) as builder:
            for label, parent in zip(labels, parents, strict=True):
                ingredient = {
                    "title": clean(parent.title, cap=_MAX_TEXT) or label,
                    "label": label,
                    "relationship": parent.relationship,
                }
                builder.add_ingredient(ingredient, parent.media_type, io.BytesIO(parent.data))
            builder.sign(signer, media_type, io.BytesIO(data), out)
    except C2paError as error:
        raise _translate(error) from error
    return out.getvalue()


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
    return _read_store(store) if isinstance(store, dict) else ContentCredentials(state="unreadable")


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
        # These two need no source type, since the image itself is unchanged.
        return [first, {"action": "c2pa.resized.proportional"}, {"action": "c2pa.transcoded"}]
    details: dict[str, Any] = {
        "digitalSourceType": source_type or GENERATED,
        "softwareAgent": {
            "name": agent.name,
            **({"version": agent.version} if agent.version else {}),
        },
    }
    if references:
        details["parameters"] = {"ingredientIds": references}
    kind = Operation(operation)
    if not opened:
        return [{"action": "c2pa.created", **details}]
    action = "c2pa.enhanced" if kind in _ENHANCED else "c2pa.edited"
    return [first, {"action": action, **details}]


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
            sign_cert=signing.chain_pem.encode(),
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
    if any(word in lowered for word in ("timestamp", "time stamp", "time-stamp", "http")):
        return SigningFailed("time_stamp", detail)
    if any(word in lowered for word in ("certificate", "signature", "key", "cose")):
        return SigningFailed("certificate", detail)
    return SigningFailed("other", detail)


def _read_store(store: dict[str, Any]) -> ContentCredentials:
    manifests = _dict(store.get("manifests"))
    active = _dict(manifests.get(str(store.get("active_manifest"))))
    results = _dict(_dict(store.get("validation_results")).get("activeManifest"))
    signed = _dict(active.get("signature_info"))
    generator = next(iter(_dicts(active.get("claim_generator_info"))), {})
    actions = _read_actions(active)
    return ContentCredentials(
        state=_STATES.get(str(store.get("validation_state")), "unreadable"),
        signer=_text(signed.get("common_name")),
        issuer=_text(signed.get("issuer")),
        time=_text(signed.get("time")),
        failures=tuple(_text(failure.get("code")) for failure in _dicts(results.get("failure"))),
        digital_source_type=_source_type(active, manifests),
        actions=tuple(_text(action.get("action")) for action in actions),
        ingredients=len(_dicts(active.get("ingredients"))),
        generator=" ".join(
            filter(None, (_text(generator.get("name")), _text(generator.get("version"))))
        ),
        title=_text(active.get("title")),
    )


def _read_actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in _dicts(manifest.get("assertions"))
        if str(assertion.get("label")).startswith("c2pa.actions")
        for action in _dicts(_dict(assertion.get("data")).get("actions"))
    ]


def _source_type(manifest: dict[str, Any], manifests: dict[str, Any]) -> str:
    """Return the manifest's source type, or that of the nearest parent that has one."""
    for _ in range(_MAX_GENERATIONS):
        for action in reversed(_read_actions(manifest)):
            if action.get("digitalSourceType"):
                return _text(action["digitalSourceType"])
        parent = next(
            (
                ingredient
                for ingredient in _dicts(manifest.get("ingredients"))
                if ingredient.get("relationship") == "parentOf"
            ),
            {},
        )
        manifest = _dict(manifests.get(str(parent.get("active_manifest"))))
    return ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value[:_MAX_ITEMS] if isinstance(v, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return clean(value, cap=_MAX_TEXT) if isinstance(value, str) else ""
