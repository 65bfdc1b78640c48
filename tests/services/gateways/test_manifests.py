"""The manifests of uploads: read while a person waits, and therefore not for long."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagegen_app.core.capabilities import InputRule
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.isolation import DecoderPool
from imagegen_app.services.gateways import decoding, manifests
from imagegen_app.testing.factories import make_image
from tests.imaging import hostile_decoders


def test_a_busy_decoder_refuses_an_upload_and_says_nothing_of_its_manifest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = make_image() + b"c2pa"
    patience = decoding.Patience(until=time.monotonic() + 0.05)

    with DecoderPool(1, timeout=60) as pool, ThreadPoolExecutor(1) as thread:
        monkeypatch.setitem(decoding._pools, "decoder", pool)
        busy = thread.submit(pool.run, hostile_decoders.hang_on, b"")
        while not pool._running:
            time.sleep(0.01)

        with pytest.raises(InvalidImage) as first:
            manifests.read_manifest(data, patience=patience)
        # All uploads of a request share the time: the next one has none left.
        with pytest.raises(InvalidImage) as second:
            decoding.normalise_picture(data, rule=InputRule(), patience=patience)

        assert (first.value.reason, second.value.reason) == ("decoder_busy", "decoder_busy")
        assert time.monotonic() > patience.until
        while not busy.done():
            for process in pool.process_ids:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.05)
        assert isinstance(busy.exception(), InvalidImage)
