"""A chain's jobs are found from each of them, in the order of their images and passes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from imagegen_app.models import Job
from imagegen_app.services.jobs import pass_chain
from imagegen_app.testing.factories import make_job

pytestmark = pytest.mark.django_db


class Chain(NamedTuple):
    """Two images of one job, each followed by two passes; made out of order."""

    root: Job
    first: tuple[Job, Job]
    second: tuple[Job, Job]


@pytest.fixture
def chain() -> Chain:
    root = make_job(chain_length=3, count=2, actual_cost=Decimal("0.04"))

    def passes(number: int, cost: str) -> tuple[Job, Job]:
        shared: dict[str, Any] = {"root": root, "image_number": number, "chain_length": 3}
        one = make_job(follows=root, actual_cost=Decimal(cost), **shared)
        return one, make_job(follows=one, actual_cost=Decimal(cost), **shared)

    second = passes(1, "0.01")
    first = passes(0, "0.005")
    return Chain(root, first, second)


def test_all_jobs_are_in_the_order_of_images_and_passes(chain: Chain) -> None:
    expected = [chain.root, *chain.first, *chain.second]

    assert pass_chain.all_jobs(chain.root) == expected
    assert pass_chain.all_jobs(chain.second[1]) == expected


def test_the_keys_of_an_image_are_those_of_its_passes_and_the_first_job(chain: Chain) -> None:
    make_job()

    of_all = pass_chain.job_ids_of_image(chain.root)
    of_first = pass_chain.job_ids_of_image(chain.first[0])

    passes = [*chain.first, *chain.second]
    assert of_all[0] == chain.root.pk
    assert set(of_all) == {chain.root.pk, *(job.pk for job in passes)}
    assert of_all[1:] == sorted(of_all[1:])
    assert of_first[0] == chain.root.pk
    assert set(of_first) == {chain.root.pk, *(job.pk for job in chain.first)}


def test_a_job_without_passes_is_alone() -> None:
    job, _other = make_job(actual_cost=Decimal("0.03")), make_job()

    assert pass_chain.all_jobs(job) == [job]
    assert pass_chain.job_ids_of_image(job) == [job.pk]
    assert pass_chain.jobs_leading_to(job) == [job]
    assert pass_chain.total_spent(job) == Decimal("0.03")


def test_an_image_was_led_to_by_the_passes_before_it(chain: Chain) -> None:
    assert pass_chain.jobs_leading_to(chain.second[1]) == [chain.root, *chain.second]


def test_what_a_chain_has_cost_is_the_same_from_each_of_its_jobs(chain: Chain) -> None:
    totals = {pass_chain.total_spent(job) for job in (chain.root, chain.first[0], chain.second[1])}

    assert totals == {Decimal("0.07")}
