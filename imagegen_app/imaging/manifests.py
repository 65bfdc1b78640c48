"""Read from a C2PA manifest store, as the library's JSON, what we show and record of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from imagegen_app.core.source_types import COMPOSITE, GENERATED, marked_source_type
from imagegen_app.imaging.metadata import clean

State = Literal["none", "unreadable", "invalid", "valid", "trusted"]
_STATES: dict[str, State] = {"Trusted": "trusted", "Valid": "valid", "Invalid": "invalid"}
_MAX_TEXT = 300
_MAX_ITEMS = 100
_MAX_GENERATIONS = 10


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
    #: What the image counts as by its whole history; empty if no part of that is marked as AI.
    ai_source_type: str = ""
    actions: tuple[str, ...] = ()
    #: Number of files that the image was made from.
    ingredients: int = 0
    generator: str = ""
    title: str = ""
    #: The label of the active manifest.
    manifest_id: str = ""


def read_store(store: dict[str, Any]) -> ContentCredentials:
    """Return what the active manifest of a store says; `store` is the library's JSON of it."""
    manifests = _dict(store.get("manifests"))
    active = _dict(manifests.get(str(store.get("active_manifest"))))
    results = _dict(_dict(store.get("validation_results")).get("activeManifest"))
    signed = _dict(active.get("signature_info"))
    generator = next(iter(_dicts(active.get("claim_generator_info"))), {})
    actions = _read_actions(active)
    history = _source_types(active, manifests)
    return ContentCredentials(
        state=_STATES.get(str(store.get("validation_state")), "unreadable"),
        signer=_text(signed.get("common_name")),
        issuer=_text(signed.get("issuer")),
        time=_text(signed.get("time")),
        failures=tuple(_text(failure.get("code")) for failure in _dicts(results.get("failure"))),
        digital_source_type=next(iter(history), ""),
        ai_source_type=_ai_source_type(history, active, manifests),
        actions=tuple(_text(action.get("action")) for action in actions),
        ingredients=len(_dicts(active.get("ingredients"))),
        generator=" ".join(
            filter(None, (_text(generator.get("name")), _text(generator.get("version"))))
        ),
        title=_text(active.get("title")),
        manifest_id=_text(store.get("active_manifest")),
    )


def _read_actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in _dicts(manifest.get("assertions"))
        if str(assertion.get("label")).startswith("c2pa.actions")
        for action in _dicts(_dict(assertion.get("data")).get("actions"))
    ]


def _source_types(manifest: dict[str, Any], manifests: dict[str, Any]) -> list[str]:
    """Return the source types of the actions of a manifest and of its parents, the latest first."""
    found: list[str] = []
    for _ in range(_MAX_GENERATIONS):
        found += [
            _text(action["digitalSourceType"])
            for action in reversed(_read_actions(manifest))
            if action.get("digitalSourceType")
        ]
        parents = _ingredients(manifest, manifests, relationship="parentOf")
        manifest = next(iter(parents), {})
    return found


def _ai_source_type(history: list[str], active: dict[str, Any], manifests: dict[str, Any]) -> str:
    """Return what an image counts as: what was generative once stays so, whatever was done since."""
    marks = [marked_source_type(one) for one in history]
    if marks and marks[-1] == GENERATED and COMPOSITE not in marks:
        # Generated at first, and only processed or edited by a model since.
        return GENERATED
    placed = _ingredients(active, manifests, relationship="componentOf")
    is_part_ai = any(
        marked_source_type(*_source_types(one, manifests)) for one in placed[:_MAX_GENERATIONS]
    )
    return COMPOSITE if is_part_ai or any(marks) else ""


def _ingredients(
    manifest: dict[str, Any], manifests: dict[str, Any], *, relationship: str
) -> list[dict[str, Any]]:
    """Return the manifests of a manifest's ingredients that have this relationship to it."""
    return [
        _dict(manifests.get(str(ingredient.get("active_manifest"))))
        for ingredient in _dicts(manifest.get("ingredients"))
        if ingredient.get("relationship") == relationship
    ]


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value[:_MAX_ITEMS] if isinstance(v, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return clean(value, cap=_MAX_TEXT) if isinstance(value, str) else ""
