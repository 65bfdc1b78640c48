"""Create and change prompt templates: every change of content is a new version."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.db.models import Max
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core import canonical
from imagegen_app.core.actors import Person
from imagegen_app.models import PromptTemplate, TemplateVersion
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
    from imagegen_app.core.actors import Actor


@use_case()
def create(
    *, actor: Actor, name: str, slug: str, draft: Draft, purpose: str = ""
) -> PromptTemplate:
    """Create a template with a first version, which is published at once.

    :raises NotPermitted: if the actor may not add templates.
    :raises InvalidRecord: if the short name is taken, or the draft is not valid.
    """
    access.require_permission(actor, "add_prompttemplate")
    template = PromptTemplate(name=name, slug=slug, purpose=purpose)
    if PromptTemplate.objects.filter(slug=slug).exists():
        raise _slug_taken()
    try:
        with database.atomic():
            template.save(force_insert=True)
    except IntegrityError:
        # Somebody else, or the same button pressed twice, was first.
        raise _slug_taken() from None
    event_log.record(actor, "template.created", subject=template, data={"template": slug})
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
    return create(
        actor=actor,
        name=f"{template.name[:72]} ({number})",
        slug=f"{template.slug[:54]}-{number}",
        purpose=template.purpose,
        draft=draft_of(template.current),
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
def rename(*, actor: Actor, template: PromptTemplate, name: str, purpose: str) -> None:
    """Change a template's name and purpose.

    :raises NotPermitted: if the actor may not change templates.
    """
    access.require_permission(actor, "change_prompttemplate")
    stored = PromptTemplate.objects.select_for_update().get(pk=template.pk)
    template.name, template.purpose = name, purpose
    if (stored.name, stored.purpose) == (name, purpose):
        return
    before = stored.name
    template.save(update_fields=["name", "purpose"])
    event_log.record(
        actor,
        "template.changed",
        subject=template,
        data={"template": template.slug, "before": before, "after": name},
    )


def _slug_taken() -> InvalidRecord:
    return InvalidRecord(_("A template with this short name already exists."), field="slug")
