"""A mask in words: a rectangle, cells, all but these."""

from __future__ import annotations

from imagegen_app.core.mask_drawings import MaskDrawing, Rectangle
from imagegen_app.core.types import Size


def test_cells_divide_the_whole_image_and_rectangles_stay_within_it() -> None:
    size = Size(100, 50)
    cells = MaskDrawing(size=size, cells=frozenset(range(9)))
    beyond = MaskDrawing(size=size, rectangle=Rectangle(90, 40, 500, 500))
    outside = MaskDrawing(size=size, rectangle=Rectangle(100, 0, 5, 5))

    assert sum((r - l) * (b - t) for l, t, r, b in cells.boxes) == 100 * 50  # noqa: E741 - a short loop
    assert cells.boxes[5] == (66, 16, 100, 33)
    assert beyond.boxes == [(90, 40, 100, 50)]
    assert outside.boxes == []
    assert not MaskDrawing(size=size).has_shapes
