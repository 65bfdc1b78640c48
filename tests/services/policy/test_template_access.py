"""A template may be kept to groups: everybody else is refused in one place, on all ways."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, PromptTemplate
from imagegen_app.services.batches import lifecycle, planning
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import templates
from imagegen_app.services.policy import access, template_access
from imagegen_app.services.policy.template_access import TemplateNotAllowed
from imagegen_app.testing.factories import make_group, make_template, make_user
from project.catalog.models import Category, Product

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

SHELL = System("test")


def kept(version: TemplateVersion, *groups: str, owner: Any = None) -> PromptTemplate:
    """Keep a template to groups, and return it as another request reads it."""
    details = templates.TemplateDetails(
        "Vase", owner=owner, groups=[make_group(one) for one in groups]
    )
    templates.change_details(actor=SHELL, template=version.template, details=details)
    return PromptTemplate.objects.get(pk=version.template_id)


def usable(actor: Person) -> list[str]:
    return [one.slug for one in template_access.usable_templates(actor)]


def test_a_template_without_groups_is_for_all_and_one_with_groups_for_those(site: Site) -> None:
    version = make_template(slug="vase")
    assert template_access.may_use(site.actor, version.template)
    assert usable(site.actor) == ["vase"]

    template = kept(version, "Shop")

    assert not template_access.may_use(site.actor, template)
    assert usable(site.actor) == []
    assert template_access.usable_version(site.actor, "vase") is None
    member = access.actor_for(make_user(groups=["Shop"]))
    assert template_access.may_use(member, template)
    assert usable(member) == ["vase"]
    assert template_access.may_use(SHELL, template)


def test_the_owner_may_use_it_and_is_whom_to_ask(site: Site) -> None:
    olga = make_user("olga")
    template = kept(make_template(slug="vase"), "Shop", owner=olga)

    assert template_access.may_use(access.actor_for(olga), template)
    assert usable(access.actor_for(olga)) == ["vase"]
    with pytest.raises(TemplateNotAllowed, match=r"for other groups than yours\. Ask olga"):
        template_access.require_use(site.actor, template)


def test_a_request_and_a_batch_are_refused_alike(site: Site) -> None:
    version = make_template(slug="vase")
    kept(version, "Shop")
    version = type(version).objects.select_related("template").get(pk=version.pk)

    for template in ("vase", version, version.template):
        with pytest.raises(TemplateNotAllowed):
            site.job_request(template=template, prompt="", variables={"product": "mug"})
    shelf = Category.objects.create(name="Shelf", slug="shelf")
    row = Product.objects.create(category=shelf, name="Cup", slug="cup", sku="C-1", price=1)
    plan = planning.plan(
        actor=site.actor, version=version, objects=[row], mapping={"product": "name"}
    )
    assert "for other groups" in plan.rows[0].error
    target = content_fields.target_by_path("catalog.Product.image")
    assert target is not None
    with pytest.raises(TemplateNotAllowed):
        lifecycle.start(
            actor=site.actor,
            version=version,
            title="Cups",
            keys=[str(row.pk)],
            target=target,
            mapping={"product": "name"},
            key="one",
        )


def test_who_may_use_a_template_costs_two_queries_for_all_rows_of_a_batch(
    site: Site, django_assert_num_queries: Any
) -> None:
    template = kept(make_template(), "Shop")
    person = access.actor_for(make_user(groups=["Shop"]))

    with django_assert_num_queries(2):
        for _row in range(20):
            template_access.require_use(person, template)


def test_who_may_use_a_template_is_in_the_log_before_and_after(site: Site) -> None:
    version = make_template(slug="vase")
    kept(version, "Shop")
    kept(version, "Shop", "Pages")
    kept(version)

    bodies = (
        AuditEvent.objects.filter(type="template.changed")
        .order_by("id")
        .values_list("body", flat=True)
    )
    told = [
        (one["groups_before"], one["groups"])
        for one in (json.loads(body)["data"] for body in bodies)
    ]
    assert told == [([], ["Shop"]), (["Shop"], ["Pages", "Shop"]), (["Pages", "Shop"], [])]
    assert usable(site.actor) == ["vase"]


def test_a_copy_is_for_the_same_groups_and_owned_by_who_copied_it(site: Site) -> None:
    template = kept(make_template(slug="vase"), "Shop", owner=make_user("olga"))
    author = access.actor_for(make_user("ada", permissions=["imagegen.add_prompttemplate"]))

    copy = templates.duplicate(actor=author, template=template)

    assert copy.owner == author.user
    assert not template_access.may_use(site.actor, copy)
