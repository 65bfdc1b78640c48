"""The log's page names the way on after a backup was restored, and what was lost for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from imagegen_app.core import notes
from imagegen_app.services.audit import log_key, restores
from imagegen_app.testing.factories import make_user
from tests.services.audit.log_tampering import SYSTEM, put_copy, sealed_log

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


def test_the_page_names_the_way_on_and_then_what_was_lost(settings: Any, tmp_path: Path) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "AUDIT": {
            "ORIGIN": "test.example/log",
            "PUBLISH_TO": {"auditor": {"KIND": "folder", "TARGET": tmp_path / "published"}},
        },
    }
    sealed_log(3)
    # As if the log had been longer before a backup was restored.
    lost = notes.sign_checkpoint(
        origin="test.example/log", size=90, root=b"r" * 32, private_key=log_key.private_key()
    )
    put_copy(tmp_path / "published", lost, size=90)
    client = Client()
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    page = reverse("admin:imagegen_log")

    refused = client.post(page).content.decode()
    restores.accept(SYSTEM, size=90, reason="the disk failed")
    verified = client.post(page).content.decode()
    later = client.get(page).content.decode()

    assert "look for a newer backup first" in refused
    assert "manage.py imagegen_audit accept-restore" in refused
    warning = "The log was restored from a backup at 3 entries. From entry 3 to entry 89"
    assert warning in verified
    assert "Copies given up after a restore" in verified
    assert warning in later
