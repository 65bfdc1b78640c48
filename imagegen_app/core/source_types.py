"""Choose the IPTC digital source type of an image: how it was created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from imagegen_app.core.types import InputRole, Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Prefix of every URI of the vocabulary, see https://cv.iptc.org/newscodes/digitalsourcetype/.
DIGITAL_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = DIGITAL_SOURCE_TYPES + "trainedAlgorithmicMedia"
COMPOSITE = DIGITAL_SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
#: The source types that mark an image as made by AI, wholly or in part.
AI_SOURCE_TYPES = frozenset({GENERATED, COMPOSITE})
ENHANCED = DIGITAL_SOURCE_TYPES + "algorithmicallyEnhanced"

#: What else marks an image so, in files of others: without the scheme, and what it counts as.
_MARKS = {
    **{uri.partition("://")[2]: uri for uri in AI_SOURCE_TYPES},
    "cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic": COMPOSITE,
    "c2pa.org/digitalsourcetype/trainedAlgorithmicData": GENERATED,
}
#: Operations whose result is wholly new; their input images only guide the model.
_NEW_IMAGE = frozenset({Operation.GENERATE, Operation.CONTROL})
#: Operations that add nothing of a generative model to an image. Faces that are restored, and what
#: fills the place of something erased, are drawn by a model.
_PROCESSING = frozenset({Operation.UPSCALE, Operation.REMOVE_BACKGROUND})


def digital_source_type(operation: Operation, *, inputs: Sequence[str]) -> str:
    """Return the source type of an operation's result; what was generative stays generative.

    `inputs` holds the source types of the input images: what this site recorded for its own, what
    the metadata of an upload claimed, or an empty text for an upload without such a mark.
    """
    if operation in _NEW_IMAGE:
        return GENERATED
    if inputs and all(one == GENERATED for one in inputs):
        return GENERATED
    if operation in _PROCESSING and not AI_SOURCE_TYPES.intersection(inputs):
        return ENHANCED
    return COMPOSITE


def marked_source_type(*claims: str) -> str:
    """Return what the claims of a file of others count as; empty if none is a mark of AI.

    One that calls it wholly generated is believed before one that calls it composite.
    """
    found = {_MARKS.get(_without_scheme(claim), "") for claim in claims}
    return next((one for one in (GENERATED, COMPOSITE) if one in found), "")


def relationship(operation: Operation, role: InputRole) -> Literal["parentOf", "inputTo"]:
    """Return how an input image relates to the result: only an image that is changed is a parent."""
    is_changed = operation not in _NEW_IMAGE and role is InputRole.IMAGE
    return "parentOf" if is_changed else "inputTo"


def _without_scheme(uri: str) -> str:
    scheme, _, rest = uri.strip().rstrip("/").partition("://")
    return rest if scheme in {"http", "https"} else ""
