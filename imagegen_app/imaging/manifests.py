"""Read from a C2PA manifest store, as the library's JSON, what we show and record of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from imagegen_app.core.source_types import COMPOSITE, GENERATED, marked_source_type
from imagegen_app.imaging.metadata import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

State = Literal["none", "unreadable", "invalid", "expired", "valid", "trusted"]
#: The states of a file that is as its signer left it.
INTACT_STATES = frozenset({"expired", "valid", "trusted"})
_STATES: dict[str, State] = {"Trusted": "trusted", "Valid": "valid", "Invalid": "invalid"}
#: What a reader says of a signer whose certificate has expired, and who is perhaps unknown, too.
_EXPIRED = frozenset({"signingCredential.expired", "signingCredential.untrusted"})
#: The parts of the results that concern the signer or the time; all others concern the file.
_OF_THE_SIGNER = ("signingCredential.", "timeStamp.", "claimSignature.outsideValidity")
_SIGNATURE_HOLDS = "claimSignature.validated"
_FILE_MATCHES = frozenset(
    {
        "assertion.dataHash.match",
        "assertion.bmffHash.match",
        "assertion.boxesHash.match",
        "assertion.collectionHash.match",
    }
)
_MAX_TEXT = 300
_MAX_ITEMS = 100
#: Of one file; a store that is read is at most a few megabytes.
_MAX_MANIFESTS = 500


@dataclass(frozen=True, slots=True)
class ContentCredentials:
    """What a file's Content Credentials say; untrusted text, cleaned and limited in length."""

    #: `valid`: unaltered, signed by an unknown signer; `trusted`: signed by a trusted one;
    #: `expired`: unaltered, but the signer's certificate has expired, and no time stamp of a trusted
    #: authority shows that it was used before.
    state: State
    signer: str = ""
    issuer: str = ""
    #: When the file was signed, by its time stamp, in ISO 8601; empty without one.
    time: str = ""
    #: Whether the authority of the time stamp is trusted.
    is_time_trusted: bool = False
    #: Status codes of the specification; `signingCredential.untrusted` alone means no tampering.
    failures: tuple[str, ...] = ()
    #: Whether the file is as it was signed, whatever there is to say against the signer.
    is_unaltered: bool = False
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

    @property
    def stamped_at(self) -> datetime | None:
        """The time of the time stamp; None without one."""
        try:
            moment = datetime.fromisoformat(self.time)
        except ValueError:
            return None
        return moment if moment.tzinfo is not None else None


def read_store(store: dict[str, Any]) -> ContentCredentials:
    """Return what the active manifest of a store says; `store` is the library's JSON of it."""
    manifests = _dict(store.get("manifests"))
    active = _dict(manifests.get(str(store.get("active_manifest"))))
    results = _Results(_dict(store.get("validation_results")))
    signed = _dict(active.get("signature_info"))
    generator = next(iter(_dicts(active.get("claim_generator_info"))), {})
    actions = _read_actions(active)
    history = _source_types(active, manifests)
    return ContentCredentials(
        state=results.state(str(store.get("validation_state"))),
        signer=_text(signed.get("common_name")),
        issuer=_text(signed.get("issuer")),
        time=_text(signed.get("time")) if "timeStamp.validated" in results.successes else "",
        is_time_trusted="timeStamp.trusted" in results.successes,
        failures=results.failures,
        is_unaltered=results.is_unaltered,
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


class _Results:
    """The results of checking a store: the codes for the active manifest and for its ingredients."""

    def __init__(self, results: dict[str, Any]) -> None:
        active = _dict(results.get("activeManifest"))
        self.failures = _codes(active.get("failure"))
        self.successes = frozenset(_codes(active.get("success")))
        deltas = _dicts(results.get("ingredientDeltas"))
        #: What is said against the files that it was made from, and was not when it was signed.
        self.later_failures = tuple(
            code
            for delta in deltas
            for code in _codes(_dict(delta.get("validationDeltas")).get("failure"))
        )

    @property
    def is_unaltered(self) -> bool:
        return (
            _SIGNATURE_HOLDS in self.successes
            and not self.successes.isdisjoint(_FILE_MATCHES)
            and all(
                code.startswith(_OF_THE_SIGNER) for code in (*self.failures, *self.later_failures)
            )
        )

    def state(self, said: str) -> State:
        """Return our state; the library calls whatever is wrong with a file or its signer invalid."""
        found = _STATES.get(said, "unreadable")
        against = {*self.failures, *self.later_failures}
        is_expired = "signingCredential.expired" in self.failures and against <= _EXPIRED
        return "expired" if found == "invalid" and is_expired and self.is_unaltered else found


def _codes(entries: object) -> tuple[str, ...]:
    return tuple(_text(entry.get("code")) for entry in _dicts(entries))


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
    seen: set[int] = set()
    while id(manifest) not in seen and len(seen) < _MAX_MANIFESTS:
        seen.add(id(manifest))
        found += _own_source_types(manifest)
        # Without a parent it is its own, and the walk ends.
        manifest = next(iter(_ingredients(manifest, manifests, relationship="parentOf")), manifest)
    return found


def _own_source_types(manifest: dict[str, Any]) -> list[str]:
    return [
        _text(action["digitalSourceType"])
        for action in reversed(_read_actions(manifest))
        if action.get("digitalSourceType")
    ]


def _ai_source_type(history: list[str], active: dict[str, Any], manifests: dict[str, Any]) -> str:
    """Return what an image counts as: what was generative once stays so, whatever was done since."""
    marks = [marked_source_type(one) for one in history]
    if marks and marks[-1] == GENERATED and COMPOSITE not in marks:
        # Generated at first, and only processed or edited by a model since.
        return GENERATED
    is_part_ai = any(
        marked_source_type(*_own_source_types(one)) for one in _all_before(active, manifests)
    )
    return COMPOSITE if is_part_ai or any(marks) else ""


def _all_before(active: dict[str, Any], manifests: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what an image was made from, at any depth: what was changed and what was placed in it."""
    waiting, seen = [active], {id(active)}
    while waiting and len(seen) <= _MAX_MANIFESTS:
        one = waiting.pop(0)
        for relationship in ("parentOf", "componentOf"):
            for before in _ingredients(one, manifests, relationship=relationship):
                # A manifest is one object of the store, however many name it.
                if id(before) not in seen:
                    seen.add(id(before))
                    waiting.append(before)
                    yield before


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
