"""Images at addresses in a table are fetched apart from the worker's turn: slow, hostile and away."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.db import connection

from imagegen_app.models import AuditEvent, Batch, Job, JobInput
from imagegen_app.services.batches import _image_fetches, batch_actions, row_jobs
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import remote_pictures
from imagegen_app.testing.factories import make_asset, make_image
from tests.at_once import at_once
from tests.image_server import ImageServer, failing
from tests.imaging import hostile_files
from tests.services.batches.test_row_images import prepare, rows_of, server, start, version
from tests.services.batches.test_row_sources import invalid, table

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["server", "version"]


def _big(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(5 * 1024**3))
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"\0" * 1024 * 1024)
    except OSError:
        pass


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("big", "too large"),
        ("html", "not an image"),
        ("svg", "SVG drawings are not accepted"),
        ("inner", "may not be called"),
        ("scheme", "may not be called"),
        ("round", "redirects too often"),
        ("gone", "no image at this address"),
        ("empty", "The file is empty."),
    ],
)
def test_what_a_server_gives_instead_of_an_image_skips_its_row_alone(
    site: Site, version: TemplateVersion, server: ImageServer, name: str, problem: str
) -> None:
    with socket.socket() as inner:
        inner.bind(("127.0.0.1", 0))
        inner.listen()
        inner.setblocking(False)
        address = f"http://127.0.0.1:{inner.getsockname()[1]}/"
        server.files = {
            "/good.png": make_image(),
            "/big": _big,
            "/html": b"<!doctype html><title>Sign in</title>",
            "/svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            "/inner": failing(302, Location=address),
            "/scheme": failing(302, Location="file:///etc/passwd"),
            "/round": failing(302, Location="/round"),
            "/empty": b"",
        }
        stored = table(site, rows_of(f"{server.url}/good.png", f"{server.url}/{name}"))

        batch = prepare(start(site, version, stored))
        with pytest.raises(BlockingIOError):
            inner.accept()

    assert batch.job_count == 1
    (reason,) = invalid(batch)
    assert problem in reason


def test_a_bomb_of_pixels_skips_its_row_alone(
    site: Site, version: TemplateVersion, server: ImageServer
) -> None:
    server.files = {
        "/good.png": make_image(),
        "/bomb.png": hostile_files.avif_declaring(20_000, 20_000),
    }
    stored = table(site, rows_of(f"{server.url}/bomb.png", f"{server.url}/good.png"))

    batch = prepare(start(site, version, stored))

    assert batch.job_count == 1
    assert "pixels" in invalid(batch)[0]


def test_a_name_that_leads_to_a_private_address_is_not_called(monkeypatch: Any) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr(remote_pictures, "PAUSES", ())
    fetch = remote_pictures.FetchedPictures.begin(["https://shop.example/a"], resolver=resolver)
    found = fetch.results(seconds=20)
    fetch.close()

    assert found is not None
    (one,) = found.values()
    assert "may not be called" in one.problem
    assert not one.is_transient


def test_a_server_that_is_away_pauses_the_batch_once_and_then_costs_its_rows(
    site: Site, version: TemplateVersion, server: ImageServer
) -> None:
    server.files = {"/a.png": failing(503)}
    stored = table(site, rows_of(f"{server.url}/a.png"))
    batch = prepare(start(site, version, stored))

    assert (batch.pause_reason, batch.prepared_rows) == ("images", 0)
    assert server.asked == ["/a.png"] * 3
    paused = AuditEvent.objects.get(type="batch.paused")
    assert json.loads(paused.body)["data"]["reason_code"] == "images"

    batch_actions.resume(actor=site.actor, batch=batch)
    batch = prepare(batch)
    assert batch.prepared_rows == 1
    assert "did not answer" in invalid(batch)[0]


def test_a_provider_of_the_site_is_no_server_of_images(
    site: Site, version: TemplateVersion, server: ImageServer, settings: Any
) -> None:
    server.files = {"/a.png": make_image()}
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "INPUT_ORIGINS": [],
        "TRUSTED_ORIGINS": [server.url],
    }
    stored = table(site, rows_of(f"{server.url}/a.png"))

    batch = prepare(start(site, version, stored))

    assert batch.job_count == 0
    assert server.asked == []


def test_a_slow_server_holds_up_no_other_batch(
    site: Site, version: TemplateVersion, server: ImageServer
) -> None:
    goes_on = threading.Event()

    def slow(handler: Any) -> None:
        goes_on.wait(30)
        failing(404)(handler)

    server.files = {"/slow.png": slow}
    first = start(site, version, table(site, rows_of(f"{server.url}/slow.png")))
    own = make_asset(requester=site.actor.user)
    second = start(site, version, table(site, rows_of(str(own.pk))))

    assert row_jobs.create_next_jobs()
    second.refresh_from_db()
    first.refresh_from_db()
    assert (second.job_count, first.prepared_rows) == (1, 0)
    goes_on.set()
    assert invalid(prepare(first)) != []


def test_a_worker_that_is_killed_midway_makes_each_row_once(
    site: Site, version: TemplateVersion, server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{n}.png": make_image() for n in range(3)}
    stored = table(site, rows_of(*[f"{server.url}/{n}.png" for n in range(3)]))
    batch = start(site, version, stored)

    def die(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(row_jobs, "failpoint", die)
    with pytest.raises(KeyboardInterrupt):
        prepare(batch)
    assert Job.objects.filter(batch=batch).count() == 0
    monkeypatch.undo()
    monkeypatch.setattr(remote_pictures, "PAUSES", (0.0,))
    prepare(batch)

    assert sorted(batch.jobs.values_list("row_key", flat=True)) == ["A-1", "A-2", "A-3"]
    assert len(set(JobInput.objects.values_list("sha256", flat=True))) == 3


def test_the_sent_bytes_decide_whether_an_earlier_result_is_used_again(
    site: Site, version: TemplateVersion, server: ImageServer
) -> None:
    server.files = {"/a.png": make_image()}
    batch = prepare(start(site, version, table(site, rows_of(f"{server.url}/a.png"))))
    job = batch.jobs.get()

    assert job.cached_from is None
    assert job.inputs.get().sha256 != ""


def test_a_chunk_that_takes_long_is_made_in_parts_and_each_address_is_fetched_once(
    site: Site, version: TemplateVersion, server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{n}.png": make_image() for n in range(12)}
    stored = table(site, rows_of(*[f"{server.url}/{n}.png" for n in range(12)]))
    batch = start(site, version, stored)
    monkeypatch.setattr(row_jobs, "COMPOSE_SECONDS", 0)

    prepare(batch)

    assert batch.job_count == 12
    assert sorted(server.asked) == sorted(server.files)


def test_files_that_were_cleared_away_are_fetched_again(
    site: Site, version: TemplateVersion, server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {"/a.png": make_image()}
    batch = start(site, version, table(site, rows_of(f"{server.url}/a.png")))
    read = remote_pictures.Fetched.read
    cleared: list[int] = []

    def once(self: remote_pictures.Fetched) -> bytes:
        if not cleared and self.path is not None:
            cleared.append(1)
            self.path.unlink()
        return read(self)

    monkeypatch.setattr(remote_pictures.Fetched, "read", once)
    prepare(batch)

    assert batch.job_count == 1
    assert server.asked == ["/a.png"] * 2


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_each_row_once(
    site: Site, version: TemplateVersion, server: ImageServer
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("elsewhere, transactions follow one another or threads share a connection")
    server.files = {f"/{n}.png": make_image() for n in range(25)}
    stored = table(site, rows_of(*[f"{server.url}/{n}.png" for n in range(25)]))
    batch = start(site, version, stored)

    def work() -> None:
        prepare(Batch.objects.get(pk=batch.pk))

    assert at_once(work, work) == []
    batch.refresh_from_db()
    keys = sorted(Job.objects.filter(batch=batch).values_list("row_key", flat=True))
    assert keys == sorted(f"A-{n}" for n in range(1, 26))
    assert (batch.pause_reason, batch.job_count, invalid(batch)) == ("", 25, [])
    assert JobInput.objects.filter(job__batch=batch).count() == 25


def test_a_fetch_that_failed_by_itself_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_given: Any, **_named: Any) -> Any:
        raise OSError(28, "No space left on device")

    batch, urls = uuid4(), ["https://shop.example/a.png"]
    with monkeypatch.context() as broken:
        broken.setattr(remote_pictures, "_fetch", full)
        with pytest.raises(OSError, match="No space"):
            _image_fetches.fetched(batch, urls)

    async def gone(*_given: Any, **_named: Any) -> Any:
        return remote_pictures.Fetched(problem="gone")

    monkeypatch.setattr(remote_pictures, "_fetch", gone)
    assert _image_fetches.fetched(batch, urls)[urls[0]].problem == "gone"
    _image_fetches.forget(batch)


def test_values_that_were_erased_meanwhile_do_not_come_back(
    site: Site, version: TemplateVersion
) -> None:
    stored = table(site, rows_of("https://shop.example/a.png"))
    batch = start(site, version, stored, fixed={"product": "Ada's cup"})
    erased = {**batch.mapping, "fixed": {}}
    use_case(audited=False)(Batch.objects.filter(pk=batch.pk).update)(mapping=erased)

    row_jobs._pause_for_images(batch)

    batch.refresh_from_db()
    assert batch.pause_reason == "images"
    assert batch.mapping["fixed"] == {}
