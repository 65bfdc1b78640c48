"""Decide which base URLs providers may have: nobody's server gets prompts because a form said so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.providers import registry
from imagegen_app.providers.http.transport import origin, parse

if TYPE_CHECKING:
    from imagegen_app.models import Provider as ProviderRow

NOT_A_URL = gettext_noop(
    "The base URL is not an address of a server. Write https:// and the host, without a user name."
)
NOT_ALLOWED = gettext_noop(
    "The base URL may not be called: %(origin)s is neither a public host of the adapter "
    "“%(adapter)s” nor one that the site allows. Correct it, or have %(origin)s added to "
    "IMAGEGEN['PROVIDER_ORIGINS'] in the site's settings; to TRUSTED_ORIGINS instead if it uses "
    "plain http or has a private address."
)


def base_url_problem(provider: ProviderRow) -> Message | None:
    """Return why a provider's base URL may not be called, and what to do; None if it may.

    None also where there is nothing to judge: without a base URL of its own, for an adapter that
    makes no calls, and for an unknown adapter, which is told of by itself.
    """
    try:
        adapter = registry.describe(conf.get().adapters.get(provider.adapter, provider.adapter))
    except registry.UnknownAdapter:
        return None
    url = provider.base_url or adapter.base_url
    if not url or not adapter.is_remote:
        return None
    try:
        wanted = origin(parse(url))
    except ValueError:
        return Message(NOT_A_URL)
    if adapter.is_own_url(url) or wanted in _allowed():
        return None
    return Message(NOT_ALLOWED, {"origin": _shown(wanted), "adapter": provider.adapter})


def _allowed() -> frozenset[str]:
    """Return the origins that the site allows; one that is no URL allows nothing."""
    found = set()
    for text in conf.get().provider_origins:
        if is_origin(text) and text.startswith("https://"):
            found.add(origin(parse(text)))
    for text in conf.get().trusted_origins:
        if is_origin(text):
            found.add(origin(parse(text)))
    return frozenset(found)


def is_origin(text: object) -> bool:
    """Return whether a text is a scheme, a host and perhaps a port, and nothing else."""
    if not isinstance(text, str):
        return False
    try:
        target = parse(text)
    except ValueError:
        return False
    return target.path in {"", "/"} and not target.query and "?" not in text and "#" not in text


def _shown(wanted: str) -> str:
    """Return an origin as people write it in settings: without the scheme's own port."""
    scheme, _colon, rest = wanted.partition("://")
    return f"{scheme}://{rest.removesuffix(':443' if scheme == 'https' else ':80')}"
