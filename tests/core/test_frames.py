"""What is added round an image, as the size and anchor that models take."""

from __future__ import annotations

import pytest

from imagegen_app.core.capabilities import SizeRule
from imagegen_app.core.frames import ANCHORS, Frame, anchor_of, framed_size
from imagegen_app.core.types import Size


@pytest.mark.parametrize(
    ("frame", "anchor"),
    [
        (Frame(100, 0, 100, 0), "center"),
        (Frame(100, 50, 100, 51), "center"),
        (Frame(0, 0, 300, 0), "left"),
        (Frame(300, 40, 0, 40), "right"),
        (Frame(0, 0, 0, 200), "top"),
        (Frame(8, 200, 8, 0), "bottom"),
        (Frame(0, 0, 300, 200), None),
        (Frame(100, 0, 300, 0), None),
    ],
)
def test_a_frame_is_said_by_an_anchor_where_there_is_one(frame: Frame, anchor: str | None) -> None:
    assert anchor_of(frame, ANCHORS) == anchor


def test_a_model_without_anchors_extends_evenly() -> None:
    assert anchor_of(Frame(10, 10, 10, 10), ()) == "center"
    assert anchor_of(Frame(0, 0, 10, 0), ()) is None


def test_the_size_heeds_the_steps_and_the_list_of_the_model() -> None:
    image, frame = Size(1024, 768), Frame(right=101)
    listed = SizeRule(allowed=(Size(1024, 1024), Size(1536, 1024), Size(2048, 1024)))

    assert framed_size(image, frame, SizeRule(step=16)) == Size(1136, 768)
    assert framed_size(image, frame, listed) == Size(1536, 1024)
    assert framed_size(image, Frame(left=5000), listed) == Size(6024, 768)
    assert Frame().is_empty
