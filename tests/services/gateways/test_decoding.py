"""Bytes of strangers are parsed in decoder processes only."""

from __future__ import annotations

import threading

import pytest

from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import inspect
from imagegen_app.services.gateways import decoding
from imagegen_app.testing.factories import make_image
from tests.imaging import hostile_decoders, hostile_files


def test_an_upload_is_decoded_in_another_process() -> None:
    found = decoding.Patience().run(inspect, make_image(), limits=decoding.image_limits())

    assert (found.width, found.height) == (64, 48)
    assert decoding.decoder_pool().process_ids


def test_a_hostile_upload_is_refused_with_what_to_do() -> None:
    data = hostile_files.jpeg_of_scans(200, side=64)

    with pytest.raises(InvalidImage) as caught:
        decoding.Patience().run(inspect, data, limits=decoding.image_limits())

    assert "save it again" in str(caught.value)


@pytest.mark.parametrize("data", [b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 100])
def test_the_marking_of_what_is_no_image_is_unreadable(data: bytes) -> None:
    found = decoding.read_marking_isolated(data, "image/png")

    assert found.credentials.state in {"unreadable", "none"}
    assert found.marks.is_empty


def test_the_marking_of_a_file_is_read_in_a_decoder_process() -> None:
    found = decoding.read_marking_isolated(make_image(), "image/png")

    assert (found.credentials.state, found.marks.is_empty) == ("none", True)


def test_images_in_work_are_more_than_the_decoders_so_that_waiting_ones_hold_up_no_others() -> None:
    pool = decoding.decoder_pool()
    meeting = threading.Barrier(decoding.CONCURRENT_IMAGES)

    def work() -> None:
        pool.run(hostile_decoders.echo, b"")
        meeting.wait(timeout=60)

    threads = [threading.Thread(target=work) for _ in range(decoding.CONCURRENT_IMAGES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not meeting.broken
    assert len(pool.process_ids) <= decoding.DECODERS + 1
