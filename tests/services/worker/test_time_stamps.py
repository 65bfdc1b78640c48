"""Images get a time stamp where the site has an authority, and what happens without is a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.urls import reverse

from imagegen_app.imaging.content_credentials import read_content_credentials
from imagegen_app.models import AuditEvent
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage, time_stamps
from imagegen_app.services.monitoring import time_stamp_status
from imagegen_app.services.worker import driver
from tests.imaging.time_stamp_authority import needs_openssl, time_stamp_authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client

    from imagegen_app.models import Asset, Job
    from tests.imaging.time_stamp_authority import Authority
    from tests.services.conftest import Site

pytestmark = needs_openssl
NOBODY = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with time_stamp_authority(tmp_path_factory.mktemp("tsa")) as authority:
        yield authority


@pytest.fixture
def authority(running: Authority) -> Authority:
    running.fault, running.asked = "", 0
    time_stamps._paused_until.clear()
    return running


def configure(settings: Any, **c2pa: str) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "C2PA": c2pa}


def drive(job: Job) -> Job:
    use_case(audited=False)(lambda: type(job).objects.filter(pk=job.pk).update(due_at=None))
    driver.drive(seconds=15)
    job.refresh_from_db()
    return job


def page_of(asset: Asset, client: Client) -> str:
    return client.get(reverse("admin:imagegen_asset_change", args=[asset.pk])).content.decode()


def states_of(asset: Asset) -> list[bool]:
    """Return of each published file whether it has a time stamp."""
    files = [(asset.storage_key, asset.media_type)]
    files += [(r.storage_key, f"image/{r.format}") for r in asset.renditions.all()]
    read = [read_content_credentials(storage.get(key), of) for key, of in files]
    assert {one.state for one in read} == {"valid"}
    return [one.stamped_at is not None for one in read]


def findings() -> list[tuple[str, str]]:
    return [(one.level, one.message) for one in time_stamp_status.time_stamp_findings()]


def test_a_stamped_image_says_when(
    site: Site, settings: Any, authority: Authority, admin_client: Client, tmp_path: Path
) -> None:
    anchors = tmp_path / "anchors.pem"
    anchors.write_text(authority.root)
    configure(settings, TSA_URL=authority.url, TRUST_ANCHORS=str(anchors))

    asset = drive(site.request()).assets.get()

    assert asset.stamped_at is not None
    assert abs((asset.stamped_at - asset.created_at).total_seconds()) < 60
    assert states_of(asset) == [True, True]
    assert "stamped at " in page_of(asset, admin_client)
    assert "not on a trust list</bdi></dd><dt>Stored" not in page_of(asset, admin_client)
    assert '"stamped_at":"20' in AuditEvent.objects.get(type="asset.created").body
    assert findings() == []


def test_an_image_without_an_authority_is_not_stamped(site: Site, admin_client: Client) -> None:
    asset = drive(site.request()).assets.get()

    assert asset.stamped_at is None
    assert "not stamped" in page_of(asset, admin_client)
    ((level, message),) = findings()
    assert level == "ok"
    assert message.startswith("No time-stamp authority is configured")


@pytest.mark.parametrize("fault", ["refuse", "nonsense"])
def test_images_wait_for_their_stamp(
    site: Site, settings: Any, authority: Authority, fault: str
) -> None:
    configure(settings, TSA_URL=authority.url)
    authority.fault = fault

    job = drive(site.request(count=2))

    assert (job.state, job.waiting_for) == ("ingesting", "time_stamp")
    assert [level for level, _ in findings()] == ["error", "error"]
    assert findings()[1][1] == "2 images wait for a time stamp."

    authority.fault = ""
    use_case(audited=False)(lambda: type(job).objects.update(due_at=job.created_at))()
    driver.drive(seconds=15)

    job.refresh_from_db()
    assert job.state == "succeeded"
    assert all(states_of(asset) == [True, True] for asset in job.assets.all())


@pytest.mark.parametrize("fault", ["refuse", "nonsense"])
def test_images_are_signed_without_a_stamp_where_the_site_says_so(
    site: Site, settings: Any, authority: Authority, admin_client: Client, fault: str
) -> None:
    configure(settings, TSA_URL=authority.url, TSA_ON_ERROR="sign")
    authority.fault = fault

    job = drive(site.request(count=2))

    assert (job.state, job.waiting_for, job.tries) == ("succeeded", "", 1)
    asset = job.assets.first()
    assert asset is not None
    assert asset.stamped_at is None
    assert states_of(asset) == [False, False]
    assert "not stamped" in page_of(asset, admin_client)
    # It is asked once, and then left alone: one that hangs would cost half a minute for each file.
    assert authority.asked == 1
    levels = dict(reversed(findings()))
    assert levels["warning"].startswith("The time-stamp authority gave no valid time stamp.")
    assert (
        "warning",
        "2 images of the last 7 days were signed without a time stamp.",
    ) in findings()


def test_an_authority_that_fails_in_between_leaves_no_file_with_a_stamp(
    site: Site, settings: Any, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(settings, TSA_URL=authority.url, TSA_ON_ERROR="sign")
    original = time_stamps.sign_with_stamp

    def failing(identity: Any, sign: Any) -> Any:
        def after_the_master(chosen: Any) -> Any:
            signed = sign(chosen)
            if not chosen.tsa_url:
                return signed
            authority.fault = "refuse"
            return sign(chosen)

        return original(identity, after_the_master)

    monkeypatch.setattr(time_stamps, "sign_with_stamp", failing)

    asset = drive(site.request()).assets.get()

    assert states_of(asset) == [False, False]


def test_an_authority_that_is_not_trusted_here_is_reported(
    site: Site, settings: Any, authority: Authority
) -> None:
    configure(settings, TSA_URL=authority.url)

    ((level, message),) = findings()

    assert level == "warning"
    assert message.startswith("The certificate of the time-stamp authority is not trusted here")


@pytest.mark.parametrize(
    ("c2pa", "wrong"),
    [
        ({"TSA_URL": "stamps.example"}, True),
        ({"TSA_URL": "ftp://stamps.example/"}, True),
        ({"TSA_ON_ERROR": "skip"}, True),
        ({"TSA_URL": "http://stamps.example/tsr", "TSA_ON_ERROR": "sign"}, False),
    ],
)
def test_wrong_settings_are_found(small: Any, db: None, c2pa: dict[str, str], wrong: bool) -> None:
    configure(small, **c2pa)

    found = [one.id for one in run_checks(tags=["imagegen"])]

    assert ("imagegen.E064" in found) is wrong
