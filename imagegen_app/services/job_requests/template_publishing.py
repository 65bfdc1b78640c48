"""Store versions of prompt templates, as drafts or published: every change of content is a new one."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from django.db.models import Max, OuterRef, Subquery
from django.utils.translation import gettext as _

from imagegen_app.core import canonical
from imagegen_app.core.actors import Person
from imagegen_app.models import PromptTemplate, TemplateVersion
from imagegen_app.services.foundation import clock, event_log
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

    from imagegen_app.core.actors import Actor


class NewerVersion(InvalidRecord):
    """Somebody stored a version that the author has not seen; `number` is its number."""

    def __init__(self, reason: str, *, number: int) -> None:
        super().__init__(reason, field="seen_version")
        self.number = number


@use_case()
def publish(
    *,
    actor: Actor,
    template: PromptTemplate,
    draft: Draft,
    seen_version: int | None = None,
) -> TemplateVersion:
    """Add a version, and make it the one that new requests use.

    If the published version has this content already, it is returned and nothing changes. If the newest
    stored draft has it, that one is published. `seen_version` is the newest version that the actor has
    seen, where a newer one must not be passed over.

    :raises NotPermitted: if the actor may not change templates, or may not see a control image.
    :raises InvalidRecord: if the draft is not valid.
    :raises NewerVersion: if somebody else stored a version meanwhile.
    """
    stored, draft = _require_storable(actor, template, draft, seen_version)
    newest = newest_draft(stored)
    # A draft that went back to what is published is published, too: it would stay a draft for ever.
    if newest is None or not is_same(draft_of(newest), draft):
        if stored.current is not None and is_same(draft_of(stored.current), draft):
            template.current = stored.current
            return stored.current
        newest = _add_version(actor, template, draft)
    return _publish(actor, template, newest, note=draft.note)


@use_case()
def save_draft(
    *,
    actor: Actor,
    template: PromptTemplate,
    draft: Draft,
    seen_version: int | None = None,
) -> TemplateVersion:
    """Add a version that new requests do not use until it is published.

    If the published version or the newest draft has this content already, it is returned and nothing
    changes.

    :raises NotPermitted: if the actor may not change templates, or may not see a control image.
    :raises InvalidRecord: if the draft is not valid.
    :raises NewerVersion: if somebody else stored a version meanwhile.
    """
    stored, draft = _require_storable(actor, template, draft, seen_version)
    known = newest_draft(stored) or stored.current
    if known is not None and is_same(draft_of(known), draft):
        return known
    version = _add_version(actor, template, draft)
    event_log.record(
        actor,
        "template.draft_saved",
        subject=template,
        data=_told(template, version),
        personal={"note": draft.note},
    )
    return version


@use_case()
def publish_version(*, actor: Actor, version: TemplateVersion) -> TemplateVersion:
    """Publish a stored version: a draft as it is, an earlier version as a new one.

    Nothing changes if what it says is published.

    :raises NotPermitted: if the actor may not change templates.
    :raises InvalidRecord: if it is not valid any more, such as with a model that was retired.
    """
    access.require_permission(actor, "change_prompttemplate")
    note = version.note
    if version.published_at is not None or version != newest_draft(version.template):
        note = f"= v{version.number}"
    draft = replace(draft_of(version), note=note)
    return publish(actor=actor, template=version.template, draft=draft)


def newest_draft(template: PromptTemplate) -> TemplateVersion | None:
    """Return the newest version, if it is newer than the published one and was never published."""
    version = template.versions.order_by("-number").first()
    return None if version is None or version.published_at is not None else version


def newest_drafts(template_keys: Collection[Any]) -> dict[Any, int]:
    """Return the numbers of the newest drafts of templates, by the templates' keys, with one query."""
    newest = TemplateVersion.objects.filter(template=OuterRef("template")).order_by("-number")
    rows = TemplateVersion.objects.filter(
        template__in=template_keys, published_at=None, pk=Subquery(newest.values("pk")[:1])
    )
    return dict(rows.values_list("template", "number"))


def _require_storable(
    actor: Actor, template: PromptTemplate, draft: Draft, seen_version: int | None
) -> tuple[PromptTemplate, Draft]:
    """Return the locked template, and the draft with its values typed, once it may be stored."""
    newest = template.versions.aggregate(last=Max("number"))["last"] or 0
    if newest:
        access.require_permission(actor, "change_prompttemplate")
    variables = check(draft)
    draft = replace(
        draft,
        variables=[one.as_dict() for one in variables],
        parameters=typed_parameters(draft),
    )
    stored = PromptTemplate.objects.select_for_update().get(pk=template.pk)
    require_usable_guides(actor, draft.guides, before=fixed_guides(stored.current))
    if seen_version is not None:
        require_seen(stored, seen_version)
    return stored, draft


def require_seen(template: PromptTemplate, seen_version: int) -> None:
    """Require that nobody stored a version newer than the one that an author has seen.

    :raises NewerVersion: if somebody did; it names the version and its author.
    """
    newest = template.versions.select_related("created_by").order_by("-number").first()
    if newest is None or newest.number <= seen_version:
        return
    author = newest.created_by.get_username() if newest.created_by else _("somebody")
    raise NewerVersion(
        _(
            "%(author)s stored version %(number)s while you were writing. What you have written is "
            "still here: compare both, then press again to store yours as the next version."
        )
        % {"author": author, "number": newest.number},
        number=newest.number,
    )


def _add_version(actor: Actor, template: PromptTemplate, draft: Draft) -> TemplateVersion:
    last = template.versions.aggregate(last=Max("number"))["last"] or 0
    version: TemplateVersion = TemplateVersion.objects.create(
        template=template,
        number=last + 1,
        body=draft.body,
        negative=draft.negative,
        variables=list(draft.variables),
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
        shots=[one.as_dict() for one in draft.shots],
        alt_pattern=draft.alt_pattern.strip(),
        brand_kit=draft.brand_kit,
        note=draft.note[:200],
        created_by=actor.user if isinstance(actor, Person) else None,
    )
    return version


def _publish(
    actor: Actor, template: PromptTemplate, version: TemplateVersion, *, note: str
) -> TemplateVersion:
    version.published_at = clock.now()
    version.save(update_fields=["published_at"])
    template.current = version
    template.save(update_fields=["current"])
    event_log.record(
        actor,
        "template.version_published",
        subject=template,
        data=_told(template, version),
        personal={"note": note},
    )
    return version


def _told(template: PromptTemplate, version: TemplateVersion) -> dict[str, Any]:
    return {
        "template": template.slug,
        "version": version.number,
        "digest": canonical.digest(worded_parts(draft_of(version))),
    }
