"""Decide who may do what, by Django permissions and by grants (the allowlist of models)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from imagegen_app import conf, database
from imagegen_app.core.actors import Actor, Person, System
from imagegen_app.core.operations import Operation
from imagegen_app.core.states import USABLE_LIFECYCLES, Lifecycle
from imagegen_app.models import Grant, ImageModel, Incident
from imagegen_app.models.labels import LABELS
from imagegen_app.services.foundation import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import Model

    from imagegen_app.core.types import Size


class ActionRefused(Exception):
    """An action was refused; `message`, `reason` and `remedy` are written for the person.

    `is_already_done` says that there was nothing left to do: an earlier press of the same button,
    or another person, has done it.
    """

    code = "refused"

    def __init__(
        self, message: str, *, reason: str, remedy: str, is_already_done: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.remedy = remedy
        self.is_already_done = is_already_done

    def __str__(self) -> str:
        return f"{self.message} {self.reason} {self.remedy}"


class NotPermitted(ActionRefused):
    """The actor lacks a permission."""

    code = "not_permitted"


class NotGranted(ActionRefused):
    """No grant allows the actor to use the model in this way."""

    code = "not_granted"
    #: Which follow-up pass is not granted, counted from 0; None for the request itself.
    position: int | None = None


@dataclass(frozen=True, slots=True)
class GrantDecision:
    """Whether a request is allowed: by which grant or rule, or else why not."""

    allowed: bool
    grant: Grant | None = None
    rule: str = ""
    reason: str = ""


def contact_sentence() -> str:
    """Return the sentence that names whom to ask for help (the setting `CONTACT`)."""
    return _("Ask %(contact)s.") % {"contact": conf.get().contact}


def has_permission(actor: Actor, permission: str) -> bool:
    """Return whether the actor has a permission of this app, such as `approve_asset`.

    One of another app is named with it, such as `auth.change_group`. The system itself has all of them.
    """
    if isinstance(actor, System):
        return True
    user = actor.user
    full_name = permission if "." in permission else f"imagegen.{permission}"
    return bool(user.is_active and user.has_perm(full_name))


def require_permission(actor: Actor, permission: str) -> None:
    """Require that the actor has a permission, named as `has_permission` takes it.

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


def may_view_content(actor: Actor, model: type[Model]) -> bool:
    """Return whether the actor may see objects of a model of the site; code may see all."""
    if not isinstance(actor, Person):
        return True
    meta = model._meta  # noqa: SLF001 - Django's documented API
    return any(
        actor.user.has_perm(f"{meta.app_label}.{verb}_{meta.model_name}")
        for verb in ("view", "change")
    )


def may_change_content(actor: Actor, target: Model) -> bool:
    """Return whether the actor may change objects of the site like this one; code may change all."""
    if not isinstance(actor, Person):
        return True
    meta = target._meta  # noqa: SLF001 - Django's documented API
    return bool(actor.user.has_perm(f"{meta.app_label}.change_{meta.model_name}"))


def require_content_change(actor: Actor, target: Model) -> None:
    """Require that the actor may change objects of the site like this one.

    :raises NotPermitted: if the actor may not.
    """
    if not may_change_content(actor, target):
        raise NotPermitted(
            _("You do not have permission to do this."),
            reason=_("You do not have permission to change “%(content)s”.")
            % {"content": str(target)[:80]},
            remedy=contact_sentence(),
        )


def actor_for(user: Any) -> Person:
    """Return the actor for a logged-in user.

    :raises TypeError: if it is no user.
    :raises NotPermitted: if nobody is logged in, or the account is not active.
    """
    if user is not None and not hasattr(user, "is_active"):
        raise TypeError(f"'user' must be a user such as request.user, not {type(user).__name__}.")
    if user is None or isinstance(user, AnonymousUser) or not user.is_active:
        raise NotPermitted(
            _("You do not have permission to do this."),
            reason=_("You are not logged in."),
            remedy=_("Log in first."),
        )
    return Person(user)


def active_person(key: Any) -> Person | None:
    """Return the person of an account as it is now; None if it was deleted or is not active.

    Work that goes on after a request asks for them anew: a permission withdrawn meanwhile no longer
    counts.
    """
    if key is None:
        return None
    user = database.accounts(get_user_model()).filter(pk=key).first()
    return Person(user) if user is not None and user.is_active else None


def check_grant(
    actor: Actor, *, image_model: ImageModel, operation: Operation, size: Size, count: int
) -> GrantDecision:
    """Return whether a grant allows the request; without a matching grant it is not allowed."""
    held = _grants(actor).filter(image_model=image_model) if isinstance(actor, Person) else ()
    return _decision(
        actor, held, image_model=image_model, operation=operation, size=size, count=count
    )


def check_grants(
    actor: Person, wanted: Sequence[tuple[ImageModel, Operation, Size, int]]
) -> list[GrantDecision]:
    """Return for several requests, each of a model, whether a grant allows it, with one query."""
    held = list(_grants(actor))
    return [
        _decision(actor, held, image_model=model, operation=operation, size=size, count=count)
        for model, operation, size, count in wanted
    ]


def refused_models(actor: Person) -> list[tuple[ImageModel, str]]:
    """Return the models that the actor may not use at present, each with the reason, by name.

    Drafts and retired models are left out: nobody can use them.
    """
    granted = {model.pk for model in granted_models(actor)}
    held = {grant.image_model_id for grant in _grants(actor)}
    found = []
    for model in (
        ImageModel.objects.filter(lifecycle__in=sorted(s.value for s in USABLE_LIFECYCLES))
        .exclude(pk__in=granted)
        .select_related("provider")
        .order_by("name", "pk")
    ):
        reason = unavailable_reason(model)
        if not reason and model.pk in held:
            reason = _("Your grant for this model is not valid today.")
        found.append((model, reason or _no_grant_reason(model)))
    return found


def require_grant(
    actor: Actor, *, image_model: ImageModel, operation: Operation, size: Size, count: int
) -> GrantDecision:
    """Require that a grant allows the request, and return the decision.

    :raises NotGranted: if none does.
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
    """Return the models for which the actor has a valid grant, sorted by name.

    Each has `is_failing`: whether it, or its provider, has an incident that is open.
    """
    if isinstance(actor, System) or not has_permission(actor, "request_job"):
        return []
    open_incidents = Incident.objects.filter(
        Q(image_model=OuterRef("pk")) | Q(image_model__isnull=True),
        provider=OuterRef("provider"),
        open_key__isnull=False,
    )
    usable = (
        ImageModel.objects.usable()
        .annotate(is_failing=Exists(open_incidents))
        .select_related("provider", "workflow")
        .order_by("name", "pk")
    )
    if conf.get().superuser_bypass and getattr(actor.user, "is_superuser", False):
        return list(usable)
    now = clock.ago(0)
    valid_grants = _grants(actor).filter(
        Q(starts_at__isnull=True) | Q(starts_at__lte=now),
        Q(ends_at__isnull=True) | Q(ends_at__gt=now),
        image_model=OuterRef("pk"),
    )
    return list(usable.filter(Exists(valid_grants)))


def granted_operations(actor: Actor) -> dict[int, frozenset[Operation]]:
    """Return the operations that the actor's valid grants cover, by the model's key."""
    if isinstance(actor, System) or not has_permission(actor, "request_job"):
        return {}
    if conf.get().superuser_bypass and getattr(actor.user, "is_superuser", False):
        return {model.pk: frozenset(Operation) for model in granted_models(actor)}
    found: dict[int, frozenset[Operation]] = {}
    for grant in _grants(actor):
        if not _is_outside_dates(grant):
            known = found.get(grant.image_model_id, frozenset())
            found[grant.image_model_id] = known | grant.allowed_operations
    return found


def job_owner_filter(actor: Actor) -> Any | None:
    """Return the user to whose jobs lists are limited, or None if the actor may see all jobs."""
    if isinstance(actor, System) or has_permission(actor, "view_job"):
        return None
    return actor.user


def _decision(
    actor: Actor,
    held: Iterable[Grant],
    *,
    image_model: ImageModel,
    operation: Operation,
    size: Size,
    count: int,
) -> GrantDecision:
    unavailable = unavailable_reason(image_model)
    if unavailable:
        return GrantDecision(allowed=False, reason=unavailable)
    if isinstance(actor, System):
        return GrantDecision(allowed=False, reason=_("Only people can request images."))
    if not has_permission(actor, "request_job"):
        return GrantDecision(
            allowed=False, reason=_("Your account does not have permission to request images.")
        )
    if conf.get().superuser_bypass and getattr(actor.user, "is_superuser", False):
        return GrantDecision(allowed=True, rule="superuser_bypass")
    reason = _no_grant_reason(image_model)
    for grant in held:
        if grant.image_model_id != image_model.pk:
            continue
        misfit = _misfit_reason(grant, operation=operation, size=size, count=count)
        if not misfit:
            return GrantDecision(allowed=True, grant=grant, rule=f"grant:{grant.pk}")
        reason = misfit
    return GrantDecision(allowed=False, reason=reason)


def _no_grant_reason(image_model: ImageModel) -> str:
    return _("Your groups have no grant for “%(model)s”.") % {"model": image_model.name}


def _grants(actor: Person) -> Any:
    return Grant.objects.filter(group__in=actor.user.groups.all()).order_by("pk")


def unavailable_reason(image_model: ImageModel) -> str:
    """Return why a model accepts no new requests from anybody; empty if it does."""
    if not image_model.provider.is_enabled:
        return _("The provider “%(provider)s” is disabled.") % {
            "provider": image_model.provider.name
        }
    if Lifecycle(image_model.lifecycle) not in USABLE_LIFECYCLES:
        return _("“%(model)s” is not available (status: %(lifecycle)s).") % {
            "model": image_model.name,
            "lifecycle": image_model.get_lifecycle_display(),
        }
    if image_model.retires_on is not None and image_model.retires_on <= clock.today():
        return _("“%(model)s” was retired on %(day)s.") % {
            "model": image_model.name,
            "day": image_model.retires_on.isoformat(),
        }
    return ""


def _is_outside_dates(grant: Grant) -> bool:
    if grant.starts_at is None and grant.ends_at is None:
        return False
    now = clock.now()
    too_early = grant.starts_at is not None and grant.starts_at > now
    too_late = grant.ends_at is not None and grant.ends_at <= now
    return too_early or too_late


def _misfit_reason(grant: Grant, *, operation: Operation, size: Size, count: int) -> str:
    if _is_outside_dates(grant):
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
