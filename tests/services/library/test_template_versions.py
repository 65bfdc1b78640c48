"""A version is judged by what was made with it, and compared with another one part by part."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import PromptTemplate
from imagegen_app.services.job_requests import template_files, template_publishing
from imagegen_app.services.library import template_versions
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.testing.factories import make_asset, make_job, make_user

pytestmark = pytest.mark.django_db
SHELL = System("test")
VASE: dict[str, Any] = {
    "slug": "vase",
    "name": "Vase",
    "prompt": "A red vase on a light table",
    "variables": [{"name": "product"}],
    "width": 512,
    "height": 512,
}


def publish(**changes: Any) -> PromptTemplate:
    """Publish a version of the template, and return the template as it is stored."""
    document = {"templates": [{**VASE, **changes}]}
    template_files.import_templates(actor=SHELL, document=document)
    return PromptTemplate.objects.select_related("current").get(slug="vase")


def reader(*permissions: str) -> Any:
    names = [f"imagegen.{one}" for one in ("view_prompttemplate", *permissions)]
    return access.actor_for(make_user(permissions=names))


def test_versions_tell_what_was_made_with_them(django_assert_max_num_queries: Any) -> None:
    first = publish().current
    template = publish(prompt="A blue vase")
    for state in ("approved", "approved", "approved", "rejected", "pending"):
        job = make_job(template_version=first, state="succeeded", actual_cost=Decimal("0.02"))
        make_asset(job=job, review_state=state)
    boss = reader("view_costs", "view_asset")

    # Two more ask what the reader may.
    with django_assert_max_num_queries(9):
        second, old = template_versions.uses_of(boss, template)

    assert (second.is_published, second.request_count, second.approval_percent) == (True, 0, None)
    assert (old.is_published, old.request_count, old.image_count) == (False, 5, 5)
    assert old.approval_percent == 75
    assert old.spent == {"USD": Decimal("0.1")}
    assert old.picture is not None
    assert second.picture is None


def test_costs_and_images_are_shown_to_whom_may_see_them() -> None:
    template = publish()
    make_asset(job=make_job(template_version=template.current, actual_cost=Decimal(1)))

    (one,) = template_versions.uses_of(reader(), template)

    assert (one.image_count, one.spent, one.picture) == (1, None, None)
    with pytest.raises(NotPermitted):
        template_versions.uses_of(access.actor_for(make_user()), template)


def test_two_versions_are_compared_word_by_word_and_part_by_part() -> None:
    first: Any = publish().current
    second: Any = publish(
        prompt="A blue vase on a light table",
        width=640,
        variables=[{"name": "product", "required": False}, {"name": "tall", "kind": "switch"}],
    ).current

    found = template_versions.compare(first, second)

    ((label, pieces),) = found.texts
    assert label == "Prompt"
    assert [(one.text, one.side) for one in pieces if one.side != "same"] == [
        ("red", "left"),
        ("blue", "right"),
    ]
    told = {one.label: (one.left, one.right) for one in found.differences}
    assert told["Width"] == ("512", "640")
    assert told["Variable “product”"] == ("required: yes", "required: no")
    assert told["Variable “tall”"][0] == "none"
    assert "kind: switch" in told["Variable “tall”"][1]
    assert template_versions.compare(first, first) == template_versions.VersionComparison()


def test_an_earlier_version_is_published_again_as_a_new_one() -> None:
    first: Any = publish().current
    publish(prompt="A blue vase")

    again = template_publishing.publish_version(actor=SHELL, version=first)

    template = PromptTemplate.objects.select_related("current").get(slug="vase")
    assert template.current == again
    assert (again.number, again.body, again.note) == (3, VASE["prompt"], "= v1")
    # A second press finds it published.
    assert template_publishing.publish_version(actor=SHELL, version=first) == again
    with pytest.raises(NotPermitted):
        template_publishing.publish_version(actor=reader(), version=first)


def test_the_newest_images_of_each_version_are_shown_and_no_more_than_fit() -> None:
    first = publish().current
    template = publish(prompt="A blue vase")
    made = [make_asset(job=make_job(template_version=first)) for _number in range(6)]
    newest = make_asset(job=make_job(template_version=template.current))

    second, old = template_versions.uses_of(reader("view_asset"), template)

    assert old.pictures == made[: -template_versions.MAX_PICTURES - 1 : -1]
    assert (second.pictures, second.picture) == ([newest], newest)
    assert template_versions.uses_of(reader(), template)[1].pictures == []
