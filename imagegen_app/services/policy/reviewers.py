"""Find who may approve images, to say so where nobody else than the requester may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import PermissionsMixin
from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor

_APPROVE = "approve_asset"


def reviewers() -> QuerySet[Any] | None:
    """Return the active accounts that may approve images; None if only the site's backends know."""
    people: Any = get_user_model()
    own = (None, BaseBackend.has_perm, ModelBackend.has_perm)
    if not issubclass(people, PermissionsMixin) or not all(
        getattr(type(backend), "has_perm", None) in own for backend in get_backends()
    ):
        return None
    holds = Q(is_superuser=True)
    for path in ("user_permissions", "groups__permissions"):
        holds |= Q(
            **{f"{path}__codename": _APPROVE, f"{path}__content_type__app_label": "imagegen"}
        )
    rows = people._default_manager.filter(holds)  # noqa: SLF001 - Django's documented API
    if any(field.name == "is_active" for field in people._meta.concrete_fields):  # noqa: SLF001 - as above
        rows = rows.filter(is_active=True)
    found: QuerySet[Any] = rows.distinct()
    return found


def no_second_reviewer(actor: Actor) -> str:
    """Return that nobody but the actor may approve images, and the remedy; empty if somebody may."""
    others = reviewers()
    if others is None or not isinstance(actor, Person):
        return ""
    if others.exclude(pk=actor.user.pk).exists():
        return ""
    return f"{_('Nobody else on this site may approve images.')} {remedy()}"


def remedy() -> str:
    """Return what a site does that has nobody to approve an image."""
    return _(
        "Put another account into the group “Image reviewers”, or set "
        "IMAGEGEN['REQUIRE_SECOND_REVIEWER'] to False."
    )
