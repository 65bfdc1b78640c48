"""The manifests of uploads: read while a person waits, and therefore not for long."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.isolation import DecoderPool
from imagegen_app.services.gateways import decoding, manifests
from imagegen_app.testing.factories import make_image
from tests.imaging import hostile_decoders


def test_nobody_waits_for_the_manifest_of_an_upload_longer_than_for_its_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = make_image() + b"c2pa"
    monkeypatch.setattr(decoding, "UPLOAD_PATIENCE_SECONDS", 0.05)

    with DecoderPool(1, timeout=60) as pool, ThreadPoolExecutor(1) as thread:
        monkeypatch.setitem(decoding._pools, "decoder", pool)
        busy = thread.submit(pool.run, hostile_decoders.hang_on, b"")
        while not pool._running:
            time.sleep(0.01)

        found = manifests.read_manifest(data)

        assert (found.facts.state, len(found.facts.sha256)) == ("unreadable", 64)
        while not busy.done():
            for process in pool.process_ids:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.05)
        assert isinstance(busy.exception(), InvalidImage)
