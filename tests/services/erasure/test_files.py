from __future__ import annotations

import io
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from easy_thumbnails.files import get_thumbnailer
from PIL import Image, PngImagePlugin

from imagegen_app.imaging.content_credentials import read_content_credentials
from imagegen_app.imaging.metadata import read_xmp
from imagegen_app.models import Asset, AuditEvent, Job
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.erasure import _database_files, _files, commands, preview, scopes
from imagegen_app.services.gateways import resigning, storage
from imagegen_app.services.library import placement, review
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from tests.services import arranged
from tests.services.arranged import change_job

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db(transaction=True)

PROMPT = "A portrait of Ada <Byron> & “the countess”"


@pytest.fixture
def telling(site: Site, settings: Any, tmp_path: Path) -> Site:
    """Return a site that publishes prompts and names in its files, in all formats."""
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "MARKS": {"INCLUDE_PROMPT": True, "INCLUDE_NAMES": True},
        "RENDITIONS": {"WIDTHS": [32], "FORMATS": ["avif", "webp", "jpeg"]},
        "STATE_DIR": tmp_path / "state",
    }
    return site


@pytest.fixture
def officer(telling: Site) -> Person:
    user = make_user("officer", permissions=["imagegen.erase_personal_data"])
    return access.actor_for(user)


def made(site: Site, **changes: Any) -> Asset:
    job = site.request(**{"prompt": PROMPT, **changes})
    driver.drive(seconds=15)
    job.refresh_from_db()
    assert job.state == "succeeded", (job.state, job.error_code, job.error_message)
    return job.assets.get()


def files(asset: Asset) -> dict[str, tuple[str, str]]:
    """Return the storage key and media type of each file that the public may get."""
    return {
        "master": (asset.storage_key, asset.media_type),
        **{r.format: (r.storage_key, f"image/{r.format}") for r in asset.renditions.all()},
    }


def pixels(key: str) -> bytes:
    with Image.open(io.BytesIO(storage.get(key))) as image:
        return image.convert("RGB").tobytes()


def test_files_that_tell_the_prompt_are_rewritten_and_signed_again(
    telling: Site, officer: Person
) -> None:
    asset = made(telling)
    before = files(asset)
    assert set(before) == {"master", "avif", "webp", "jpeg"}
    shown = {name: pixels(key) for name, (key, _type) in before.items()}
    assert all(read_xmp(storage.get(key)).prompt for key, _type in before.values())
    scope = scopes.job_scope(asset.job)
    seen = {line.label: line.count for line in preview.preview(officer, scope).files}

    report = commands.erase(officer, scope, reason="asked")

    asset.refresh_from_db()
    after = files(asset)
    for name, (key, media_type) in after.items():
        data = storage.get(key)
        assert not resigning.has_text(data, [PROMPT]), name
        marks = read_xmp(data)
        assert (marks.prompt, marks.prompt_writer) == ("", "edda"), name
        assert marks.digital_source_type == asset.digital_source_type
        assert read_content_credentials(data, media_type).state == "valid", name
        assert pixels(key) == shown[name], name
    assert storage.file_hash(storage.get(asset.storage_key)) == asset.sha256
    for key, _type in before.values():
        with pytest.raises(storage.FileMissing):
            storage.get(key)
    assert sum(seen.values()) == 1
    assert report.proof.is_clean, report.proof.findings
    event = AuditEvent.objects.get(type="asset.rewritten")
    assert len(json.loads(event.body)["data"]["files"]) == 4


def test_a_persons_name_goes_from_the_files_as_well(telling: Site, officer: Person) -> None:
    asset = made(telling)

    commands.erase_person(officer, subject=f"person:{telling.actor.id}", reason="asked")

    asset.refresh_from_db()
    for key, _type in files(asset).values():
        marks = read_xmp(storage.get(key))
        assert (marks.prompt, marks.prompt_writer) == ("", "")


def test_a_copy_in_the_sites_content_is_replaced(telling: Site, officer: Person) -> None:
    asset = made(telling)
    product, _other = arranged.product_and_asset(telling)
    reviewer = access.actor_for(make_user("boss", is_superuser=True))
    review.approve(actor=reviewer, asset=asset)
    placed = placement.attach(actor=reviewer, asset=asset, target=product, field="image")
    former = placed.placed_value

    report = commands.erase(officer, scopes.job_scope(asset.job), reason="asked")

    product.refresh_from_db()
    asset.refresh_from_db()
    placed.refresh_from_db()
    assert product.image.name == placed.placed_value != former
    with product.image.open() as file:
        assert storage.file_hash(file.read()) == asset.sha256
    assert not product.image.storage.exists(former)
    assert report.proof.is_clean, report.proof.findings


def test_an_earlier_copy_and_the_thumbnails_of_copies_carry_no_erased_text(
    telling: Site, officer: Person
) -> None:
    asset = made(telling)
    product, other = arranged.product_and_asset(telling)
    reviewer = access.actor_for(make_user("boss", is_superuser=True))
    review.approve(actor=reviewer, asset=asset)
    placed = placement.attach(actor=reviewer, asset=asset, target=product, field="image")
    former, store = placed.placed_value, product.image.storage
    thumbnail = get_thumbnailer(product.image).get_thumbnail({"size": (20, 20)})
    later = placement.attach(actor=reviewer, asset=other, target=product, field="image")

    report = commands.erase(officer, scopes.job_scope(asset.job), reason="asked")
    kept = [store.exists(former), thumbnail.storage.exists(thumbnail.name)]
    placement.detach(actor=reviewer, placement=later)
    product.refresh_from_db()

    assert kept == [False, False]
    assert report.proof.is_clean, report.proof.findings
    with product.image.open() as file:
        assert not resigning.has_text(file.read(), [PROMPT])


def told_png(data: bytes) -> bytes:
    """Return a PNG that tells its prompt, as some providers' do, compressed."""
    note = PngImagePlugin.PngInfo()
    note.add_text("parameters", PROMPT, zip=True)
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.save(out, "PNG", pnginfo=note)
    return out.getvalue()


@pytest.fixture
def telling_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the provider write the prompt into its files."""
    from dataclasses import replace  # noqa: PLC0415

    read = Sandbox.read_answer

    def read_answer(self: Sandbox, answer: Any) -> Any:
        result = read(self, answer)
        images = tuple(replace(one, data=told_png(one.data)) for one in result.images)
        return replace(result, images=images)

    monkeypatch.setattr(Sandbox, "read_answer", read_answer)


def test_a_providers_file_loses_the_metadata_that_tells_the_prompt(
    telling: Site, officer: Person, telling_provider: None
) -> None:
    asset = made(telling)
    former = asset.original_storage_key
    assert resigning.has_text(storage.get(former), [PROMPT])
    shown = pixels(former)

    report = commands.erase(officer, scopes.job_scope(asset.job), reason="asked")

    asset.refresh_from_db()
    data = storage.get(asset.original_storage_key)
    assert not resigning.has_text(data, [PROMPT])
    assert pixels(asset.original_storage_key) == shown
    assert (storage.file_hash(data), len(data)) == (
        asset.original_sha256,
        asset.original_byte_size,
    )
    assert report.proof.is_clean, report.proof.findings


def test_a_file_that_cannot_be_rewritten_refuses_the_erasure_with_the_reason(
    telling: Site, officer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = made(telling)

    def refuse(*_arguments: Any, **_options: Any) -> bytes:
        raise resigning.CannotResign("The certificate has expired.")

    monkeypatch.setattr(resigning, "resign_files", refuse)

    with pytest.raises(commands.CannotErase, match="The certificate has expired"):
        commands.erase(officer, scopes.job_scope(asset.job), reason="asked")

    job = Job.objects.get()
    assert job.prompt == PROMPT
    assert storage.get(asset.storage_key)


def test_files_that_somebody_deleted_do_not_keep_a_prompt_from_being_erased(
    telling: Site, officer: Person
) -> None:
    asset = made(telling)
    for key, _type in files(asset).values():
        storage.delete(key)
    storage.delete(asset.original_storage_key)

    report = commands.erase(officer, scopes.job_scope(asset.job), reason="asked")

    assert Job.objects.get().prompt == ""
    assert report.proof.is_clean, report.proof.findings


def test_an_interrupted_erasure_deletes_the_former_files_when_it_is_repeated(
    telling: Site, officer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = made(telling)
    former = asset.storage_key
    scope = scopes.job_scope(asset.job)

    def fail(_keys: Any) -> None:
        raise storage.StorageFailed("away")

    with monkeypatch.context() as patch:
        patch.setattr(_files, "delete_former_files", fail)
        with pytest.raises(access.ActionRefused):
            commands.erase(officer, scope, reason="asked")
    assert Job.objects.get().prompt == PROMPT
    assert storage.get(former)

    report = commands.erase(officer, scope, reason="asked")

    assert report.proof.is_clean, report.proof.findings
    with pytest.raises(storage.FileMissing):
        storage.get(former)


def test_the_files_of_an_sqlite_database_do_not_hold_the_text(
    telling: Site, officer: Person
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite's files are in reach")
    asset = made(telling)
    # Old versions of a row stay in free pages.
    for number in range(50):
        change_job(asset.job, prompt=f"{PROMPT} {number} " + "x" * 3000)
    change_job(asset.job, prompt=PROMPT)
    paths = _database_files.files()
    assert any(_database_files.has_text(path, [PROMPT]) for path in paths)

    report = commands.erase(officer, scopes.job_scope(asset.job), reason="asked")

    assert report.problem == ""
    assert [p.name for p in _database_files.files() if _database_files.has_text(p, [PROMPT])] == []
    assert report.proof.is_clean, report.proof.findings


def test_a_database_that_is_in_use_is_told_and_cleaned_the_next_time(
    telling: Site, officer: Person
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite's files are in reach")
    asset = made(telling)
    scope = scopes.job_scope(asset.job)
    other = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)
    try:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM imagegen_job").fetchone()
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 200")
        first = commands.erase(officer, scope, reason="asked")
    finally:
        other.close()
        connection.close()

    second = commands.erase(officer, scope, reason="asked", also_search=[PROMPT])

    assert first.problem
    assert any("sqlite3" in one.place for one in first.proof.findings)
    assert Job.objects.get().prompt == ""
    assert (second.problem, second.proof.findings) == ("", ())
    kinds = AuditEvent.objects.filter(type__startswith="privacy.erasure").order_by("pk")
    assert list(kinds.values_list("type", flat=True)) == [
        "privacy.erasure_incomplete",
        "privacy.erasure_proved",
    ]
