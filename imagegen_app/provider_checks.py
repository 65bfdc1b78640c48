"""Check the providers in the database, for `manage.py check --database default` and `migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError

from imagegen_app import conf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@register("imagegen", Tags.database)
def check_providers(
    *, databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Check that every enabled provider has a base URL and a credential that the site allows."""
    if not databases:
        return []
    try:
        conf.get()
        return [*_refused(databases), *_of_other_environments(databases)]
    except (DatabaseError, conf.InvalidSettings):
        # Not migrated yet; or the settings themselves are wrong, which another check tells.
        return []


def origin_errors(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield an error for everything in `PROVIDER_ORIGINS` that is not an origin by https."""
    from imagegen_app.services.gateways import base_urls  # noqa: PLC0415 - faster start

    for text in settings.provider_origins:
        if not base_urls.is_origin(text) or not text.startswith("https://"):
            yield Error(
                f"IMAGEGEN['PROVIDER_ORIGINS'] contains {text!r}, which is not an origin by https.",
                hint="Write https://host or https://host:port; http goes to TRUSTED_ORIGINS.",
                id="imagegen.E019",
            )


def _refused(databases: Sequence[str]) -> Iterator[CheckMessage]:
    from imagegen_app.models import Provider  # noqa: PLC0415 - apps are loaded by now
    from imagegen_app.services.gateways import base_urls  # noqa: PLC0415 - as above

    rows = Provider.objects.filter(is_enabled=True).order_by("slug")
    if rows.db not in databases:
        return
    for provider in rows:
        problem = base_urls.base_url_problem(provider)
        if problem is not None:
            yield Error(
                f"The provider {provider.slug} cannot be called: {problem}",
                hint="Correct its base URL, or add its origin to IMAGEGEN['PROVIDER_ORIGINS'].",
                id="imagegen.E020",
            )


def _of_other_environments(databases: Sequence[str]) -> Iterator[CheckMessage]:
    from imagegen_app.models import Provider  # noqa: PLC0415 - apps are loaded by now
    from imagegen_app.services.gateways import usable_credentials  # noqa: PLC0415 - as above

    rows = Provider.objects.filter(is_enabled=True, credential__in=conf.get().credentials)
    if rows.db not in databases:
        return
    for provider in rows.order_by("slug"):
        if problem := usable_credentials.environment_problem(provider.credential):
            yield Error(
                f"The provider {provider.slug} cannot be called: {problem}",
                hint="Choose a credential of this environment for it, or correct the settings.",
                id="imagegen.E022",
            )


def test_keys(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield a warning for each credential of a production site that is a test key."""
    from imagegen_app.services.gateways import usable_credentials  # noqa: PLC0415 - faster start

    for name in settings.credentials if settings.environment == "production" else ():
        if usable_credentials.looks_like_test_key(name):
            yield CheckWarning(
                f"IMAGEGEN['CREDENTIALS'][{name!r}] is a test key, and this site is in production.",
                hint="Give it the production key.",
                id="imagegen.W023",
            )
