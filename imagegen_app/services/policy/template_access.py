"""Decide who may use which prompt template: all who request images, or the groups that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.actors import Person
from imagegen_app.models import PromptTemplate, TemplateGroup
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from typing import Any

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import TemplateVersion

#: Where a user's groups are remembered, as Django remembers a user's permissions.
_GROUPS_ATTRIBUTE = "_imagegen_group_ids"
_ALLOWED_ATTRIBUTE = "_imagegen_allowed_group_ids"


class TemplateNotAllowed(ActionRefused):
    """The template is for other groups."""

    code = "template_not_allowed"


def usable_templates(actor: Actor) -> QuerySet[PromptTemplate]:
    """Return the published templates that the actor may use."""
    found: QuerySet[PromptTemplate] = PromptTemplate.objects.filter(
        is_archived=False, current__isnull=False
    )
    if not isinstance(actor, Person) or _is_exempt(actor.user):
        return found
    allowed = TemplateGroup.objects.filter(template=OuterRef("pk"))
    return found.filter(
        Q(owner=actor.user)
        | ~Exists(allowed)
        | Exists(allowed.filter(group__in=_groups_of(actor.user)))
    )


def usable_version(actor: Actor, slug: str) -> TemplateVersion | None:
    """Return the published version of a template that the actor may use, by its short name; else None."""
    template = usable_templates(actor).filter(slug=slug).select_related("current").first()
    if template is None or template.current is None:
        return None
    # So that nobody asks for it again.
    template.current.template = template
    return template.current


def may_use(actor: Actor, template: PromptTemplate) -> bool:
    """Return whether the actor may request images with a template; code may use all.

    One query for a template, and one for a person, however often it is asked about the same objects.
    """
    if not isinstance(actor, Person) or _is_exempt(actor.user):
        return True
    allowed = _allowed_groups(template)
    return (
        not allowed or template.owner_id == actor.user.pk or bool(allowed & _groups_of(actor.user))
    )


def require_use(actor: Actor, template: PromptTemplate) -> None:
    """Require that the actor may request images with a template.

    :raises TemplateNotAllowed: if it is for other groups; says whom to ask.
    """
    if may_use(actor, template):
        return
    owner = template.owner
    raise TemplateNotAllowed(
        _("Nothing was requested."),
        reason=_("The template “%(name)s” is for other groups than yours.")
        % {"name": template.name},
        remedy=_("Ask %(contact)s.") % {"contact": owner.get_username()}
        if owner is not None and owner.is_active
        else contact_sentence(),
    )


def _is_exempt(user: Any) -> bool:
    return bool(conf.get().superuser_bypass and getattr(user, "is_superuser", False))


def _groups_of(user: Any) -> frozenset[int]:
    found: frozenset[int] | None = getattr(user, _GROUPS_ATTRIBUTE, None)
    if found is None:
        found = frozenset(user.groups.values_list("pk", flat=True))
        setattr(user, _GROUPS_ATTRIBUTE, found)
    return found


def _allowed_groups(template: PromptTemplate) -> frozenset[int]:
    found: frozenset[int] | None = getattr(template, _ALLOWED_ATTRIBUTE, None)
    if found is None:
        found = frozenset(template.allowed_groups.values_list("group", flat=True))
        setattr(template, _ALLOWED_ATTRIBUTE, found)
    return found
