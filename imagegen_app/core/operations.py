"""Name what an image model can be asked to do, and with what; loaded by every process of a site."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """What an image model is asked to do."""

    GENERATE = "generate"
    EDIT = "edit"
    INPAINT = "inpaint"
    OUTPAINT = "outpaint"
    VARY = "vary"
    UPSCALE = "upscale"
    REMOVE_BACKGROUND = "remove_background"
    #: Follow the shapes of a guide image.
    CONTROL = "control"
    #: Take something away; a mask says what.
    ERASE = "erase"
    #: Put something else in the place of what a text or a mask names.
    REPLACE = "replace"
    RECOLOUR = "recolour"
    RELIGHT = "relight"
    RESTORE_FACES = "restore_faces"


#: Operations that need an input image.
IMAGE_INPUT_OPERATIONS = frozenset(Operation) - {Operation.GENERATE}
#: Operations that need a mask.
MASK_OPERATIONS = frozenset({Operation.INPAINT, Operation.ERASE})

#: Operations that say all by themselves: they need no prompt.
WORDLESS_OPERATIONS = frozenset(
    {
        Operation.UPSCALE,
        Operation.REMOVE_BACKGROUND,
        Operation.VARY,
        Operation.ERASE,
        Operation.RESTORE_FACES,
    }
)


class InputRole(StrEnum):
    """What an input image is for."""

    IMAGE = "image"
    MASK = "mask"
    REFERENCE = "reference"
    #: Guides the shapes of the result, such as a depth map or a pose.
    CONTROL = "control"
    #: Guides the look of the result.
    STYLE = "style"
