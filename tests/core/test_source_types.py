from __future__ import annotations

import pytest

from imagegen_app.core.source_types import (
    COMPOSITE,
    DIGITAL_SOURCE_TYPES,
    ENHANCED,
    GENERATED,
    digital_source_type,
    marked_source_type,
    relationship,
)
from imagegen_app.core.types import InputRole, Operation

PHOTO = ""
#: What the result is, by the input images, for the operations of one kind.
ANEW = (Operation.GENERATE, Operation.CONTROL)
EDITS = (
    Operation.EDIT,
    Operation.INPAINT,
    Operation.OUTPAINT,
    Operation.VARY,
    # What is erased is filled in, colours and light are drawn anew, and so are faces.
    Operation.ERASE,
    Operation.REPLACE,
    Operation.RECOLOUR,
    Operation.RELIGHT,
    Operation.RESTORE_FACES,
)
PROCESSING = (Operation.UPSCALE, Operation.REMOVE_BACKGROUND)
PARENTS: dict[tuple[str, ...], dict[tuple[Operation, ...], str]] = {
    (): {ANEW: GENERATED, EDITS: COMPOSITE, PROCESSING: ENHANCED},
    (PHOTO,): {ANEW: GENERATED, EDITS: COMPOSITE, PROCESSING: ENHANCED},
    (GENERATED,): {ANEW: GENERATED, EDITS: GENERATED, PROCESSING: GENERATED},
    (COMPOSITE,): {ANEW: GENERATED, EDITS: COMPOSITE, PROCESSING: COMPOSITE},
    (ENHANCED,): {ANEW: GENERATED, EDITS: COMPOSITE, PROCESSING: ENHANCED},
    (GENERATED, GENERATED): {ANEW: GENERATED, EDITS: GENERATED, PROCESSING: GENERATED},
    (GENERATED, PHOTO): {ANEW: GENERATED, EDITS: COMPOSITE, PROCESSING: COMPOSITE},
    (GENERATED, COMPOSITE): {ANEW: GENERATED, EDITS: COMPOSITE, PROCESSING: COMPOSITE},
    (GENERATED, ENHANCED): {ANEW: GENERATED, EDITS: COMPOSITE, PROCESSING: COMPOSITE},
    (COMPOSITE, PHOTO): {ANEW: GENERATED, EDITS: COMPOSITE, PROCESSING: COMPOSITE},
    (ENHANCED, PHOTO): {ANEW: GENERATED, EDITS: COMPOSITE, PROCESSING: ENHANCED},
}


@pytest.mark.parametrize("parents", PARENTS)
@pytest.mark.parametrize("operation", Operation)
def test_what_was_generative_stays_generative(
    operation: Operation, parents: tuple[str, ...]
) -> None:
    expected = {one: value for kind, value in PARENTS[parents].items() for one in kind}

    assert digital_source_type(operation, inputs=parents) == expected[operation]
    assert digital_source_type(operation, inputs=parents[::-1]) == expected[operation]


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ((), ""),
        (("", DIGITAL_SOURCE_TYPES + "digitalCapture"), ""),
        ((GENERATED,), GENERATED),
        ((COMPOSITE, GENERATED), GENERATED),
        (("", COMPOSITE), COMPOSITE),
        ((GENERATED.replace("http:", "https:"),), GENERATED),
        ((f" {GENERATED}/ ",), GENERATED),
        (("http://c2pa.org/digitalsourcetype/trainedAlgorithmicData",), GENERATED),
        ((DIGITAL_SOURCE_TYPES + "compositeSynthetic",), COMPOSITE),
        (("https://evil.example/trainedAlgorithmicMedia",), ""),
    ],
)
def test_marks_of_others_are_understood(claims: tuple[str, ...], expected: str) -> None:
    assert marked_source_type(*claims) == expected


def test_only_what_is_changed_is_a_parent() -> None:
    found = {one: relationship(one, InputRole.IMAGE) for one in Operation}

    assert {one for one, value in found.items() if value == "inputTo"} == set(ANEW)
    guides = (InputRole.REFERENCE, InputRole.CONTROL, InputRole.STYLE)
    assert {relationship(one, role) for one in Operation for role in guides} == {"inputTo"}
