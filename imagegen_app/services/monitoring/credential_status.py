"""Tell which credentials are set, valid, revoked, of another environment, or near their end."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.models import Provider
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapters, key_checks, usable_credentials
from imagegen_app.services.gateways.key_checks import KeyState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.services.gateways.key_checks import KeyQuestion

#: How long before its end a key is told of.
WARNING_DAYS: Final = 30
#: The name of the environment in which test keys are wrong.
PRODUCTION: Final = "production"


@dataclass(frozen=True, slots=True)
class CredentialFinding:
    """What is to be said of one credential, in the reader's language."""

    name: str
    level: Literal["ok", "warning", "error"]
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is asked about a credential, and how."""

    name: str
    #: The short name of a provider, or what a content check or the captioner is called.
    whom: str
    is_provider: bool
    question: KeyQuestion


def credential_findings() -> list[CredentialFinding]:
    """Return what is to be said of each credential of the settings.

    Those who take them are asked, for free, side by side and within `key_checks.TOTAL_SECONDS`.
    """
    problems = usable_credentials.credential_problems()
    told: dict[str, list[CredentialFinding]] = {}
    asked: list[_Asked] = []
    for name, entry in sorted(conf.get().credentials.items()):
        if name in usable_credentials.revoked_names():
            told[name] = [_of_revoked(name)]
        elif problem := usable_credentials.environment_problem(name):
            # One settings module may serve several sites, each with credentials of its own.
            told[name] = [CredentialFinding(name, "error" if _is_used(name) else "ok", problem)]
        elif name in problems:
            told[name] = [_of_missing_value(name, problems[name])]
        else:
            told[name] = list(_of_value(name, entry))
            asked += _askable(name)
    states = key_checks.ask_side_by_side([one.question for one in asked])
    for one, state in zip(asked, states, strict=True):
        told[one.name].append(_of_answer(one, state))
    return [finding for found in told.values() for finding in found]


def _of_revoked(name: str) -> CredentialFinding:
    return CredentialFinding(
        name,
        "warning",
        _("The credential %(name)s is revoked; nothing is sent with it.") % {"name": name},
        _("Give its providers another one, or restore it: imagegen_credentials restore."),
    )


def _askable(name: str) -> Iterator[_Asked]:
    """Yield who takes a credential: enabled providers, content checks, captioner and text model."""
    providers = Provider.objects.filter(credential=name, is_enabled=True).order_by("slug")
    for provider in providers:
        # What is wrong with the provider is told of the provider.
        with suppress(adapters.ProviderNotConfigured):
            question = key_checks.provider_question(provider)
            yield _Asked(name, provider.slug, is_provider=True, question=question)
    site = conf.get()
    for screener in site.screeners:
        if screener.options.get("credential") == name:
            # What is wrong with a content check or the captioner is told of it.
            with suppress(Exception):
                question = key_checks.screener_question(screener)
                yield _Asked(name, screener.name, is_provider=False, question=question)
    if site.captioner.backend and site.captioner.options.get("credential") == name:
        with suppress(Exception):
            question = key_checks.captioner_question(site.captioner)
            yield _Asked(name, _("captioner"), is_provider=False, question=question)
    if site.text_model.backend and site.text_model.options.get("credential") == name:
        with suppress(Exception):
            question = key_checks.text_model_question(site.text_model)
            yield _Asked(name, _("text model"), is_provider=False, question=question)


def _is_used(name: str) -> bool:
    """Return whether an enabled provider, a content check, captioner or text model uses a credential."""
    site = conf.get()
    options = [screener.options for screener in site.screeners]
    options += [one.options for one in (site.captioner, site.text_model) if one.backend]
    return (
        any(one.get("credential") == name for one in options)
        or Provider.objects.filter(credential=name, is_enabled=True).exists()
    )


def _of_missing_value(name: str, why: str) -> CredentialFinding:
    values = {"name": name, "why": why}
    if not _is_used(name):
        told = _("The credential %(name)s has no value here, and no enabled provider uses it.")
        return CredentialFinding(name, "ok", told % values)
    return CredentialFinding(
        name,
        "warning",
        _("The credential %(name)s has no value here: %(why)s") % values,
        _("Set it in the environment of the workers, or remove it from the settings."),
    )


def _of_value(name: str, entry: conf.KeySettings) -> Iterator[CredentialFinding]:
    if conf.get().environment == PRODUCTION and usable_credentials.looks_like_test_key(name):
        yield CredentialFinding(
            name,
            "warning",
            _("The credential %(name)s is a test key, and this site is in production.")
            % {"name": name},
            _("Give it the production key."),
        )
    if entry.expires:
        yield from _of_end(name, date.fromisoformat(entry.expires))


def _of_end(name: str, last_day: date) -> Iterator[CredentialFinding]:
    today = clock.today()
    if today > last_day:
        yield CredentialFinding(
            name,
            "error",
            _("The credential %(name)s ended on %(day)s.") % {"name": name, "day": last_day},
            _("Renew the key at the provider, and correct EXPIRES."),
        )
    elif today + timedelta(days=WARNING_DAYS) >= last_day:
        yield CredentialFinding(
            name,
            "warning",
            _("The credential %(name)s ends on %(day)s.") % {"name": name, "day": last_day},
            _("Renew the key at the provider in time, and correct EXPIRES."),
        )


def _of_answer(asked: _Asked, state: KeyState) -> CredentialFinding:
    name = asked.name
    values = {"name": name, "provider": asked.whom, "service": asked.whom}
    if state is KeyState.REFUSED:
        told = (
            _("The provider %(provider)s refuses the credential %(name)s.")
            if asked.is_provider
            else _("The service of “%(service)s” refuses the credential %(name)s.")
        )
        remedy = _("Renew the key at the provider, and set it where the workers run.")
        return CredentialFinding(name, "error", told % values, remedy)
    if state is KeyState.VALID and usable_credentials.has_refused_value(name):
        if asked.is_provider:
            return _of_refused_value(name, provider=asked.whom)
        told = _(
            "The service of “%(service)s” refuses one of the two values of the credential %(name)s."
        )
        return CredentialFinding(name, "warning", told % values, _remedy_of_refused_value())
    is_known = state in {KeyState.VALID, KeyState.UNCHECKED}
    told = _of_provider(state) if asked.is_provider else _of_service(state)
    values["seconds"] = f"{key_checks.TOTAL_SECONDS:g}"
    return CredentialFinding(name, "ok" if is_known else "warning", told % values)


def refused_value_finding(provider: Provider) -> CredentialFinding | None:
    """Return what is to be said where one value of a provider's key was refused; None if none was.

    Nobody is asked: it is what this process knows of the calls that it made.
    """
    if not key_checks.has_refused_value(provider.credential):
        return None
    return _of_refused_value(provider.credential, provider=provider.slug)


def _of_refused_value(name: str, *, provider: str) -> CredentialFinding:
    told = _("The provider %(provider)s refuses one of the two values of the credential %(name)s.")
    return CredentialFinding(
        name, "warning", told % {"provider": provider, "name": name}, _remedy_of_refused_value()
    )


def _remedy_of_refused_value() -> str:
    return _("Its other value is used. Correct the new one, or take the old one away.")


def _of_provider(state: KeyState) -> str:
    return {
        KeyState.VALID: _("The provider %(provider)s accepts the credential %(name)s."),
        KeyState.UNCHECKED: _(
            "The credential %(name)s has a value; the provider %(provider)s has no free call that "
            "would tell whether it is valid."
        ),
        KeyState.UNKNOWN: _(
            "The credential %(name)s has a value; the provider %(provider)s could not be asked."
        ),
        KeyState.LATE: _(
            "The credential %(name)s has a value; the provider %(provider)s had not answered after "
            "%(seconds)s seconds, when the time for all was over."
        ),
    }[state]


def _of_service(state: KeyState) -> str:
    return {
        KeyState.VALID: _("The service of “%(service)s” accepts the credential %(name)s."),
        KeyState.UNCHECKED: _(
            "The credential %(name)s has a value; the service of “%(service)s” has no free call that "
            "would tell whether it is valid."
        ),
        KeyState.UNKNOWN: _(
            "The credential %(name)s has a value; the service of “%(service)s” could not be asked."
        ),
        KeyState.LATE: _(
            "The credential %(name)s has a value; the service of “%(service)s” had not answered after "
            "%(seconds)s seconds, when the time for all was over."
        ),
    }[state]
