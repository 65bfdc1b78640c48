"""Hand out the credentials that the settings name, unless they must not be used here.

Every part of the app gets its credentials from this module, each time that it needs one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from imagegen_app import conf
from imagegen_app.models import RevokedCredential
from imagegen_app.providers import credentials, refused_keys
from imagegen_app.providers.credentials import (
    Credential,
    Secret,
    SecretMisconfigured,
    SecretMissing,
    SecretUnreadable,
)

#: For how long a process uses credentials after another one revoked them.
CACHE_SECONDS = 1.0
#: How providers mark keys that make nothing real, near their beginning.
_TEST_KEY = re.compile(r"^(?:[A-Za-z0-9]{1,8}[-_])?(?:test|sandbox)[-_]", re.IGNORECASE)


class CredentialUnusable(Exception):
    """A credential is unknown or must not be used here; the message says what to do."""


class _Known:
    """The revoked credentials as this process last read them."""

    names: frozenset[str] = frozenset()
    read_at: float | None = None


#: The names for code that runs where the database must not be asked; None elsewhere.
_read_before: ContextVar[frozenset[str] | None] = ContextVar("revoked_names", default=None)


@contextmanager
def with_revoked_names(names: frozenset[str]) -> Iterator[None]:
    """Have the block go by names that were read before, for threads without a database connection."""
    token = _read_before.set(names)
    try:
        yield
    finally:
        _read_before.reset(token)


def revoked_names() -> frozenset[str]:
    """Return the names of revoked credentials, at most `CACHE_SECONDS` old."""
    before = _read_before.get()
    if before is not None:
        return before
    now = time.monotonic()
    if _Known.read_at is None or now - _Known.read_at > CACHE_SECONDS:
        _Known.names = frozenset(
            RevokedCredential.objects.filter(restored_at=None).values_list("name", flat=True)
        )
        _Known.read_at = now
    return _Known.names


def forget_revoked_names() -> None:
    """Read them anew the next time, since they were changed."""
    _Known.read_at = None


def environment_problem(name: str) -> str:
    """Return why a credential of the settings does not belong to this site's environment."""
    site = conf.get()
    wanted, here = site.credentials[name].environment, site.environment
    if not wanted or wanted == here:
        return ""
    if not here:
        return (
            f"The credential {name!r} is for the environment {wanted!r}, and this site names none; "
            "set IMAGEGEN['ENVIRONMENT']."
        )
    return (
        f"The credential {name!r} is for the environment {wanted!r}, and this site is {here!r}; "
        "choose a credential of this environment."
    )


def use_problem(name: str) -> str:
    """Return why a credential of the settings must not be used, with what to do; empty if it may."""
    if name in revoked_names():
        return (
            f"The credential {name!r} was revoked, so nothing is sent with it; "
            "choose another, or restore it."
        )
    return environment_problem(name)


def credential(name: str) -> Credential | None:
    """Return the credential of this name, or None for the empty name; no value is read.

    :raises CredentialUnusable: if the settings have no credential of this name, it was revoked, or it
        belongs to another environment.
    """
    if name and name in conf.get().credentials and (problem := use_problem(name)):
        raise CredentialUnusable(problem)
    return configured_credential(name)


def configured_credential(name: str) -> Credential | None:
    """Return the credential of this name as `credential` does, even if it was revoked.

    For system checks, which run before the database has its tables. Nothing is sent with it.

    :raises CredentialUnusable: if the settings have no credential of this name, or it belongs to another
        environment.
    """
    if not name:
        return None
    entry = conf.get().credentials.get(name)
    if entry is None:
        raise CredentialUnusable(
            f"The credential {name!r} is not in IMAGEGEN['CREDENTIALS']; add it, or choose another."
        )
    if problem := environment_problem(name):
        raise CredentialUnusable(problem)
    return _built(name, entry.source, entry)


def _built(name: str, source: str | tuple[str, ...], entry: conf.KeySettings) -> Credential:
    kept = conf.get().secret_stores
    credentials.kept_values.configure(
        fresh_seconds=kept.fresh_seconds, stale_seconds=kept.outage_seconds
    )
    sources = (source,) if isinstance(source, str) else tuple(source)
    return Credential(name=name, sources=sources, hosts=frozenset(entry.hosts))


def webhook_secrets(name: str) -> tuple[Secret, ...]:
    """Return the secrets that the provider of this credential may sign its webhooks with.

    Empty if none is configured or none has a value, and for a credential that must not be used.

    :raises SecretUnreadable: if their source fails or is set up wrongly, so that nobody can tell now.
    """
    entry = conf.get().credentials.get(name)
    if entry is None or not entry.webhook_source or use_problem(name):
        return ()
    try:
        return _built(f"{name} webhook", entry.webhook_source, entry).values()
    except SecretUnreadable:
        raise
    except SecretMisconfigured as error:
        # The sender repeats the delivery, and it may be corrected by then.
        raise SecretUnreadable(str(error)) from None
    except SecretMissing:
        return ()


def credential_problems() -> dict[str, str]:
    """Read every credential of the settings once and return the problems by name.

    The texts hold nothing that a source gave or raised. The database is not asked: those that were
    revoked are read as well.
    """
    found: dict[str, str] = {}
    for name, entry in conf.get().credentials.items():
        try:
            _built(name, entry.source, entry).values()
        except SecretUnreadable as error:
            found[name] = f"The key cannot be read: {error}."
        except SecretMissing as error:
            # The error names the credential.
            found[name] = f"The {error}."
        except ValueError as error:
            # Its source is no source at all; the message does not repeat it.
            found[name] = f"{error}."
    return found


def has_refused_value(name: str) -> bool:
    """Tell whether a provider refused one of a credential's values and took the other, in this process."""
    entry = conf.get().credentials[name]
    try:
        values = _built(name, entry.source, entry).values()
    except (SecretMissing, ValueError):
        return False
    return any(refused_keys.is_refused(name, value) for value in values)


def looks_like_test_key(name: str) -> bool:
    """Tell whether a credential is marked as a test key, or its value says that it is one."""
    entry = conf.get().credentials[name]
    if entry.is_test:
        return True
    try:
        values = _built(name, entry.source, entry).values()
    except (SecretMissing, ValueError):
        return False
    return any(_TEST_KEY.search(value.reveal()) for value in values)
