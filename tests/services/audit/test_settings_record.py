from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.db import connections

from imagegen_app import conf, tasks
from imagegen_app.management.commands import imagegen_worker
from imagegen_app.models import AuditEvent
from imagegen_app.services.audit import descriptions, settings_record
from tests.services.audit.log_tampering import SYSTEM

pytestmark = pytest.mark.django_db


def recorded() -> list[tuple[str, dict[str, Any]]]:
    rows = AuditEvent.objects.order_by("pk").values_list("type", "body")
    return [(kind, json.loads(body)["data"]) for kind, body in rows]


def test_settings_are_recorded_at_the_first_start_and_when_they_differ(
    settings: Any,
) -> None:
    assert settings_record.record_settings(SYSTEM)
    assert not settings_record.record_settings(SYSTEM)
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "REQUIRE_SECOND_REVIEWER": not conf.get().require_second_reviewer,
    }
    assert settings_record.record_settings(SYSTEM)
    assert not settings_record.record_settings(SYSTEM)

    assert [kind for kind, _data in recorded()] == ["site.started", "config.changed"]
    first, second = (data for _kind, data in recorded())
    now = conf.get().require_second_reviewer
    assert second["changes"] == {"require_second_reviewer": {"before": not now, "after": now}}
    assert first["settings_hash"].startswith(second["before"])
    assert second["settings_hash"].startswith(second["after"])
    told = descriptions.describe_events(AuditEvent.objects.order_by("pk"))
    assert told[1].sentence.startswith("The settings changed from ")


def test_no_secret_path_or_option_is_recorded(settings: Any) -> None:
    secret = "s3cr3t-value"
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {
            "one": {
                "SOURCE": f"env:{secret}",
                "HOSTS": ["api.example.com"],
                "WEBHOOK_SOURCE": f"file:/{secret}",
            }
        },
        "SCREENERS": [
            {
                "BACKEND": "imagegen_app.moderation.block_list.BlockList",
                "NAME": "block list",
                "OPTIONS": {"terms": [secret]},
            }
        ],
        "CAPTIONER": {"BACKEND": "site.Captioner", "OPTIONS": {"key": secret}},
        "C2PA": {
            "CERTIFICATE": f"/{secret}.pem",
            "PRIVATE_KEY": f"/{secret}.key",
            "TSA_URL": f"https://user:{secret}@tsa.example",
        },
        "AUDIT": {"SIGNING_KEY": f"/{secret}"},
        "STATE_DIR": f"/{secret}",
    }

    settings_record.record_settings(SYSTEM)

    body = AuditEvent.objects.get().body
    assert secret not in body
    assert "one: api.example.com" in body


def test_a_worker_records_the_settings_when_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = threading.Event()
    stopping.set()
    monkeypatch.setattr(tasks, "run_sweep", lambda: None)
    monkeypatch.setattr(connections, "close_all", lambda: None)

    for _start in range(2):
        imagegen_worker._sweep(stopping, 1.0, "worker-1")

    assert [kind for kind, _data in recorded()] == ["site.started"]


def test_the_record_names_what_decides_who_may_do_what(settings: Any) -> None:
    settings_record.record_settings(SYSTEM)

    (kind, data) = recorded()[0]
    assert kind == "site.started"
    assert sorted(data["settings"]) == [
        "adapters",
        "captioner",
        "credentials",
        "engine",
        "input_origins",
        "keep_answers_days",
        "keep_original_inputs",
        "log",
        "marks",
        "provider_origins",
        "require_second_reviewer",
        "screeners",
        "signing",
        "storage",
        "superuser_bypass",
        "targets",
        "text_model",
        "trusted_origins",
        "uploaded_table_days",
    ]
    parts = {name: sorted(data["settings"][name]) for name in ("log", "marks", "signing")}
    assert parts == {
        "log": ["origin", "published", "record_sign_ins", "signing_key"],
        "marks": ["forbid_ai_training", "include_names", "include_prompt"],
        "signing": ["algorithm", "certificate", "time_stamps", "trust_anchors"],
    }


def test_a_change_is_told_by_the_first_digits_of_both_digests(settings: Any) -> None:
    settings_record.record_settings(SYSTEM)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SUPERUSER_BYPASS": True}

    settings_record.record_settings(SYSTEM)

    data = recorded()[1][1]
    assert (len(data["before"]), len(data["after"])) == (12, 12)
    assert data["changes"] == {"superuser_bypass": {"before": False, "after": True}}
    assert data["settings"]["superuser_bypass"] is True
