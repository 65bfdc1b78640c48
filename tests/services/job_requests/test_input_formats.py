"""The formats that a form offers for input images are those that are read."""

from __future__ import annotations

import pytest

from imagegen_app.services.job_requests import input_formats as module


@pytest.mark.parametrize("reads_heic", [True, False])
def test_a_form_offers_what_is_read(monkeypatch: pytest.MonkeyPatch, *, reads_heic: bool) -> None:
    monkeypatch.setattr(module, "can_read_heic", lambda: reads_heic)

    assert module.input_formats() == {
        "PNG": "image/png",
        "JPEG": "image/jpeg",
        "WebP": "image/webp",
        "AVIF": "image/avif",
        **({"HEIC": "image/heic"} if reads_heic else {}),
    }
