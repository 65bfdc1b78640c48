from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.core.source_types import COMPOSITE, DIGITAL_SOURCE_TYPES, ENHANCED, GENERATED
from imagegen_app.imaging.manifests import read_store

CAPTURED = DIGITAL_SOURCE_TYPES + "digitalCapture"
BY_HAND = DIGITAL_SOURCE_TYPES + "humanEdits"


def store(*generations: list[str], placed: str = "") -> dict[str, Any]:
    """Return a store as the library's JSON: for each generation, oldest first, its source types."""
    manifests: dict[str, Any] = {}
    for number, types in enumerate(generations):
        parents = [{"relationship": "parentOf", "active_manifest": str(number - 1)}]
        manifests[str(number)] = {
            "ingredients": parents if number else [],
            "assertions": [
                {
                    "label": "c2pa.actions.v2",
                    "data": {
                        "actions": [{"action": "c2pa.x", "digitalSourceType": one} for one in types]
                    },
                }
            ],
        }
    active = str(len(generations) - 1)
    if placed:
        manifests["placed"] = store([placed])["manifests"]["0"]
        manifests[active]["ingredients"].append(
            {"relationship": "componentOf", "active_manifest": "placed"}
        )
    return {"active_manifest": active, "manifests": manifests, "validation_state": "Valid"}


@pytest.mark.parametrize(
    ("found", "latest", "counts_as"),
    [
        (store([CAPTURED]), CAPTURED, ""),
        (store([GENERATED]), GENERATED, GENERATED),
        (store([GENERATED, BY_HAND]), BY_HAND, GENERATED),
        (store([GENERATED], [ENHANCED], []), ENHANCED, GENERATED),
        (store([CAPTURED], [GENERATED]), GENERATED, COMPOSITE),
        (store([CAPTURED], [COMPOSITE], [BY_HAND]), BY_HAND, COMPOSITE),
        (store([GENERATED], [COMPOSITE], [ENHANCED]), ENHANCED, COMPOSITE),
        (store([CAPTURED], placed=GENERATED), CAPTURED, COMPOSITE),
        (store([CAPTURED], placed=CAPTURED), CAPTURED, ""),
    ],
)
def test_the_whole_history_of_a_file_counts(
    found: dict[str, Any], latest: str, counts_as: str
) -> None:
    read = read_store(found)

    assert (read.digital_source_type, read.ai_source_type) == (latest, counts_as)


def further(found: dict[str, Any], relationship: str) -> dict[str, Any]:
    """Return a store whose file was made from that of another, by hand."""
    latest = store([BY_HAND])["manifests"]["0"]
    latest["ingredients"] = [
        {"relationship": relationship, "active_manifest": found["active_manifest"]}
    ]
    return {**found, "active_manifest": "new", "manifests": {**found["manifests"], "new": latest}}


@pytest.mark.parametrize("relationship", ["parentOf", "componentOf"])
def test_a_generated_part_counts_however_deep_it_lies(relationship: str) -> None:
    composite = store([CAPTURED], placed=GENERATED)

    assert read_store(further(composite, relationship)).ai_source_type == COMPOSITE


def test_a_generated_image_stays_one_after_many_edits_by_hand() -> None:
    assert read_store(store([GENERATED], *[[BY_HAND]] * 40)).ai_source_type == GENERATED


def test_a_manifest_that_is_its_own_parent_ends() -> None:
    found = store([GENERATED])
    found["manifests"]["0"]["ingredients"] = [{"relationship": "parentOf", "active_manifest": "0"}]

    assert read_store(found).ai_source_type == GENERATED
