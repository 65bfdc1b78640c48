"""What fails while rows become jobs pauses one batch or delays it, and stops nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model

from imagegen_app.core.types import Operation
from imagegen_app.models import Batch, Job, RequestedRerun
from imagegen_app.services.batches import batch_actions, row_jobs, row_list
from imagegen_app.services.batches.lifecycle import BatchLimits
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.testing.factories import make_image
from tests.services.batches.test_lifecycle import prepare, products, start, version

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.failing_storage import FailingStorage
    from tests.services.conftest import Site

__all__ = ["version"]


@use_case(audited=False)
def change(batch: Batch, **changes: Any) -> None:
    Batch.objects.filter(pk=batch.pk).update(**changes)


def test_an_unexpected_error_pauses_its_batch_and_no_other(
    site: Site,
    version: TemplateVersion,
) -> None:
    broken = start(site, version, products(2), key="broken")
    change(broken, mapping={"target": "catalog.Product.image", "variables": ["no mapping"]})
    sound = start(site, version, products(2), key="sound")

    prepare()

    broken.refresh_from_db()
    assert broken.pause_reason == "internal_error"
    assert Job.objects.filter(batch=broken).count() == 0
    assert Job.objects.filter(batch=sound).count() == 2


def test_an_unexpected_error_ends_one_row_that_is_requested_again_during_a_pilot(
    site: Site,
    version: TemplateVersion,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    batch = start(site, version, products(4), limits=BatchLimits(pilot=2))
    prepare()
    jobs = leases.claim(limit=2, owner="w")
    for job in jobs:
        transitions.cancel(job, None, charge=None)
    batch_actions.request_reruns(actor=site.actor, batch=batch, jobs=row_list.current_jobs(batch))
    real, first = creation.request_images, jobs[0].pk

    def fail(*, job_request: Any, **given: Any) -> Job:
        if job_request.replaces.pk == first:
            raise ValueError("of a secret prompt")
        return real(job_request=job_request, **given)

    monkeypatch.setattr(creation, "request_images", fail)
    worked = [row_jobs.create_next_jobs() for _try in range(2)]

    assert worked == [True, False]
    assert "software failed" in RequestedRerun.objects.get().refusal
    assert Job.objects.filter(replaces__isnull=False).count() == 1
    assert str(first) in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_batch_of_who_is_no_longer_there_is_paused_and_does_not_go_on_as_the_system(
    site: Site, version: TemplateVersion, *, is_deleted: bool
) -> None:
    batch = start(site, version, products(2))
    prepare()
    for job in leases.claim(limit=2, owner="w"):
        transitions.cancel(job, None, charge=None)
    batch_actions.rerun_failed(actor=site.actor, batch=batch)
    if is_deleted:
        change(batch, requester=None)
    else:
        get_user_model().objects.filter(pk=site.actor.user.pk).update(is_active=False)

    prepare()

    batch.refresh_from_db()
    assert batch.pause_reason == "refused"
    assert not Job.objects.filter(replaces__isnull=False).exists()


def test_rows_requested_again_wait_for_a_storage_that_fails(
    site: Site,
    version: TemplateVersion,
    failing_storage: type[FailingStorage],
) -> None:
    batch = start(site, version, products(1))
    prepare()
    upload = InputSource(data=make_image(size=(64, 64)))
    site.request(operation=Operation.EDIT, inputs=[upload], batch=batch, row_key="edited")
    for job in leases.claim(limit=2, owner="w"):
        transitions.cancel(job, None, charge=None)
    batch_actions.rerun_failed(actor=site.actor, batch=batch)
    failing_storage.failing = {"read"}

    prepared = [row_jobs.create_next_jobs() for _ in range(3)]
    batch.refresh_from_db()
    waiting = (batch.pause_reason, batch.rerun_requested_at is not None)
    failing_storage.failing = set()
    prepare()

    assert not any(prepared)
    assert waiting == ("", True)
    assert Job.objects.filter(batch=batch, replaces__isnull=False).count() == 2
