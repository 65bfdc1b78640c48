"""Say what of an image is to be changed, without a picture of it: a rectangle, cells, all but these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagegen_app.core.types import Size

#: The image is divided into so many columns and rows.
CELLS_ACROSS = 3
CELL_COUNT = CELLS_ACROSS * CELLS_ACROSS
#: How wide a mask's edge may be made soft, in pixels (the sigma of a Gaussian blur).
MAX_FEATHER = 256


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle in pixels of an image."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class MaskDrawing:
    """How a mask was drawn over an image: by a picture that came with it, or by these words."""

    #: The image's size, in whose pixels all else is.
    size: Size
    rectangle: Rectangle | None = None
    #: Cells by number, in the order of reading from 0.
    cells: frozenset[int] = frozenset()
    #: Whether all but the rectangle and the cells is to be changed.
    is_inverted: bool = False
    #: How soft the edge becomes, as the sigma of a Gaussian blur.
    feather: int = 0
    #: Whether the picture of the mask is of our own editor, which draws in the image's own size.
    is_from_editor: bool = False

    @property
    def has_shapes(self) -> bool:
        """Whether the words alone say what is to be changed."""
        return self.rectangle is not None or bool(self.cells)

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """Rectangle and cells as (left, top, right, bottom), the last two exclusive, within the image."""
        width, height = self.size.width, self.size.height
        found = []
        if self.rectangle is not None:
            one = self.rectangle
            right, bottom = one.left + one.width, one.top + one.height
            found.append(
                (max(0, one.left), max(0, one.top), min(width, right), min(height, bottom))
            )
        for cell in sorted(self.cells):
            row, column = divmod(cell, CELLS_ACROSS)
            found.append(
                (
                    width * column // CELLS_ACROSS,
                    height * row // CELLS_ACROSS,
                    width * (column + 1) // CELLS_ACROSS,
                    height * (row + 1) // CELLS_ACROSS,
                )
            )
        return [box for box in found if box[0] < box[2] and box[1] < box[3]]
