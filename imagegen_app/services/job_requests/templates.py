"""Create prompt templates, and change what the library says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core.actors import Person
from imagegen_app.models import PromptTemplate, TemplateGroup
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import template_publishing
from imagegen_app.services.job_requests.template_drafts import Draft, draft_of
from imagegen_app.services.policy import access
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import Group

    from imagegen_app.core.actors import Actor

#: What to prefetch for `details_of`.
DETAILS = ("owner", "allowed_groups__group")
#: The columns of a template among its details.
_COLUMNS = ("name", "purpose", "category", "owner")


@dataclass(frozen=True, slots=True)
class TemplateDetails:
    """What the library says of a template, beside its versions."""

    name: str
    purpose: str = ""
    category: str = ""
    #: Who answers for it, and may use it whatever its groups are; None for nobody.
    owner: Any = None
    #: The groups that may use it; none of them means everybody who may request images.
    groups: Collection[Group] = ()


@use_case()
def create(
    *,
    actor: Actor,
    name: str,
    slug: str,
    draft: Draft,
    purpose: str = "",
    details: TemplateDetails | None = None,
    is_published: bool = True,
) -> PromptTemplate:
    """Create a template with a first version, which is published at once or stays a draft.

    Without `details` the person who creates it is its owner, and everybody may use it.

    :raises NotPermitted: if the actor may not add templates.
    :raises InvalidRecord: if the short name is taken, or the draft is not valid.
    """
    access.require_permission(actor, "add_prompttemplate")
    if details is None:
        owner = actor.user if isinstance(actor, Person) else None
        details = TemplateDetails(name, purpose, owner=owner)
    template = PromptTemplate(
        name=details.name,
        slug=slug,
        purpose=details.purpose,
        category=details.category.strip(),
        owner=details.owner,
    )
    if PromptTemplate.objects.filter(slug=slug).exists():
        raise _slug_taken()
    try:
        with database.atomic():
            template.save(force_insert=True)
    except IntegrityError:
        # Somebody else, or the same button pressed twice, was first.
        raise _slug_taken() from None
    _set_groups(template, details.groups)
    groups = sorted(one.name for one in details.groups)
    event_log.record(
        actor,
        "template.created",
        subject=template,
        data={"template": slug, **({"groups": groups} if groups else {})},
    )
    store = template_publishing.publish if is_published else template_publishing.save_draft
    store(actor=actor, template=template, draft=draft)
    return template


@use_case()
def duplicate(*, actor: Actor, template: PromptTemplate) -> PromptTemplate:
    """Copy a template's published version into a new template.

    :raises NotPermitted: if the actor may not add templates.
    :raises InvalidRecord: if nothing is published yet.
    """
    if template.current is None:
        raise InvalidRecord(_("This template has no published version."))
    number = 2
    while PromptTemplate.objects.filter(slug=f"{template.slug[:54]}-{number}").exists():
        number += 1
    name = f"{template.name[:72]} ({number})"
    return create(
        actor=actor,
        name=name,
        slug=f"{template.slug[:54]}-{number}",
        draft=draft_of(template.current),
        # Whoever copies it answers for the copy, which is for the same people.
        details=replace(
            details_of(template),
            name=name,
            owner=actor.user if isinstance(actor, Person) else template.owner,
        ),
    )


@use_case()
def archive(*, actor: Actor, template: PromptTemplate, archived: bool = True) -> None:
    """Archive a template, or restore it with `archived=False`; its versions and jobs stay.

    :raises NotPermitted: if the actor may not change templates.
    """
    access.require_permission(actor, "change_prompttemplate")
    stored = PromptTemplate.objects.select_for_update().get(pk=template.pk)
    template.is_archived = archived
    if stored.is_archived == archived:
        return
    template.save(update_fields=["is_archived"])
    kind = "template.archived" if archived else "template.restored"
    event_log.record(actor, kind, subject=template, data={"template": template.slug})


@use_case()
def change_details(*, actor: Actor, template: PromptTemplate, details: TemplateDetails) -> None:
    """Change what the library says of a template: names, category, owner, and who may use it.

    :raises NotPermitted: if the actor may not change templates.
    """
    access.require_permission(actor, "change_prompttemplate")
    stored = PromptTemplate.objects.select_for_update().get(pk=template.pk)
    before = details_of(stored)
    details = replace(details, category=details.category.strip())
    for name in _COLUMNS:
        setattr(template, name, getattr(details, name))
    group_names = [sorted(one.name for one in each.groups) for each in (before, details)]
    parts = [name for name in _COLUMNS if getattr(before, name) != getattr(details, name)]
    is_for_others = {one.pk for one in before.groups} != {one.pk for one in details.groups}
    if not parts and not is_for_others:
        return
    if parts:
        template.save(update_fields=parts)
    data: dict[str, Any] = {
        "template": template.slug,
        "before": before.name,
        "after": details.name,
        "parts": [*parts, *(["groups"] if is_for_others else [])],
    }
    if is_for_others:
        _set_groups(template, details.groups)
        # Who may use it is what an auditor asks for.
        data |= {"groups_before": group_names[0], "groups": group_names[1]}
    event_log.record(actor, "template.changed", subject=template, data=data)


def details_of(template: PromptTemplate) -> TemplateDetails:
    """Return what the library says of a template; prefetch `DETAILS` for a list."""
    return TemplateDetails(
        name=template.name,
        purpose=template.purpose,
        category=template.category,
        owner=template.owner,
        groups=tuple(one.group for one in template.allowed_groups.all()),
    )


def _set_groups(template: PromptTemplate, groups: Collection[Group]) -> None:
    wanted = {one.pk for one in groups}
    held = set(template.allowed_groups.values_list("group", flat=True))
    template.allowed_groups.filter(group__in=held - wanted).delete()
    TemplateGroup.objects.bulk_create(
        [TemplateGroup(template=template, group_id=key) for key in sorted(wanted - held)]
    )


def _slug_taken() -> InvalidRecord:
    return InvalidRecord(_("A template with this short name already exists."), field="slug")
