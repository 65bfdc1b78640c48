"""Every page asks the database a bounded number of times, however much there is to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.models import Batch, Job
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import placement
from imagegen_app.testing.factories import make_asset, make_image_model, make_template, make_user
from tests.admin import tables

if TYPE_CHECKING:
    from django.test import Client

#: Session, person and permissions are three of them; one asks whether the site is set up.
MOST = 17
LISTS = tables.names()


@pytest.fixture
def busy(rows: dict[str, Any], people: dict[str, Any]) -> dict[str, Any]:
    """Many rows of what lists show."""
    owner = make_user("busy")
    version = make_template()
    batch = _batch(version, owner)
    for number in range(12):
        asset = make_asset(requester=owner)
        placement.record_placement(
            actor=System("test"), asset=asset, target=owner, field=f"f{number}", value="y"
        )
        _into(batch, asset.job)
    return {**rows, "batch": batch}


@use_case(audited=False)
def _batch(version: Any, owner: Any) -> Batch:
    batch: Batch = Batch.objects.create(
        title="Many",
        template_version=version,
        image_model=version.image_model or make_image_model(),
        requester=owner,
        actor_kind="person",
        actor_id=str(owner.pk),
        idempotency_key="many",
        row_count=12,
        prepared_rows=12,
        job_count=12,
    )
    return batch


@use_case(audited=False)
def _into(batch: Batch, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(batch=batch, row_key="1")


def _count(client: Client, address: str) -> list[str]:
    wakeups.record_run("sweep")
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        answer = client.get(address)
    assert answer.status_code == 200, address
    return [q["sql"] for q in asked.captured_queries]


@pytest.fixture
def admin(client: Client, people: dict[str, Any]) -> Client:
    client.force_login(people["superuser"])
    return client


def test_the_index_and_the_studio_need_few_queries_for_an_editor(
    client: Client, busy: Any, people: dict[str, Any]
) -> None:
    client.force_login(people["Image editors"])
    studio = f"{reverse('admin:imagegen_studio')}?template={busy['prompttemplate'].slug}"

    for address in (reverse("admin:index"), studio):
        asked = _count(client, address)
        assert len(asked) <= MOST, "\n".join(q[:130] for q in asked)


def test_a_list_needs_no_more_queries_for_many_rows(admin: Client, busy: Any) -> None:
    found = {}
    for name in LISTS:
        asked = _count(admin, reverse(f"admin:imagegen_{name}_changelist"))
        if len(asked) > MOST:
            found[name] = [q[:160] for q in asked]

    assert found == {}, "\n\n".join(f"{a} {len(q)}\n" + "\n".join(q) for a, q in found.items())


def test_our_own_pages_need_few_queries(admin: Client, busy: Any) -> None:
    found = {}
    for address in (
        reverse("admin:index"),
        reverse("admin:imagegen_studio"),
        f"{reverse('admin:imagegen_studio')}?template={busy['prompttemplate'].slug}",
        reverse("admin:imagegen_studio_job", args=[busy["job"].pk]),
        reverse("admin:imagegen_studio_status", args=[busy["job"].pk]),
        reverse("admin:imagegen_studio_choose", args=[busy["asset"].pk]),
        reverse("admin:imagegen_studio_result", args=[busy["asset"].pk]),
        f"{reverse('admin:imagegen_studio_compare')}?a={busy['asset'].pk}&b={busy['asset'].pk}",
        reverse("admin:imagegen_asset_attach", args=[busy["asset"].pk]),
        reverse("admin:imagegen_batch_run", args=[busy["batch"].pk]),
        reverse("admin:imagegen_batch_status", args=[busy["batch"].pk]),
        reverse("admin:imagegen_batch_review", args=[busy["batch"].pk]),
        reverse("admin:imagegen_library"),
        f"{reverse('admin:imagegen_library')}?q=mug&used=yes&template={busy['prompttemplate'].pk}",
        reverse("admin:imagegen_library_page"),
        reverse("admin:imagegen_log"),
        reverse("admin:imagegen_setup"),
        reverse("admin:imagegen_erasure"),
        reverse("admin:imagegen_job_change", args=[busy["job"].pk]),
        reverse("admin:imagegen_asset_change", args=[busy["asset"].pk]),
        reverse("admin:imagegen_prompttemplate_change", args=[busy["prompttemplate"].pk]),
        reverse("admin:imagegen_imagemodel_change", args=[busy["imagemodel"].pk]),
    ):
        asked = _count(admin, address)
        if len(asked) > MOST:
            found[address] = [q[:130] for q in asked]

    assert found == {}, "\n\n".join(f"{a} {len(q)}\n" + "\n".join(q) for a, q in found.items())
