from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from imagegen_app.core.actors import System
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Job
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import make_asset, make_job

pytestmark = pytest.mark.django_db
SYSTEM = System("test")


def test_the_public_sees_approved_assets_only() -> None:
    for state in ReviewState:
        make_asset(review_state=state, widths=())

    shown = Asset.objects.showable().values_list("review_state", flat=True)

    assert list(shown) == [ReviewState.APPROVED.value]


def test_a_job_answered_from_the_cache_has_the_results_of_the_earlier_job() -> None:
    asset = make_asset(widths=())
    later = make_job()
    answered_from(later, asset.job)

    assert list(Asset.objects.results_of(later)) == [asset]
    assert list(Asset.objects.results_of(asset.job)) == [asset]


def test_an_intermediate_asset_is_not_a_result_of_a_job_with_passes() -> None:
    first = make_asset(widths=())
    final = make_asset(job=first.job, attempt=first.attempt, widths=())
    in_a_chain(first)

    assert list(Asset.objects.results_of(Job.objects.get(pk=first.job_id))) == [final]


def test_the_database_refuses_an_unknown_review_state() -> None:
    asset = make_asset(widths=())

    with pytest.raises(IntegrityError), transaction.atomic():
        reviewed(asset, "perhaps")


@use_case(audited=False)
def answered_from(job: Job, earlier: Job) -> None:
    Job.objects.filter(pk=job.pk).update(cached_from=earlier)
    job.refresh_from_db()


@use_case(audited=False)
def in_a_chain(asset: Asset) -> None:
    Job.objects.filter(pk=asset.job_id).update(chain_length=2)
    Asset.objects.filter(pk=asset.pk).update(is_intermediate=True)


@use_case(audited=False)
def reviewed(asset: Asset, state: str) -> None:
    Asset.objects.filter(pk=asset.pk).update(review_state=state)
