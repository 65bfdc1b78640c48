"""Answers that were paid for are kept when they cannot be used, and read again at no cost."""

from __future__ import annotations

import io
import json
import os
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagegen_app.core.actors import System
from imagegen_app.models import (
    Asset,
    Attempt,
    AuditEvent,
    Batch,
    BudgetPeriod,
    Job,
    KeptAnswer,
)
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import kept_files, spool
from imagegen_app.services.job_requests import rereading
from imagegen_app.services.job_requests.rereading import CannotReadAgain
from imagegen_app.services.jobs import kept_answers
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.services.worker import driver, sweep
from imagegen_app.testing.factories import make_image_model, make_template
from tests.services.conftest import Site, at_simulator, governed

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.testing.simulator.process import SimulatorProcess

ADMIN = System("test")


@pytest.fixture(autouse=True)
def state_folder(settings: Any, tmp_path: Path) -> Path:
    """Keep spool and kept answers of each test apart."""
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path / "state"}
    return tmp_path / "state"


@pytest.fixture
def site(db: None, small: Any, state_folder: Path) -> Site:
    """Return a site that uses the sandbox and its own state folder."""
    small.IMAGEGEN = {**small.IMAGEGEN, "STATE_DIR": state_folder}
    return governed(make_image_model(provider_model_name="sandbox-1"))


def use_adapter(settings: Any, name: str) -> None:
    """Let the sandbox's answers be read by an adapter as it is before or after an upgrade."""
    path = f"tests.services.job_requests.faulty_adapters.{name}" if name else ""
    settings.IMAGEGEN = {**settings.IMAGEGEN, "ADAPTERS": {"sandbox": path} if path else {}}


def kept_by_a_failed_job(site: Site, settings: Any, **changes: Any) -> KeptAnswer:
    """Let a job end because its answer cannot be read; return the kept answer."""
    job = site.request(**changes)
    use_adapter(settings, "ReadsNothing")
    driver.drive(seconds=10)
    use_adapter(settings, "")
    kept_answers.move_files(job.attempts.get())
    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "bad_response")
    return KeptAnswer.objects.get(attempt__job=job)


def spent() -> Decimal:
    total: Decimal = BudgetPeriod.objects.get().spent
    return total


def test_an_answer_that_cannot_be_read_is_kept_with_its_charge(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings)

    answer = kept_files.answer_of(kept.attempt)
    assert kept.attempt.job.actual_cost == kept.attempt.reserved_cost > 0
    assert answer.folder.parent == kept_files.folder()
    assert list(answer.parts()) == ["body", "image-0"]
    assert (kept.reason, kept.detail) == ("bad_response", "not JSON")
    assert kept.byte_size == sum(len(answer.read(part=p)) for p in answer.parts())
    assert not spool.answer_of(kept.attempt).folder.exists()
    event = AuditEvent.objects.get(type="answer.kept")
    assert event.job_id == kept.attempt.job_id


def test_it_is_read_again_after_an_upgrade_at_no_cost(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings, count=2)
    before = spent()

    job = rereading.read_again(actor=ADMIN, kept=kept)
    driver.drive(seconds=20)

    job.refresh_from_db()
    earlier = kept.attempt.job
    earlier.refresh_from_db()
    assert (job.state, job.error_code, job.actual_cost) == ("succeeded", "", 0)
    assert Asset.objects.filter(job=job).count() == job.count == 2
    assert (job.replaces, job.requester, job.prompt) == (
        earlier,
        earlier.requester,
        earlier.prompt,
    )
    assert (earlier.state, earlier.error_code) == ("failed", "bad_response")
    assert spent() == before
    assert job.attempts.get().rereads == kept
    assert job.attempts.get().sent_at is None
    types = list(AuditEvent.objects.filter(job_id=job.pk).values_list("type", flat=True))
    assert "job.requested" in types
    assert "job.submitted" not in types
    assert AuditEvent.objects.filter(type="answer.read_again", job_id=earlier.pk).exists()
    assert doctor.violated_invariants() == {}


def test_two_equal_images_of_an_answer_count_as_two(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings, count=2)
    use_adapter(settings, "ReadsTwins")

    job = rereading.read_again(actor=ADMIN, kept=kept)
    driver.drive(seconds=20)

    job.refresh_from_db()
    assert (job.state, job.error_code, job.count) == ("succeeded", "", 2)
    assert Asset.objects.filter(job=job).count() == 2


def test_what_still_cannot_be_read_is_refused_and_nothing_is_left(
    site: Site, settings: Any
) -> None:
    kept = kept_by_a_failed_job(site, settings)
    use_adapter(settings, "ReadsNothing")

    with pytest.raises(CannotReadAgain, match="not JSON"):
        rereading.read_again(actor=ADMIN, kept=kept)

    assert Job.objects.count() == 1
    assert list(spool.folder().iterdir()) == []


def test_reading_again_twice_makes_its_images_once(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings)
    rereading.read_again(actor=ADMIN, kept=kept)

    with pytest.raises(CannotReadAgain, match="It is being read again right now") as refused:
        rereading.read_again(actor=ADMIN, kept=kept)
    assert refused.value.remedy == "Wait until that job has ended."
    assert Attempt.objects.get(rereads=kept).number == 1
    driver.drive(seconds=20)
    with pytest.raises(CannotReadAgain):
        rereading.read_again(actor=ADMIN, kept=kept)

    assert Asset.objects.count() == 1


def test_only_people_with_the_permission_may_do_it(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings)

    with pytest.raises(NotPermitted):
        rereading.read_again(actor=site.actor, kept=kept)
    with pytest.raises(NotPermitted):
        rereading.record_download(actor=site.actor, kept=kept, part="body")


def test_a_download_is_recorded_with_its_part(site: Site, settings: Any) -> None:
    rereading.record_download(actor=ADMIN, kept=kept_by_a_failed_job(site, settings), part="body")

    event = AuditEvent.objects.get(type="answer.downloaded")
    assert json.loads(event.body)["data"] == {"part": "body"}


def test_one_bad_image_of_four_is_kept_and_only_it_is_made_when_it_is_read_again(
    site: Site, settings: Any
) -> None:
    # Of a fixed seed: by chance, two small drawings may be twins.
    job = site.request(count=4, seed=11)
    use_adapter(settings, "LosesTheThird")
    driver.drive(seconds=20)
    use_adapter(settings, "")
    job.refresh_from_db()
    assert (job.state, job.error_code) == ("succeeded", "fewer_images")
    assert Asset.objects.filter(job=job).count() == 3
    assert job.actual_cost == job.estimated_cost
    kept = KeptAnswer.objects.get(attempt__job=job)
    assert (kept.reason, kept.detail) == ("fewer_images", "an image is cut off")

    again = rereading.read_again(actor=ADMIN, kept=kept)
    driver.drive(seconds=20)

    again.refresh_from_db()
    assert (again.state, again.count, again.actual_cost) == ("succeeded", 1, 0)
    hashes = Asset.objects.values_list("original_sha256", flat=True)
    assert len(set(hashes)) == len(hashes) == 4
    assert doctor.violated_invariants() == {}


@pytest.mark.usefixtures("db")
def test_hostile_images_are_kept_too(
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
    small: Any,
    state_folder: Path,
) -> None:
    small.IMAGEGEN = {**small.IMAGEGEN, "STATE_DIR": state_folder}
    site = governed(at_simulator(simulator, small, monkeypatch, "openai"))
    simulator.fail("svg", times=1)
    job = site.request(size="1024x1024")

    driver.drive(seconds=15)

    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "bad_image")
    assert KeptAnswer.objects.get(attempt__job=job).reason == "bad_image"


def test_old_answers_are_removed_and_the_log_says_so(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings)
    old = clock.now() - timedelta(days=31)
    use_case(audited=False)(lambda: KeptAnswer.objects.update(kept_at=old))()

    assert kept_answers.clear_old_answers() == 1
    assert kept_answers.clear_old_answers() == 0

    kept.refresh_from_db()
    assert kept.removed_at is not None
    assert AuditEvent.objects.filter(type="answer.removed").count() == 1
    with pytest.raises(CannotReadAgain, match="removed"):
        rereading.read_again(actor=ADMIN, kept=kept)


def test_a_kept_answer_that_was_never_moved_survives_the_sweep(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings)
    in_spool = spool.answer_of(kept.attempt).folder
    kept_files.answer_of(kept.attempt).folder.rename(in_spool)
    os.utime(in_spool, (0, 0))

    sweep.clear_spool()

    assert kept_files.answer_of(kept.attempt).folder.parent == kept_files.folder()
    assert kept_files.answer_of(kept.attempt).is_complete


def test_what_a_killed_process_was_writing_is_removed(site: Site) -> None:
    site.request()
    folder = spool.folder() / str(Attempt().pk)
    folder.mkdir()
    for name, age in (("old.partial", 0.0), ("new.partial", None)):
        (folder / name).write_bytes(b"x")
        if age is not None:
            os.utime(folder / name, (age, age))

    sweep.clear_spool()

    assert [path.name for path in folder.iterdir()] == ["new.partial"]


def test_erasing_a_prompt_removes_the_answers_that_repeat_it(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings)

    erasure.erase_prompt(ADMIN, job=kept.attempt.job, reason="asked")

    kept.refresh_from_db()
    assert kept.removed_at is not None


def test_many_kept_bytes_are_a_finding(site: Site, settings: Any) -> None:
    kept_by_a_failed_job(site, settings)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SPOOL": {"MAX_KEPT_BYTES": 10}}

    findings = [r for r in doctor.run_all_checks() if r.part == "answers" and r.level != "ok"]

    assert [finding.level for finding in findings] == ["warning"]


def test_another_file_system_gets_a_whole_copy(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings)
    moved = kept_files.answer_of(kept.attempt).folder
    in_spool = spool.answer_of(kept.attempt).folder

    kept_files._copy_over(moved, in_spool)

    assert not moved.exists()
    assert Image.open(io.BytesIO((in_spool / "image-0").read_bytes())).size == (64, 64)


@pytest.mark.usefixtures("db")
def test_a_result_that_was_gone_for_a_while_is_fetched_when_it_is_read_again(
    simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch, small: Any, state_folder: Path
) -> None:
    small.IMAGEGEN = {**small.IMAGEGEN, "STATE_DIR": state_folder}
    site = governed(at_simulator(simulator, small, monkeypatch, "generic_jobs"))
    simulator.fail("status", status=404, on="file", times=1)
    job = site.request(count=2)
    driver.drive(seconds=20)
    job.refresh_from_db()
    assert (job.error_code, Asset.objects.filter(job=job).count()) == ("fewer_images", 1)

    again = rereading.read_again(actor=ADMIN, kept=KeptAnswer.objects.get())
    driver.drive(seconds=20)

    again.refresh_from_db()
    assert (again.state, again.error_code, again.count) == ("succeeded", "", 1)
    assert Asset.objects.filter(job=again).count() == 1
    assert simulator.bill()["images"] == 2


def test_a_batch_counts_the_row_once(site: Site, settings: Any) -> None:
    kept = kept_by_a_failed_job(site, settings)
    job = kept.attempt.job
    template = make_template(image_model=job.image_model)

    def join_batch() -> Batch:
        batch = Batch.objects.create(
            title="b",
            image_model=job.image_model,
            template_version=template,
            row_count=1,
            prepared_rows=1,
            job_count=1,
            failed=1,
        )
        Job.objects.filter(pk=job.pk).update(batch=batch)
        return batch

    batch = use_case(audited=False)(join_batch)()

    kept.refresh_from_db()
    rereading.read_again(actor=ADMIN, kept=KeptAnswer.objects.get())
    driver.drive(seconds=20)

    batch.refresh_from_db()
    assert (batch.job_count, batch.succeeded, batch.failed) == (1, 1, 0)
    assert (batch.reserved, batch.spent) == (0, 0)
