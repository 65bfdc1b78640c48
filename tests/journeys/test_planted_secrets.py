"""A provider that answers with our key everywhere: it is in no row, log, page, file or message."""

from __future__ import annotations

import base64
import io
import json
import logging
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from imagegen_app.models import Asset, Attempt, AuditEvent, Job, WebhookDelivery
from imagegen_app.services.audit import log_export
from imagegen_app.services.gateways import storage
from imagegen_app.services.jobs.rebuilding import attempt_token
from imagegen_app.services.library import asset_table, evidence
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from imagegen_app.testing.simulator.echoes import SPELLINGS
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.services.conftest import SMALL, at_simulator, governed
from tests.webhooks.test_receive import signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from tests.services.conftest import Site

KEY = "sk-planted-7Qx9Vb2LmZ4tR8wK1cY6"
WEBHOOK_SECRET = "whsec_cGxhbnRlZC13ZWJob29rLXNlY3JldC0wMDA3"
#: What the provider answers, beside the echo.
FAILURES: dict[str, list[dict[str, Any]]] = {
    "openai": [
        {},
        {"kind": "status", "status": 400},
        {"kind": "status", "status": 404},
        {"kind": "moderation_block"},
        {"kind": "error_in_200"},
        {"kind": "not_json"},
        # Last: no further call is made to an account without credit.
        {"kind": "quota"},
    ],
    "generic_jobs": [
        {},
        {"kind": "status", "status": 400},
        {"kind": "job_failed"},
        {"kind": "job_failed", "code": "content_blocked"},
    ],
    "bedrock": [
        {},
        {"kind": "status", "status": 400},
        {"kind": "status", "status": 403},
        {"kind": "moderation_block"},
        {"kind": "output_block"},
        {"kind": "not_json"},
        {"kind": "quota"},
    ],
}
#: Accounts that differ from the usual one: the key is the secret and the session token of AWS's.
ACCOUNTS: dict[str, dict[str, Any]] = {
    "bedrock": {
        "key": f"ASIAPLANTED000000001:{KEY}:{KEY}",
        "name": "stability.stable-image-core-v1:1",
        "options": {"region": "us-west-2"},
    }
}


@pytest.fixture(scope="module")
def echoing() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(keys=(KEY,), webhook_secret=WEBHOOK_SECRET, quick=True) as process:
        yield process


@pytest.fixture
def all_logs() -> Iterator[io.StringIO]:
    """Keep everything that is logged, at DEBUG, as a site's own handler would."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.setLevel(before)
    root.removeHandler(handler)


def traces(text: str) -> set[str]:
    """Return the spellings of the key, or of a dozen of its characters, that are in the text."""
    text = text.lower()
    windows = {
        "plain": [KEY[:12], KEY[8:20], KEY[-12:]],
        "base64": [
            base64.b64encode(b"\0" * offset + KEY.encode()).decode()[8:28] for offset in range(3)
        ],
        "hex": [KEY.encode().hex()[:24], KEY.encode().hex()[-24:]],
        "url": [SPELLINGS["url"](KEY)[:36]],
        "json": [SPELLINGS["json"](KEY)[:72]],
    }
    return {name for name, parts in windows.items() if any(p.lower() in text for p in parts)}


def dump() -> dict[str, str]:
    """Return all rows of all tables as text."""
    return {
        model._meta.label: repr(
            [
                {n: bytes(v) if isinstance(v, memoryview) else v for n, v in row.items()}
                for row in model._base_manager.values()
            ]
        )
        for model in apps.get_models()
        if model._meta.managed and not model._meta.proxy
    }


def play(site: Site, simulator: SimulatorProcess, spelling: str, faults: list[Any]) -> list[Job]:
    """Have one image requested for each failure, with the key echoed."""
    jobs = []
    size = "64x64" if site.model.provider.adapter == "generic_jobs" else "1024x1024"
    for fault in faults:
        simulator.script(echo=spelling, clear=True, **({"fault": fault} if fault else {}))
        jobs.append(site.request(size=size, prompt=f"{spelling} {fault}"))
        driver.drive(seconds=10)
    return jobs


@pytest.fixture(params=FAILURES)
def site(
    request: pytest.FixtureRequest,
    db: None,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    echoing: SimulatorProcess,
) -> Site:
    """Return a site whose model is at the provider that echoes."""
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "ENGINE": "tests.services.silent_engine.SilentEngine",
        "RENDITIONS": SMALL,
    }
    echoing.reset()
    account = ACCOUNTS.get(request.param, {})
    model = at_simulator(echoing, settings, monkeypatch, request.param, **account)
    monkeypatch.setenv("WEBHOOK_SECRET", WEBHOOK_SECRET)
    settings.IMAGEGEN["CREDENTIALS"]["simulator"]["WEBHOOK_SOURCE"] = "env:WEBHOOK_SECRET"
    return governed(model)


@pytest.mark.slow
def test_a_key_that_the_provider_echoes_is_nowhere(
    site: Site, echoing: SimulatorProcess, all_logs: io.StringIO, client: Client, tmp_path: Path
) -> None:
    adapter = site.model.provider.adapter

    for spelling in sorted(SPELLINGS.keys() - {"plain"}):
        play(site, echoing, spelling, FAILURES[adapter][1:2])
    play(site, echoing, "plain", FAILURES[adapter])
    if adapter == "generic_jobs":
        receive_echoing_webhooks(client)

    assert {job.state for job in Job.objects.all()} == {"succeeded", "failed", "blocked"}
    places = {
        **dump(),
        "logs": all_logs.getvalue(),
        **pages(client),
        **exports(tmp_path),
        **published_files(),
    }
    found = {place: traces(text) for place, text in places.items()}
    assert {place: spellings for place, spellings in found.items() if spellings} == {}


def receive_echoing_webhooks(client: Client) -> None:
    """Deliver what a provider sends that echoes the key in the body and in headers."""
    attempt = Attempt.objects.exclude(provider_ref="").first()
    assert attempt is not None
    url = reverse("imagegen:webhook", args=[attempt_token(attempt)])
    for number, spelling in enumerate(SPELLINGS):
        text = SPELLINGS[spelling](KEY)
        body = json.dumps(
            {
                "type": text,
                "note": f"sent to {text}",
                "data": {"id": attempt.provider_ref, "status": "succeeded", "model": text},
            }
        ).encode()
        delivery = f"msg-{KEY}" if spelling == "plain" else f"msg-{number}"
        headers: Any = signed(body, delivery=delivery, secret=WEBHOOK_SECRET)
        headers["HTTP_USER_AGENT"] = text
        answer = client.post(url, body, content_type="application/json", **headers)
        assert answer.status_code == 204
    assert WebhookDelivery.objects.count() == len(SPELLINGS)


def pages(client: Client) -> dict[str, str]:
    """Return the lists and rows of our tables as an administrator sees them."""
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    shown = {}
    for model in (Job, Attempt, AuditEvent, WebhookDelivery, Asset):
        name = f"admin:imagegen_{model._meta.model_name}"
        shown[name] = client.get(reverse(f"{name}_changelist")).content.decode()
        for row in model.objects.order_by("-pk")[:8]:
            answer = client.get(reverse(f"{name}_change", args=[row.pk]))
            assert answer.status_code == 200
            shown[f"{name} {row.pk}"] = answer.content.decode()
    assert admin.site.is_registered(Job)
    return shown


def exports(folder: Path) -> dict[str, str]:
    """Return what people carry off: the log, the table of images and a pack of evidence."""
    actor = access.actor_for(make_user("carl", is_staff=True, is_superuser=True))
    result = log_export.export(
        actor, out=folder / "events.jsonl", selection=log_export.ExportFilter()
    )
    pack = evidence.build_pack(actor=actor, asset=Asset.objects.all()[0])
    with zipfile.ZipFile(io.BytesIO(pack.data)) as archive:
        packed = {
            name: archive.read(name).decode("latin-1")
            for name in archive.namelist()
            if not name.startswith("original")
        }
    return {
        "log export": result.bodies.read_text(),
        "asset table": asset_table.export(actor=actor, assets=Asset.objects.all()),
        **{f"evidence {name}": text for name, text in packed.items()},
    }


def published_files() -> dict[str, str]:
    """Return the files that visitors may see; the private original is the provider's own bytes."""
    keys = [
        key
        for asset in Asset.objects.all()
        for key in (asset.storage_key, *asset.renditions.values_list("storage_key", flat=True))
    ]
    return {key: storage.get(key).decode("latin-1") for key in keys}
