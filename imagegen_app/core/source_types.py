"""Choose the IPTC digital source type of an image: how it was created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.types import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Prefix of every URI of the vocabulary, see https://cv.iptc.org/newscodes/digitalsourcetype/.
DIGITAL_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = DIGITAL_SOURCE_TYPES + "trainedAlgorithmicMedia"
COMPOSITE = DIGITAL_SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
#: The source types that mark an image as made by AI, wholly or in part.
AI_SOURCE_TYPES = frozenset({GENERATED, COMPOSITE})
ENHANCED = DIGITAL_SOURCE_TYPES + "algorithmicallyEnhanced"


def digital_source_type(operation: Operation, *, inputs: Sequence[str]) -> str:
    """Return the source type of an operation's result.

    `inputs` holds the source types of the input images: what this site recorded for its own, what
    the metadata of an upload claimed, or an empty text for an upload without such a mark.
    """
    if operation in {Operation.GENERATE, Operation.CONTROL}:
        return GENERATED
    if inputs and all(one == GENERATED for one in inputs):
        return GENERATED
    if operation in {Operation.UPSCALE, Operation.REMOVE_BACKGROUND}:
        return ENHANCED
    return COMPOSITE
