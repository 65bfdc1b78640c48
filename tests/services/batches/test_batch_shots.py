"""A batch makes each shot of each row exactly once, and places each where it is for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission

from imagegen_app.core.csv_cells import read_rows
from imagegen_app.core.shots import Shot
from imagegen_app.models import Asset, AuditEvent, Batch, Job, Placement, ScheduledPlacement
from imagegen_app.services.batches import (
    batch_actions,
    lifecycle,
    outdated,
    placing,
    planning,
    regeneration,
    row_export,
    row_jobs,
    row_list,
)
from imagegen_app.services.batches.batch_shots import ShotPlace, usual_places
from imagegen_app.services.batches.lifecycle import BatchLimits
from imagegen_app.services.batches.row_list import RowFilter
from imagegen_app.services.batches.row_sources import RowValues
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import from_job, template_drafts, templates
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.jobs import batch_counts, leases, transitions
from imagegen_app.services.library import review, review_cases
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_template, make_user
from project.catalog.models import Product
from tests.services.arranged import change_job
from tests.services.batches.test_lifecycle import prepare, products, start, with_budget
from tests.services.batches.test_outdated import changed

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.batches.outdated import OutdatedPage
    from tests.services.conftest import Site

FRONT = Shot("front", "Front", "seen from the front")
BACK = Shot("back", "Back", "the back of the {{ product }}", "64x128")
DETAIL = Shot("detail", "Detail", "a detail")
SHOTS = [one.as_dict() for one in (FRONT, BACK, DETAIL)]
PLACES = [ShotPlace("front", "image"), ShotPlace("back", "image_back"), ShotPlace("detail")]


@pytest.fixture
def version(site: Site) -> TemplateVersion:
    site.actor.user.user_permissions.add(Permission.objects.get(codename="change_product"))
    with_budget(site, 100)  # type: ignore[arg-type]  # a whole number is one, too
    return make_template(
        body="A {{ product }}, {{ shot }}",
        variables=[{"name": "product", "label": "Product"}],
        width=64,
        height=64,
        image_model=site.model,
        seed_strategy="per_row",
        shots=SHOTS,
    )


@pytest.fixture
def boss(site: Site) -> Person:
    del site
    return access.actor_for(make_user("shots-boss", is_superuser=True))


def made(site: Site, version: TemplateVersion, number: int = 2, **changes: Any) -> Batch:
    batch = start(site, version, products(number), **{"shots": PLACES, **changes})
    prepare()
    driver.drive(seconds=40)
    return Batch.objects.get(pk=batch.pk)


def approved(boss: Person, batch: Batch) -> list[Asset]:
    for asset in Asset.objects.filter(job__batch=batch):
        review.approve(actor=boss, asset=asset)
    return list(Asset.objects.filter(job__batch=batch).select_related("job"))


def test_each_row_is_made_once_with_each_shot(site: Site, version: TemplateVersion) -> None:
    batch = start(site, version, products(2), shots=PLACES)
    prepare()

    jobs = list(Job.objects.filter(batch=batch).order_by("pk"))
    assert [job.shot for job in jobs] == ["front", "back", "detail"] * 2
    assert (
        jobs[1].prompt
        == f"A {jobs[1].variables['product']}, the back of the " + (jobs[1].variables["product"])
    )
    assert [(job.width, job.height) for job in jobs[:3]] == [(64, 64), (64, 128), (64, 64)]
    assert len({job.seed for job in jobs}) == 2
    assert jobs[0].seed == jobs[1].seed == jobs[2].seed
    assert len({job.idempotency_key for job in jobs}) == 6
    event = AuditEvent.objects.get(type="batch.created")
    assert '"shots":["front","back","detail"]' in event.body


def test_without_a_word_all_shots_are_made_and_the_first_is_for_the_field(
    site: Site, version: TemplateVersion
) -> None:
    batch = start(site, version, products(1))

    assert batch.shot_fields == {"front": "image", "back": "image_back", "detail": ""}
    target = content_fields.target_by_path("catalog.Product.image_back")
    assert usual_places(target, [FRONT, DETAIL]) == (
        ShotPlace("front", "image_back"),
        ShotPlace("detail"),
    )
    assert usual_places(None, [FRONT]) == (ShotPlace("front"),)


def test_a_worker_killed_within_a_chunk_leaves_no_shot_behind_or_twice(
    site: Site, version: TemplateVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_jobs, "CHUNK_SIZE", 7)
    batch = start(site, version, products(5), shots=PLACES)
    row_jobs.create_next_jobs()
    first = Job.objects.count(), Batch.objects.get(pk=batch.pk).prepared_rows

    def die(_name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(row_jobs, "failpoint", die)
        with pytest.raises(KeyboardInterrupt):
            row_jobs.create_next_jobs()
    half = Job.objects.count(), Batch.objects.get(pk=batch.pk).prepared_rows
    prepare()

    assert first == half == (6, 2)
    found = Job.objects.filter(batch=batch).values_list("row_key", "shot")
    assert len(found) == len(set(found)) == 15


def test_a_stale_worker_that_prepared_the_same_rows_creates_nothing(
    site: Site, version: TemplateVersion
) -> None:
    start(site, version, products(2), shots=PLACES)
    stale = row_jobs._next_batch(())
    assert stale is not None
    row_jobs.create_next_jobs()

    with pytest.raises(row_jobs._AnotherWorker):
        row_jobs._create_chunk(stale)

    assert Job.objects.count() == 6


def test_a_pilot_makes_all_shots_of_its_rows(site: Site, version: TemplateVersion) -> None:
    batch = made(site, version, 4, limits=BatchLimits(pilot=1))

    found = batch_counts.counts_of(batch)
    assert batch.pause_reason == "pilot"
    assert (found.prepared_rows, found.job_count, found.unprepared_jobs) == (1, 3, 9)
    assert (found.wanted_jobs, found.invalid_rows) == (12, 0)
    batch_actions.resume(actor=site.actor, batch=batch)
    prepare()
    assert Job.objects.filter(batch=batch).count() == 12


def test_the_estimate_counts_every_shot_and_too_many_images_are_refused(
    site: Site, version: TemplateVersion
) -> None:
    one = lifecycle.estimate_cost(version, site.model, rows=1, shots=["front"])

    assert lifecycle.estimate_cost(version, site.model, rows=1) == one
    assert (
        lifecycle.estimate_cost(version, site.model, rows=2, shots=["front", "detail"]) == 4 * one
    )
    with pytest.raises(InvalidJobRequest, match="4000 rows with 3 shots are 12000 images"):
        start(site, version, [str(number) for number in range(4000)])
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    ("shots", "told"),
    [
        ([], "No shot is chosen."),
        ([ShotPlace("side")], "has no shot “side”"),
        ([ShotPlace("front"), ShotPlace("front")], "A shot is chosen twice."),
        ([ShotPlace("front", "name")], "cannot be placed in the field “name”"),
        ([ShotPlace("front", "image"), ShotPlace("back", "image")], "in the same field"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_before_anything_is_stored(
    site: Site, version: TemplateVersion, shots: list[ShotPlace], told: str
) -> None:
    with pytest.raises(InvalidJobRequest, match=told):
        start(site, version, products(1), shots=shots)

    assert not Batch.objects.exists()


def test_each_shot_is_placed_in_its_own_field_and_one_without_stays_in_the_library(
    site: Site, version: TemplateVersion, boss: Person
) -> None:
    batch = made(site, version)
    number = lifecycle.place_approved(actor=boss, batch=batch, assets=approved(boss, batch))

    placed = {
        (one.object_id, one.field): one.asset.job.shot
        for one in Placement.objects.active().select_related("asset__job")
    }
    keys = [str(key) for key in Batch.objects.get().rows]
    assert number == 4
    assert placed == {
        (key, field): shot
        for key in keys
        for field, shot in (("image", "front"), ("image_back", "back"))
    }
    product = Product.objects.get(pk=keys[0])
    assert product.image.name != product.image_back.name
    assets = list(Asset.objects.filter(job__row_key=keys[0]).select_related("job"))
    present = placing.present_images(batch, assets)
    assert present == {
        (keys[0], "front"): product.image.url,
        (keys[0], "back"): product.image_back.url,
    }


def test_a_review_names_the_field_that_the_shot_is_for(
    site: Site, version: TemplateVersion
) -> None:
    made(site, version, 1)
    assets = {one.job.shot: one for one in Asset.objects.select_related("job__batch")}

    assert [line.text for line in review_cases.places_of(assets["back"])] == ["Cup 0: second image"]
    assert review_cases.places_of(assets["detail"]) == []


def test_scheduled_placements_are_for_the_field_of_the_shot(
    site: Site, version: TemplateVersion, boss: Person
) -> None:
    batch = made(site, version, 1)
    assets = approved(boss, batch)
    due_at = clock.now() + timedelta(days=1)
    number = placing.schedule_approved(actor=boss, batch=batch, assets=assets, due_at=due_at)

    rows = ScheduledPlacement.objects.select_related("asset__job")
    assert number == 2
    assert {(one.field, one.asset.job.shot) for one in rows} == {
        ("image", "front"),
        ("image_back", "back"),
    }


def target_of(field: str) -> Any:
    return content_fields.target_by_path(f"catalog.Product.{field}")


def find(boss: Person, field: str) -> OutdatedPage:
    return outdated.find_page(actor=boss, target=target_of(field))


def test_what_is_placed_is_compared_with_its_own_shot_and_made_anew_for_its_own_field(
    site: Site, version: TemplateVersion, boss: Person
) -> None:
    batch = made(site, version, 1)
    lifecycle.place_approved(actor=boss, batch=batch, assets=approved(boss, batch))
    assert find(boss, "image").images == find(boss, "image_back").images == []
    changed(version, shots=[FRONT, replace(BACK, text="from behind"), DETAIL])

    assert find(boss, "image").images == []
    (one,) = find(boss, "image_back").images
    (again,) = outdated.refresh(
        actor=site.actor, target=target_of("image_back"), shown=None, key="again"
    )
    assert one.today.shot == "back"
    assert again.shot_fields == {"back": "image_back"}
    # It waits in that field, and only there.
    assert find(boss, "image_back").images[0].asked_in == again
    prepare()
    assert [job.shot for job in again.jobs.all()] == ["back"]
    assert find(boss, "image_back").images[0].asked_in == again


def test_a_placed_shot_that_the_template_has_no_more_says_so(
    site: Site, version: TemplateVersion, boss: Person
) -> None:
    batch = made(site, version, 1)
    lifecycle.place_approved(actor=boss, batch=batch, assets=approved(boss, batch))
    changed(version, shots=[FRONT])

    (one,) = find(boss, "image_back").images
    assert "has no shot “back”" in one.today.problem
    assert not one.is_refreshable


def test_a_rerun_keeps_the_shot_of_its_own_version(site: Site, version: TemplateVersion) -> None:
    batch = start(site, version, products(1), shots=PLACES)
    prepare()
    for job in leases.claim(limit=3, owner="w"):
        transitions.cancel(job, None, charge=None)
    changed(version, body="A {{ product }}", shots=[])
    batch_actions.rerun_failed(actor=site.actor, batch=batch)
    driver.drive(seconds=40)

    new = Job.objects.filter(replaces__isnull=False)
    assert sorted(new.values_list("shot", flat=True)) == ["back", "detail", "front"]
    back = new.get(shot="back")
    assert back.prompt.endswith(f"the back of the {back.variables['product']}")
    assert back.replaces is not None
    assert (back.prompt, back.seed, back.width, back.height) == (
        back.replaces.prompt,
        back.replaces.seed,
        64,
        128,
    )
    asset = Asset.objects.get(job=back)
    anew = regeneration.regenerate(actor=site.actor, asset=asset, note="Lighter")
    assert (anew.shot, anew.prompt.splitlines()[-1]) == ("back", "Lighter")
    assert from_job.added_instruction(anew) == "Lighter"


def test_a_shot_whose_texts_are_refused_is_skipped_alone_and_told_by_name(
    site: Site, version: TemplateVersion
) -> None:
    long = Shot("long", "Long", "{{ product }}" * 70)
    version = changed(version, shots=[FRONT, long])
    keys = products(2)
    Product.objects.filter(pk=keys[0]).update(name="x" * 119)
    batch = start(site, version, keys)
    prepare()

    batch.refresh_from_db()
    assert batch_counts.counts_of(batch).invalid_rows == 1
    (told,) = batch.invalid_rows
    assert (told["shot"], told["key"]) == ("long", keys[0])
    lines = list(row_export.export_lines(actor=site.actor, batch=batch, link=str))
    head = [str(name) for name in lines[0]]
    rows = [dict(zip(head, line, strict=True)) for line in lines[1:]]
    assert [(one["shot"], one["state"]) for one in rows] == [
        ("Front", "Queued"),
        ("Front", "Queued"),
        ("Long", "Queued"),
        ("Long", "Skipped"),
    ]


def test_rows_are_counted_filtered_and_exported_by_shot(
    site: Site, version: TemplateVersion
) -> None:
    batch = made(site, version, 3, limits=BatchLimits(pilot=1))
    numbers = row_list.count_rows(batch)
    text = "".join(
        row_export.write_csv(row_export.export_lines(actor=site.actor, batch=batch, link=str))
    )
    head, *rows = read_rows(text.splitlines(keepends=True))

    assert [(one.value, one.label, one.count) for one in numbers.shots] == [
        ("front", "Front", 1),
        ("back", "Back", 1),
        ("detail", "Detail", 1),
    ]
    assert row_list.filtered_jobs(batch, RowFilter(shot="back")).get().shot == "back"
    column = head.index("shot")
    assert [row[column] for row in rows] == ["Front", "Back", "Detail"] * 3


def test_the_preview_plans_each_shot_and_what_was_agreed_to_includes_it(
    site: Site, version: TemplateVersion
) -> None:
    def plan(*names: str) -> planning.BatchPlan:
        rows = [RowValues("1", "Cup", {"product": "cup"}, shot=name) for name in names]
        return planning.plan_rows(actor=site.actor, version=version, rows=rows)

    found = plan("front", "back")
    prompts = [one.job_request.provider_request.prompt for one in found.rows if one.job_request]
    assert prompts == ["A cup, seen from the front", "A cup, the back of the cup"]
    assert found.fingerprint != plan("front", "detail").fingerprint
    assert found.fingerprint == plan("front", "back").fingerprint
    assert "no shot “side”" in plan("side").rows[0].error


def test_a_kept_answer_and_follow_up_passes_keep_the_shot(
    site: Site, version: TemplateVersion
) -> None:
    draft = template_drafts.draft_of(version)
    stored = templates.create(
        actor=access.actor_for(make_user("shots-author", is_superuser=True)),
        name="Again",
        slug="again",
        draft=draft,
    )
    assert stored.current is not None
    assert template_drafts.is_same(template_drafts.draft_of(stored.current), draft)
    job = Job.objects.filter(batch=made(site, version, 1)).get(shot="back")
    change_job(job, chosen={})
    assert from_job.job_request_from(actor=site.actor, job=job).shot == "back"
