"""Name how an image came about, by the IPTC's list of digital source types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.types import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What every name of the list begins with.
DIGITAL_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = DIGITAL_SOURCE_TYPES + "trainedAlgorithmicMedia"
COMPOSITE = DIGITAL_SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
ENHANCED = DIGITAL_SOURCE_TYPES + "algorithmicallyEnhanced"


def digital_source_type(operation: Operation, *, inputs: Sequence[str]) -> str:
    """Return the source type of what an operation makes.

    `inputs` holds the source types of the images it starts from; of a stranger's, an empty text.
    """
    if operation in {Operation.GENERATE, Operation.CONTROL}:
        return GENERATED
    if inputs and all(one == GENERATED for one in inputs):
        return GENERATED
    if operation in {Operation.UPSCALE, Operation.REMOVE_BACKGROUND}:
        return ENHANCED
    return COMPOSITE
