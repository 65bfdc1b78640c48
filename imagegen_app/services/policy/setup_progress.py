"""Tell how far a site is set up, and which step is missing before somebody can request an image."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app import conf, database
from imagegen_app.core.actors import Person
from imagegen_app.core.states import USABLE_LIFECYCLES
from imagegen_app.models import Asset, Grant, ImageModel, Provider
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapter_facts, usable_credentials
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.actors import Actor

#: May take the steps, and is led to them.
PERMISSION: Final = "add_provider"


class SetupStep(StrEnum):
    """The steps from an empty site to its first image, in their order."""

    PROVIDER = "provider"
    KEY = "key"
    MODELS = "models"
    GRANT = "grant"
    PEOPLE = "people"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class MissingStep:
    """The first step that is missing, in a sentence."""

    step: SetupStep
    reason: str


def missing_step(actor: Actor) -> MissingStep | None:
    """Return what keeps an actor from requesting images; None if a grant lets them."""
    if access.granted_models(actor):
        return None
    step = site_step() or SetupStep.PEOPLE
    return MissingStep(step, _reason(step, actor))


def site_step() -> SetupStep | None:
    """Return the first step that the site lacks; None once somebody may request images."""
    if _somebody_may_request():
        return None
    is_done: dict[SetupStep, Callable[[], bool]] = {
        SetupStep.PROVIDER: Provider.objects.filter(is_enabled=True).exists,
        SetupStep.KEY: lambda: provider_without_key() is None,
        SetupStep.MODELS: ImageModel.objects.usable().exists,
        SetupStep.GRANT: valid_grants().exists,
    }
    return next((step for step, ask in is_done.items() if not ask()), SetupStep.PEOPLE)


def next_step() -> SetupStep | None:
    """Return the step to go on with: the site's, or the first image; None where all are done."""
    step = site_step()
    if step is None and not Asset.objects.exists():
        return SetupStep.IMAGE
    return step


def _reason(step: SetupStep, actor: Actor) -> str:
    provider = provider_without_key() if step is SetupStep.KEY else None
    reasons = {
        SetupStep.PROVIDER: _("No provider is set up yet."),
        SetupStep.KEY: _("The provider “%(provider)s” has no key yet.")
        % {"provider": provider.name if provider else ""},
        SetupStep.MODELS: _("No model is ready for use yet."),
        SetupStep.GRANT: _("No model is released to a group yet."),
    }
    if isinstance(actor, Person) and getattr(actor.user, "is_superuser", False):
        reasons[SetupStep.PEOPLE] = _("You have no grant for any model; superusers need one, too.")
    return reasons.get(step, _("You have no grant for any model."))


def provider_without_key() -> Provider | None:
    """Return the provider whose key is missing, if no enabled one can be called; no value is read."""
    rows = list(Provider.objects.filter(is_enabled=True).order_by("pk"))
    without = [row for row in rows if not has_key(row)]
    return without[0] if without and len(without) == len(rows) else None


def has_key(provider: Provider) -> bool:
    """Return whether a provider names a key that may be used, or needs none; its value is not read."""
    adapter = adapter_facts.declared(provider.adapter)
    if not provider.credential:
        return adapter is None or not adapter.needs_credential
    is_known = provider.credential in conf.get().credentials
    return is_known and not usable_credentials.use_problem(provider.credential)


def valid_grants() -> Any:
    """Return the grants that hold today, for models that are ready for use."""
    now = clock.ago(0)
    return Grant.objects.filter(
        Q(starts_at__isnull=True) | Q(starts_at__lte=now),
        Q(ends_at__isnull=True) | Q(ends_at__gt=now),
        image_model__lifecycle__in=sorted(one.value for one in USABLE_LIFECYCLES),
        image_model__provider__is_enabled=True,
    )


def _somebody_may_request() -> bool:
    """Return whether a group with a grant has anybody in it, or superusers need none."""
    if conf.get().superuser_bypass and ImageModel.objects.usable().exists():
        return True
    users = database.accounts(get_user_model())
    return users.filter(groups__in=valid_grants().values("group")).exists()
