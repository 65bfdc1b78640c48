"""Rows with input images: planned unread, refused row by row, read by the worker, recorded with their origin."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile

from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, AuditEvent, Batch, Job, JobInput, Verdict
from imagegen_app.services.batches import lifecycle, planning, row_jobs
from imagegen_app.services.batches.lifecycle import TableSource
from imagegen_app.services.batches.row_sources import ObjectRows, TableRows
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields, remote_pictures
from imagegen_app.services.job_requests import creation, from_job
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.testing.factories import make_asset, make_image, make_template, make_user
from project.catalog.models import Product
from tests.image_server import ImageServer, image_server
from tests.services.batches.test_lifecycle import TARGET, VARIABLES, products, with_budget
from tests.services.batches.test_row_sources import invalid, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.models import TemplateVersion, UploadedTable
    from tests.services.conftest import Site

MAPPING = {"product": "Name"}
IMAGES = {"image": "Photo"}


@pytest.fixture
def server(settings: Any, small: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageServer]:
    """A server of images that the site names as its own."""
    with image_server() as running:
        settings.IMAGEGEN = {**settings.IMAGEGEN, "INPUT_ORIGINS": [running.url]}
        monkeypatch.setattr(remote_pictures, "PAUSES", (0.0, 0.0))
        yield running


@pytest.fixture
def version(site: Site) -> TemplateVersion:
    with_budget(site, Decimal(100))
    return make_template(
        body="Put the {{ product }} on a table",
        variables=VARIABLES,
        operation="edit",
        image_model=site.model,
    )


def rows_of(*cells: str) -> bytes:
    lines = [f"A-{n};Cup {n};{cell}" for n, cell in enumerate(cells, start=1)]
    return "\n".join(["SKU;Name;Photo", *lines]).encode()


def source(stored: UploadedTable) -> TableRows:
    return TableRows(stored, key_column="SKU", mapping=MAPPING, fixed={}, images=IMAGES)


def start(site: Site, version: TemplateVersion, stored: UploadedTable, **changes: Any) -> Batch:
    values: dict[str, Any] = {
        "actor": site.actor,
        "version": version,
        "title": "Cups",
        "keys": source(stored).keys,
        "target": None,
        "mapping": MAPPING,
        "images": IMAGES,
        "table": TableSource(stored, "SKU"),
        "key": uuid4().hex,
        **changes,
    }
    return lifecycle.start(**values)


def prepare(batch: Batch) -> Batch:
    """Create jobs until the batch is through or paused; its images come from another thread."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        row_jobs.create_next_jobs()
        batch.refresh_from_db()
        if batch.prepared_rows == batch.row_count or batch.paused_at is not None:
            return batch
    raise AssertionError("the rows were not made in time")


def errors(site: Site, version: TemplateVersion, stored: UploadedTable) -> list[str]:
    rows = source(stored).rows(0, 100)
    return [
        one.error for one in planning.plan_rows(actor=site.actor, version=version, rows=rows).rows
    ]


def test_images_at_addresses_become_inputs_with_their_origin(
    site: Site, version: TemplateVersion, server: ImageServer
) -> None:
    photo = make_image()
    server.files = {"/cup.png": photo}
    url = f"{server.url}/cup.png?token=secret"
    stored = table(site, rows_of(url, url, f"{server.url}/missing.png"))

    assert errors(site, version, stored) == ["", "", ""]
    assert server.asked == []

    batch = prepare(start(site, version, stored))
    entries = list(JobInput.objects.filter(job__batch=batch).order_by("pk"))
    assert sorted(batch.jobs.values_list("row_key", flat=True)) == ["A-1", "A-2"]
    assert [one.found_at for one in entries] == [f"{server.url}/cup.png"] * 2
    assert entries[0].role == "image"
    assert (entries[0].width, entries[0].height) == (64, 48)
    assert server.asked.count("/cup.png?token=secret") == 1
    assert invalid(batch) == ["There is no image at this address any more, or it is not public."]
    for event in AuditEvent.objects.filter(type="job.requested"):
        assert "secret" not in event.body


def test_an_asset_of_the_library_is_an_input_by_its_id(
    site: Site, version: TemplateVersion
) -> None:
    own = make_asset(requester=site.actor.user)
    others = make_asset(requester=make_user("otto"), review_state=ReviewState.PENDING)
    stored = table(site, rows_of(str(own.pk), str(others.pk), str(uuid4()), "cup-1"))
    cannot = (
        "The image that the row names cannot be used: there is none, it was rejected or "
        "withdrawn, or it is not yours."
    )

    assert errors(site, version, stored) == [
        "",
        cannot,
        cannot,
        "“cup-1” is neither an address with https:// nor the ID of an image.",
    ]
    batch = prepare(start(site, version, stored))
    assert [one.asset_id for one in JobInput.objects.filter(job__batch=batch)] == [own.pk]
    assert len(invalid(batch)) == 3


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("", "names no image"),
        ("http://shop.example.com/a.png", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("//shop.example.com/a.png", "must begin with https://"),
        ("data:image/png;base64,AAAA", "must begin with https://"),
        ("javascript:alert(1)", "must begin with https://"),
        ("https://user:pass@shop.example.com/a.png", "user name or a password"),
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("https://127.0.0.1/a.png", "private network"),
        ("https://127.1/a.png", "private network"),
        ("https://0x7f000001/a.png", "private network"),
        ("https://2130706433/a.png", "private network"),
        ("https://[::1]/a.png", "private network"),
        ("https://[::ffff:10.0.0.1]/a.png", "private network"),
        ("https://localhost/a.png", "private network"),
        ("https://LOCALHOST./a.png", "private network"),
        ("https://db.internal/a.png", "private network"),
        ("https://intranet/a.png", "private network"),
        ("https://shop.example.com:8443/a.png", "port"),
        ("https://shop.example.com/a b.png", "not an address"),
        ("https:///a.png", "not an address"),
        ("https://shop.example.com/" + "a" * 5000, "too long"),
        ('=HYPERLINK("https://shop.example.com")', "neither an address"),
        ("x" * 30_000, "too long"),
    ],
)
def test_a_cell_that_can_be_no_image_is_told_before_anything_is_fetched(
    site: Site, version: TemplateVersion, cell: str, problem: str
) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    (error,) = errors(site, version, table(site, rows_of(quoted)))

    assert problem in error
    assert len(error) < 250


def test_the_own_photos_of_objects_are_inputs(site: Site, version: TemplateVersion) -> None:
    may_change(site)
    keys = products(3)
    photos = [make_image(), make_image()]
    for key, photo in zip(keys, photos, strict=False):
        Product.objects.get(pk=key).image.save(f"{key}.png", ContentFile(photo))
    rows = ObjectRows(
        content_fields.target_by_path(TARGET),
        keys,
        mapping={"product": "name"},
        fixed={},
        images={"image": "image"},
    )
    plan = planning.plan_rows(actor=site.actor, version=version, rows=rows.rows(0, 3))

    assert [row.error for row in plan.rows] == ["", "", "The object has no image there."]

    batch = prepare(objects_batch(site, version, keys))
    entries = list(JobInput.objects.filter(job__batch=batch).order_by("pk"))
    assert len(entries) == 2
    assert [one.content_origin for one in entries] == [
        {"field": TARGET, "object": key} for key in keys[:2]
    ]
    assert entries[0].found_at == Product.objects.get(pk=keys[0]).image.name


def objects_batch(site: Site, version: TemplateVersion, keys: list[str], **changes: Any) -> Batch:
    values: dict[str, Any] = {
        "actor": site.actor,
        "version": version,
        "title": "Cups",
        "keys": keys,
        "target": content_fields.target_by_path(TARGET),
        "mapping": {"product": "name"},
        "images": {"image": "image"},
        "key": uuid4().hex,
        **changes,
    }
    return lifecycle.start(**values)


def may_change(site: Site, *, code: str = "change_product") -> None:
    from django.contrib.auth.models import Permission  # noqa: PLC0415

    user: Any = site.actor.user
    user.user_permissions.add(Permission.objects.get(codename=code))
    # What it may was remembered when it was first asked.
    for name in ("_perm_cache", "_user_perm_cache", "_group_perm_cache"):
        user.__dict__.pop(name, None)


def test_a_person_who_may_not_change_the_objects_gets_none_of_their_photos(
    site: Site, version: TemplateVersion
) -> None:
    (key,) = products(1)
    Product.objects.get(pk=key).image.save("a.png", ContentFile(make_image()))

    rows = ObjectRows(
        content_fields.target_by_path(TARGET),
        [key],
        mapping={"product": "name"},
        fixed={},
        images={"image": "image"},
    )
    (row,) = planning.plan_rows(actor=site.actor, version=version, rows=rows.rows(0, 1)).rows

    batch = prepare(objects_batch(site, version, [key]))

    assert "permission to change" in row.error
    assert batch.job_count == 0
    assert "permission to change" in invalid(batch)[0]


def test_the_image_of_a_related_object_is_for_people_who_may_see_it(
    site: Site, version: TemplateVersion
) -> None:
    may_change(site)
    (key,) = products(1)
    shelf = Product.objects.get(pk=key).category
    shelf.cover.save("shelf.png", ContentFile(make_image()))
    images = {"image": "category.cover"}

    refused = prepare(objects_batch(site, version, [key], images=images))
    may_change(site, code="view_category")
    made = prepare(objects_batch(site, version, [key], images=images))

    assert "permission to see “Shelf”" in invalid(refused)[0]
    entry = JobInput.objects.get(job__batch=made)
    assert entry.content_origin == {"field": "catalog.Category.cover", "object": str(shelf.pk)}


def test_a_digest_covers_what_names_the_images(site: Site, version: TemplateVersion) -> None:
    first = table(site, rows_of("https://shop.example.com/a.png?v=1"))
    second = table(site, rows_of("https://shop.example.com/a.png?v=2"))

    def agreed(stored: UploadedTable) -> str:
        rows = source(stored).rows(0, 1)
        return planning.plan_rows(actor=site.actor, version=version, rows=rows).fingerprint

    assert source(first).digest() != source(second).digest()
    assert agreed(first) != agreed(second)


def test_a_mapping_that_the_operation_cannot_use_is_refused_in_one_sentence(
    site: Site, version: TemplateVersion
) -> None:
    stored = table(site, rows_of("https://shop.example.com/a.png"))
    with pytest.raises(InvalidJobRequest, match="needs an input image for each row"):
        start(site, version, stored, images={})
    plain = make_template(body="A {{ product }}", variables=VARIABLES, image_model=site.model)
    with pytest.raises(InvalidJobRequest, match="takes no input image of this kind"):
        start(site, plain, stored)
    masked = make_template(
        body="A {{ product }}", variables=VARIABLES, image_model=site.model, operation="inpaint"
    )
    with pytest.raises(InvalidJobRequest, match="needs a mask"):
        start(site, masked, stored)


def test_an_asset_that_is_withdrawn_after_the_preview_skips_its_row(
    site: Site, version: TemplateVersion
) -> None:
    own = make_asset(requester=site.actor.user)
    stored = table(site, rows_of(str(own.pk)))
    batch = start(site, version, stored)
    with_state(own, "withdrawn")

    batch = prepare(batch)

    assert batch.job_count == 0
    assert "rejected or withdrawn" in invalid(batch)[0]


@use_case(audited=False)
def with_state(asset: Asset, state: str) -> None:
    Asset.objects.filter(pk=asset.pk).update(review_state=state)


def test_inputs_are_screened_and_their_screening_is_a_part_of_the_price(
    site: Site, version: TemplateVersion, settings: Any
) -> None:
    plain = lifecycle.estimate_cost(version, site.model, rows=2, images=1)
    backend = "tests.services.worker.test_sent_images.Recording"
    screener = {"BACKEND": backend, "NAME": "eyes", "STAGES": ["input"], "PRICE": "0.25"}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SCREENERS": [screener]}
    own = make_asset(requester=site.actor.user)
    stored = table(site, rows_of(str(own.pk)))
    (row,) = planning.plan_rows(
        actor=site.actor, version=version, rows=source(stored).rows(0, 1)
    ).rows
    each = lifecycle.estimate_cost(version, site.model, rows=1, images=1)

    batch = prepare(start(site, version, stored))

    assert lifecycle.estimate_cost(version, site.model, rows=2, images=1) - plain == 2 * Decimal(
        "0.25"
    )
    assert row.cost == each
    assert Verdict.objects.filter(job__batch=batch, stage="input").count() == 1


def test_a_rerun_of_a_row_sends_the_same_bytes_from_the_same_place(
    site: Site, version: TemplateVersion, server: ImageServer
) -> None:
    server.files = {"/a.png": make_image()}
    batch = prepare(start(site, version, table(site, rows_of(f"{server.url}/a.png"))))
    job = batch.jobs.get()
    server.files = {}

    again = from_job.job_request_from(actor=site.actor, job=job)

    assert again.provider_request.inputs[0].sha256 == job.inputs.get().sha256
    assert again.input_origins[0].found_at == f"{server.url}/a.png"


def test_a_plan_becomes_no_job(site: Site, version: TemplateVersion) -> None:
    stored = table(site, rows_of("https://shop.example.com/a.png"))
    rows = source(stored).rows(0, 1)
    (row,) = planning.plan_rows(actor=site.actor, version=version, rows=rows).rows

    assert row.job_request is not None
    with pytest.raises(ValueError, match="never read"):
        creation.request_images(actor=site.actor, job_request=row.job_request)
    assert not Job.objects.exists()
