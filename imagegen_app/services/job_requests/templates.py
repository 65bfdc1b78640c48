"""Create and change prompt templates: every change of content is a new version."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError
from django.db.models import Max
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core import canonical
from imagegen_app.core.actors import Person
from imagegen_app.models import PromptTemplate, TemplateGroup, TemplateVersion
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests.fixed_guides import (
    fixed_guides,
    require_usable_guides,
)
from imagegen_app.services.job_requests.template_drafts import (
    Draft,
    check,
    draft_of,
    is_same,
    typed_parameters,
    worded_parts,
)
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
) -> PromptTemplate:
    """Create a template with a first version, which is published at once.

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
    publish(actor=actor, template=template, draft=draft)
    return template


@use_case()
def publish(*, actor: Actor, template: PromptTemplate, draft: Draft) -> TemplateVersion:
    """Add a version, and make it the one that new requests use.

    If the published version has this content already, it is returned and nothing changes.

    :raises NotPermitted: if the actor may not change templates, or may not see a control image.
    :raises InvalidRecord: if the draft is not valid.
    """
    if template.versions.exists():
        access.require_permission(actor, "change_prompttemplate")
    variables = check(draft)
    draft = replace(draft, parameters=typed_parameters(draft))
    stored = PromptTemplate.objects.select_for_update().get(pk=template.pk)
    require_usable_guides(actor, draft.guides, before=fixed_guides(stored.current))
    if stored.current is not None and is_same(draft_of(stored.current), draft):
        template.current = stored.current
        return stored.current
    last = template.versions.aggregate(last=Max("number"))["last"] or 0
    version = TemplateVersion.objects.create(
        template=template,
        number=last + 1,
        body=draft.body,
        negative=draft.negative,
        variables=[v.as_dict() for v in variables],
        operation=draft.operation.value,
        image_model=draft.image_model,
        width=draft.size.width if draft.size else None,
        height=draft.size.height if draft.size else None,
        count=draft.count,
        quality=draft.quality,
        seed_strategy=draft.seed_strategy,
        seed=draft.seed,
        passes=[one.as_dict() for one in draft.passes],
        parameters=dict(draft.parameters),
        loras=[asdict(one) for one in draft.loras],
        guides=[one.as_dict() for one in draft.guides],
        alt_pattern=draft.alt_pattern.strip(),
        brand_kit=draft.brand_kit,
        shots=[one.as_dict() for one in draft.shots],
        note=draft.note[:200],
        created_by=actor.user if isinstance(actor, Person) else None,
    )
    template.current = version
    template.save(update_fields=["current"])
    event_log.record(
        actor,
        "template.version_published",
        subject=template,
        data={
            "template": template.slug,
            "version": version.number,
            "digest": canonical.digest(worded_parts(draft)),
        },
        personal={"note": draft.note},
    )
    return version


@use_case()
def publish_again(*, actor: Actor, version: TemplateVersion) -> TemplateVersion:
    """Publish what an earlier version says, as a new version; nothing changes if it is published.

    :raises NotPermitted: if the actor may not change templates.
    :raises InvalidRecord: if it is not valid any more, such as with a model that was retired.
    """
    access.require_permission(actor, "change_prompttemplate")
    draft = replace(draft_of(version), note=f"= v{version.number}")
    return publish(actor=actor, template=version.template, draft=draft)


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
