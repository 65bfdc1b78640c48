"""Marks of the provider: what it declares, what is in the file, and what its own check finds."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from imagegen_app.core.checked_marks import CheckedMark
from imagegen_app.models import Asset, AuditEvent, Provider
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import evidence, provider_marks
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from imagegen_app.testing.simulator.process import SimulatorProcess

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site

KEY = "sk-marks-5d1b7a90"


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(keys=(KEY,), quick=True, protocols=("openai",)) as process:
        yield process


@pytest.fixture
def openai(running: SimulatorProcess, small: Any, monkeypatch: Any) -> SimulatorProcess:
    running.reset()
    monkeypatch.setenv("TEST_MARKS_KEY", KEY)
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "TRUSTED_ORIGINS": [running.base_url],
        "CREDENTIALS": {"marks": {"source": "env:TEST_MARKS_KEY", "hosts": ["127.0.0.1"]}},
    }
    return running


@use_case(audited=False)
def change_provider(**changes: Any) -> None:
    Provider.objects.update(**changes)


def made(site: Site) -> Asset:
    site.request()
    driver.drive(seconds=20)
    return Asset.objects.select_related("job", "attempt__image_model__provider").get()


@pytest.fixture
def asset(site: Site, openai: SimulatorProcess) -> Asset:
    """An image whose provider is OpenAI by now, with an account that allows the check."""
    made(site)
    change_provider(
        adapter="openai",
        base_url=openai.openai_url,
        credential="marks",
        options={"provenance_checks": True},
    )
    return Asset.objects.select_related("job", "attempt__image_model__provider").get()


@pytest.fixture
def auditor(db: None) -> Person:
    user = make_user(is_staff=True)
    names = ("export_audit", "view_asset", "view_job")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return access.actor_for(user)


def test_a_new_image_records_which_marks_its_provider_declares(site: Site) -> None:
    change_provider(
        data_handling={
            "marks": {
                "value": ["synthid"],
                "source": "https://example.org/marks",
                "checked_on": "2026-11-26",
            }
        }
    )

    asset = made(site)

    assert asset.declared_marks == {
        "marks": ["synthid"],
        "source": "https://example.org/marks",
        "checked_on": "2026-11-26",
        "declared_by": "site",
    }
    ((label, sentence),) = provider_marks.lines(asset)
    assert label == "Declared by the provider"
    assert sentence == "SynthID (as of 2026-11-26; not checked in this image)"


def test_what_nobody_declares_is_told_to_be_unknown_and_none_to_be_none() -> None:
    assert provider_marks.lines(Asset())[0][1] == "unknown"
    none = Asset(declared_marks={"marks": [], "checked_on": "2026-11-26"})
    assert provider_marks.lines(none)[0][1] == "none (as of 2026-11-26)"


def test_the_provider_is_asked_about_the_original_and_the_published_file(
    asset: Asset, auditor: Person, openai: SimulatorProcess
) -> None:
    openai.script(fault={"kind": "all_marks", "on": "marks", "times": 1})

    found = provider_marks.check(actor=auditor, asset=asset)

    assert [one.is_found for one in found["original"]] == [True, True]
    assert [(one.kind, one.is_found) for one in found["published"]] == [
        ("c2pa", False),
        ("synthid", True),
    ]
    stored = Asset.objects.get(pk=asset.pk)
    assert stored.mark_check["sha256"]["original"] == asset.original_sha256
    _declared, asked, original, published = provider_marks.lines(stored)
    assert asked[0] == "Provider asked"
    assert original == (
        "Found by the provider in the original",
        "C2PA found (trusted, OpenAI, gpt-image-2.6-flare); SynthID found (gpt-image-2.6-flare)",
    )
    assert published == (
        "Found by the provider in the published file",
        "C2PA not found, which proves nothing; SynthID found (gpt-image-2.6-flare)",
    )
    event = AuditEvent.objects.get(type="asset.marks_checked")
    data = json.loads(event.body)["data"]
    assert data["marks"] == stored.mark_check["files"]
    assert data["original_sha256"] == asset.original_sha256


def test_a_declared_mark_that_is_not_found_is_a_problem_of_the_image(
    openai: SimulatorProcess, asset: Asset, auditor: Person
) -> None:
    asset.declared_marks = {"marks": ["synthid"]}

    provider_marks.check(actor=auditor, asset=asset)
    with_mark = Asset.objects.get(pk=asset.pk).has_mark_problem
    openai.script(fault={"kind": "no_marks", "on": "marks", "times": 2})
    provider_marks.check(actor=auditor, asset=asset)
    without = Asset.objects.get(pk=asset.pk).has_mark_problem

    assert (with_mark, without) == (False, True)


def test_the_evidence_pack_tells_the_marks_apart_by_who_says_so(
    asset: Asset, auditor: Person
) -> None:
    provider_marks.check(actor=auditor, asset=asset)

    pack = evidence.build_pack(actor=auditor, asset=asset)

    with zipfile.ZipFile(io.BytesIO(pack.data)) as archive:
        told = json.loads(archive.read("summary.json"))["provider_marks"]
        story = archive.read("story.html").decode()
    assert told["declared_by_provider"] == asset.declared_marks
    assert told["found_in_the_file_on_arrival"]["c2pa"] == "none"
    assert told["found_by_the_provider"]["files"]["original"][1]["is_found"]
    assert "Found by the provider in the original" in story


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 404},
        {"kind": "html"},
        {"kind": "missing_data"},
        {"kind": "error_in_200"},
        {"kind": "redirect"},
    ],
)
def test_a_provider_that_does_not_tell_leaves_no_record(
    asset: Asset, auditor: Person, openai: SimulatorProcess, fault: dict[str, Any]
) -> None:
    openai.script(fault={**fault, "on": "marks"})

    with pytest.raises(provider_marks.MarksNotChecked, match="nothing was recorded"):
        provider_marks.check(actor=auditor, asset=asset)

    assert Asset.objects.get(pk=asset.pk).mark_check == {}
    assert not AuditEvent.objects.filter(type="asset.marks_checked").exists()
    assert openai.elsewhere() == []


@pytest.mark.parametrize(
    "changes", [{"options": {}}, {"adapter": "sandbox", "options": {}}, {"is_enabled": False}]
)
def test_nothing_is_sent_unless_the_account_allows_it(
    asset: Asset, auditor: Person, openai: SimulatorProcess, changes: dict[str, Any]
) -> None:
    change_provider(**changes)
    asset = Asset.objects.select_related("job", "attempt__image_model__provider").get()

    assert not provider_marks.can_check(auditor, asset)
    with pytest.raises(provider_marks.MarksNotChecked, match="was not asked"):
        provider_marks.check(actor=auditor, asset=asset)
    assert openai.calls() == {}


def test_only_who_may_export_evidence_has_the_provider_asked(
    asset: Asset, site: Site, openai: SimulatorProcess
) -> None:
    assert not provider_marks.can_check(site.actor, asset)
    with pytest.raises(access.NotPermitted):
        provider_marks.check(actor=site.actor, asset=asset)
    assert openai.calls() == {}


def test_the_button_on_the_page_asks_the_provider(
    asset: Asset, auditor: Person, client: Client
) -> None:
    client.force_login(auditor.user)
    page = reverse("admin:imagegen_asset_change", args=[asset.pk])
    before = client.get(page).content.decode()

    answer = client.post(reverse("admin:imagegen_asset_marks", args=[asset.pk]), follow=True)

    assert "Ask the provider about its marks" in before
    after = answer.content.decode()
    assert "The provider was asked; its answer is below and in the log." in after
    assert "SynthID found" in after


def test_the_texts_of_a_check_are_cut_and_cleaned() -> None:
    mark = CheckedMark("synthid\u202e", 1, issuer="x" * 5000, model=None)  # type: ignore[arg-type]  # a stranger's values

    assert (mark.kind, mark.is_found, len(mark.issuer), mark.model) == ("synthid", False, 300, "")
    assert CheckedMark.from_dict(mark.as_dict()) == mark
