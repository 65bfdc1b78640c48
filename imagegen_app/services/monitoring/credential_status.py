"""Tell which credentials are set, valid, revoked, of another environment, or near their end."""

from __future__ import annotations

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


def credential_findings() -> Iterator[CredentialFinding]:
    """Yield what is to be said of each credential of the settings; its providers are asked, for free."""
    problems = usable_credentials.credential_problems()
    for name, entry in sorted(conf.get().credentials.items()):
        if name in usable_credentials.revoked_names():
            yield CredentialFinding(
                name,
                "warning",
                _("The credential %(name)s is revoked; nothing is sent with it.") % {"name": name},
                _("Give its providers another one, or restore it: imagegen_credentials restore."),
            )
        elif problem := usable_credentials.environment_problem(name):
            # One settings module may serve several sites, each with credentials of its own.
            yield CredentialFinding(name, "error" if _is_used(name) else "ok", problem)
        elif name in problems:
            yield _of_missing_value(name, problems[name])
        else:
            yield from _of_value(name, entry)


def _is_used(name: str) -> bool:
    """Return whether an enabled provider, a content check or the captioner uses a credential."""
    site = conf.get()
    options = [screener.options for screener in site.screeners]
    if site.captioner.backend:
        options.append(site.captioner.options)
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
    providers = Provider.objects.filter(credential=name, is_enabled=True).order_by("slug")
    for provider in providers:
        try:
            yield _of_provider(name, provider)
        except adapters.ProviderNotConfigured:
            # What is wrong with the provider is told of the provider.
            continue


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


def _of_provider(name: str, provider: Provider) -> CredentialFinding:
    values = {"name": name, "provider": provider.slug}
    state = key_checks.check_key(provider)
    if state is KeyState.REFUSED:
        return CredentialFinding(
            name,
            "error",
            _("The provider %(provider)s refuses the credential %(name)s.") % values,
            _("Renew the key at the provider, and set it where the workers run."),
        )
    if state is KeyState.VALID and usable_credentials.has_refused_value(name):
        return CredentialFinding(
            name,
            "warning",
            _("The provider %(provider)s refuses one of the two values of the credential %(name)s.")
            % values,
            _("Its other value is used. Correct the new one, or take the old one away."),
        )
    said = {
        KeyState.VALID: _("The provider %(provider)s accepts the credential %(name)s."),
        KeyState.UNCHECKED: _(
            "The credential %(name)s has a value; the provider %(provider)s has no free call that "
            "would tell whether it is valid."
        ),
        KeyState.UNKNOWN: _(
            "The credential %(name)s has a value; the provider %(provider)s could not be asked."
        ),
    }[state]
    level: Literal["ok", "warning"] = "warning" if state is KeyState.UNKNOWN else "ok"
    return CredentialFinding(name, level, said % values)
