"""Decide who may do what: permissions, and the allowlist of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.actors import Actor, Person, System
from imagegen_app.core.states import USABLE_LIFECYCLES, Lifecycle
from imagegen_app.core.types import Operation
from imagegen_app.models import Grant, ImageModel
from imagegen_app.models.labels import LABELS
from imagegen_app.services.foundation import clock

if TYPE_CHECKING:
    from imagegen_app.core.types import Size


class ActionRefused(Exception):
    """A person's job request was refused; the three texts are written for that person."""

    code = "refused"

    def __init__(self, message: str, *, reason: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.reason} {self.remedy}"


class NotPermitted(ActionRefused):
    """The actor lacks a permission."""

    code = "not_permitted"


class NotGranted(ActionRefused):
    """No row of the allowlist lets the actor use the model so."""

    code = "not_granted"


@dataclass(frozen=True, slots=True)
class GrantDecision:
    """Whether a request is allowed, by which rule, and why not."""

    allowed: bool
    grant: Grant | None = None
    rule: str = ""
    reason: str = ""


def contact_sentence() -> str:
    """Name the people who can help, in a sentence."""
    return _("Ask %(contact)s.") % {"contact": conf.get().contact}


def has_permission(actor: Actor, permission: str) -> bool:
    """Return whether the actor holds one of our permissions, such as `approve_asset`."""
    if isinstance(actor, System):
        return True
    account = actor.user
    return bool(account.is_active and account.has_perm(f"imagegen.{permission}"))


def require_permission(actor: Actor, permission: str) -> None:
    """Let nobody pass who lacks the permission.

    :raises NotPermitted: if the actor lacks it.
    """
    if has_permission(actor, permission):
        return
    raise NotPermitted(
        _("You do not have permission to do this."),
        reason=_("The permission “%(permission)s” is required.")
        % {"permission": permission.replace("_", " ")},
        remedy=contact_sentence(),
    )


def actor_for(user: Any) -> Person:
    """Return the actor for a logged-in user.

    :raises NotPermitted: if nobody is logged in, or the account is not active.
    """
    if user is None or isinstance(user, AnonymousUser) or not user.is_active:
        raise NotPermitted(
            _("You do not have permission to do this."),
            reason=_("You are not logged in."),
            remedy=_("Log in first."),
        )
    return Person(user)


def check_grant(
    actor: Actor, *, image_model: ImageModel, operation: Operation, size: Size, count: int
) -> GrantDecision:
    """Look the request up in the allowlist; without a matching row the answer is no."""
    closed = _closed(image_model)
    if closed:
        return GrantDecision(allowed=False, reason=closed)
    if isinstance(actor, System):
        return GrantDecision(allowed=False, reason=_("Only people can request images."))
    if not has_permission(actor, "request_job"):
        return GrantDecision(
            allowed=False, reason=_("Your account does not have permission to request images.")
        )
    if conf.get().superuser_bypass and getattr(actor.user, "is_superuser", False):
        return GrantDecision(allowed=True, rule="superuser_bypass")
    why = _("Your groups have no grant for “%(model)s”.") % {"model": image_model.name}
    for grant in _grants(actor).filter(image_model=image_model):
        error = _misfit(grant, operation=operation, size=size, count=count)
        if not error:
            return GrantDecision(allowed=True, grant=grant, rule=f"grant:{grant.pk}")
        why = error
    return GrantDecision(allowed=False, reason=why)


def require_grant(
    actor: Actor, *, image_model: ImageModel, operation: Operation, size: Size, count: int
) -> GrantDecision:
    """Return the decision where it is yes.

    :raises NotGranted: where it is no.
    """
    decision = check_grant(
        actor, image_model=image_model, operation=operation, size=size, count=count
    )
    if not decision.allowed:
        raise NotGranted(
            _("This image cannot be requested."), reason=decision.reason, remedy=contact_sentence()
        )
    return decision


def granted_models(actor: Actor) -> list[ImageModel]:
    """Return the models that the actor may request at all, by name."""
    if isinstance(actor, System) or not has_permission(actor, "request_job"):
        return []
    usable = ImageModel.objects.usable().select_related("provider").order_by("name", "pk")
    if conf.get().superuser_bypass and getattr(actor.user, "is_superuser", False):
        return list(usable)
    now = clock.ago(0)
    holds = _grants(actor).filter(
        Q(starts_at__isnull=True) | Q(starts_at__lte=now),
        Q(ends_at__isnull=True) | Q(ends_at__gt=now),
        image_model=OuterRef("pk"),
    )
    return list(usable.filter(Exists(holds)))


def job_owner_filter(actor: Actor) -> Any | None:
    """Return the user to whom lists of jobs must be narrowed, or None where all may be seen."""
    if isinstance(actor, System) or has_permission(actor, "view_job"):
        return None
    return actor.user


def _grants(actor: Person) -> Any:
    return Grant.objects.filter(group__in=actor.user.groups.all()).order_by("pk")


def _closed(image_model: ImageModel) -> str:
    if not image_model.provider.is_enabled:
        return _("The provider “%(provider)s” is disabled.") % {
            "provider": image_model.provider.name
        }
    if Lifecycle(image_model.lifecycle) not in USABLE_LIFECYCLES:
        return _("“%(model)s” is not available (status: %(lifecycle)s).") % {
            "model": image_model.name,
            "lifecycle": image_model.get_lifecycle_display(),
        }
    if image_model.retires_on is not None and image_model.retires_on <= clock.now().date():
        return _("“%(model)s” was retired on %(day)s.") % {
            "model": image_model.name,
            "day": image_model.retires_on.isoformat(),
        }
    return ""


def _out_of_time(grant: Grant) -> bool:
    if grant.starts_at is None and grant.ends_at is None:
        return False
    now = clock.now()
    too_early = grant.starts_at is not None and grant.starts_at > now
    too_late = grant.ends_at is not None and grant.ends_at <= now
    return too_early or too_late


def _misfit(grant: Grant, *, operation: Operation, size: Size, count: int) -> str:
    if _out_of_time(grant):
        return _("Your grant for this model is not valid today.")
    if operation not in grant.allowed_operations:
        return _("Your grant for this model does not cover “%(operation)s”.") % {
            "operation": LABELS[Operation][operation]
        }
    if size.pixels > grant.max_pixels:
        return _("Your grant allows %(most)s pixels per image; this would be %(wanted)s.") % {
            "most": grant.max_pixels,
            "wanted": size.pixels,
        }
    if count > grant.max_count:
        return _("Your grant allows %(most)s images per job, not %(wanted)s.") % {
            "most": grant.max_count,
            "wanted": count,
        }
    return ""
