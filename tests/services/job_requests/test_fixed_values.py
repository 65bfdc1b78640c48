"""A template fixes parameters and LoRA: each job made of it has them, and nobody changes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.types import Lora
from imagegen_app.models import Job, PromptTemplate
from imagegen_app.services.batches import row_jobs
from imagegen_app.services.job_requests import (
    from_job,
    template_drafts,
    template_publishing,
    templates,
)
from imagegen_app.services.job_requests.creation import PromptBlocked
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.policy import access
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import make_user
from tests.services.batches.test_lifecycle import products, start
from tests.services.job_requests.test_worded_parameters import Listening, screened

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site

__all__ = ["screened"]


def author() -> Person:
    return access.actor_for(make_user("ann", groups=["Template authors"]))


def draft(site: Site, **changes: Any) -> template_drafts.Draft:
    values: dict[str, Any] = {
        "image_model": site.model,
        "parameters": {"strength": "0.5", "style": "watercolour"},
        "loras": [Lora("paint", 0.8)],
    }
    return template_drafts.Draft(body="A mug", **{**values, **changes})


def made(site: Site, **changes: Any) -> PromptTemplate:
    return templates.create(actor=author(), name="Mugs", slug="mugs", draft=draft(site, **changes))


def requested(site: Site, **changes: Any) -> Job:
    return site.request(template="mugs", prompt="", size=None, **changes)


def test_each_job_has_what_its_template_fixes_and_its_own_besides(site: Site) -> None:
    made(site, parameters={"strength": "0.5"})

    plain = requested(site)
    own = requested(site, parameters={"style": "ink"}, loras=[Lora("glaze"), Lora("paint", 0.8)])

    assert (plain.parameters, plain.loras) == (
        {"strength": 0.5},
        [{"name": "paint", "weight": 0.8}],
    )
    assert own.parameters == {"style": "ink", "strength": 0.5}
    assert [one["name"] for one in own.loras] == ["paint", "glaze"]


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"parameters": {"strength": "0.6"}}, "(strength)"),
        ({"loras": [Lora("paint", 0.5)]}, "(LoRA paint)"),
    ],
)
def test_another_value_than_the_fixed_one_is_refused(
    site: Site, given: dict[str, Any], part: str
) -> None:
    made(site)

    with pytest.raises(InvalidJobRequest) as refused:
        requested(site, **given)

    assert part in refused.value.reason
    assert "another template" in refused.value.remedy
    assert requested(site, parameters={"strength": "0.5"}).parameters["strength"] == 0.5


def test_a_repeat_has_the_same_values_once(site: Site) -> None:
    made(site)
    job = requested(site)

    again = from_job.job_request_from(actor=site.actor, job=job)

    assert dict(again.provider_request.parameters) == job.parameters
    assert again.provider_request.loras == (Lora("paint", 0.8),)


def test_a_batch_has_them_in_each_row(site: Site) -> None:
    version = made(site, parameters={"strength": 0.5}).current
    assert version is not None
    start(site, version, products(2), mapping={})

    while row_jobs.create_next_jobs():
        pass

    assert [job.parameters for job in Job.objects.all()] == [{"strength": 0.5}] * 2


def test_fixed_words_are_screened_with_each_prompt(screened: Site) -> None:
    made(screened, parameters={"style": "like Ada's garden"})

    with pytest.raises(PromptBlocked):
        requested(screened)

    assert Listening.asked == ["A mug\nlike Ada's garden"]


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"parameters": {"steps": "3"}}, "parameters", "(steps): not offered"),
        ({"parameters": {"strength": "much"}}, "parameters", "a number is needed"),
        ({"parameters": {"strength": 7}}, "parameters", "between"),
        ({"loras": [Lora("paint", 99.0)]}, "loras", "a weight must be between"),
        ({"image_model": None}, "image_model", "for one model only"),
    ],
)
def test_what_the_model_does_not_take_cannot_be_fixed(
    site: Site, changes: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidRecord) as refused:
        made(site, **changes)

    assert refused.value.field == field
    assert reason in refused.value.reason
    assert not PromptTemplate.objects.exists()


def test_other_fixed_values_are_another_version_and_the_same_are_none(site: Site) -> None:
    template = made(site)
    writer = access.actor_for(make_user("bob", groups=["Template authors"]))

    template_publishing.publish(actor=writer, template=template, draft=draft(site))
    same = template.versions.count()
    other = replace(draft(site), parameters={"strength": 0.6})
    template_publishing.publish(actor=writer, template=template, draft=other)
    copy = templates.duplicate(actor=writer, template=template).current

    assert (same, template.versions.count()) == (1, 2)
    assert copy is not None
    assert (copy.parameters, copy.loras) == (
        {"strength": 0.6},
        [{"name": "paint", "weight": 0.8}],
    )
