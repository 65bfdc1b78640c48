"""Keep the one list of adapters, and build them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagegen_app.core.types import RecoveryMethod

if TYPE_CHECKING:
    from imagegen_app.core.types import Capabilities
    from imagegen_app.providers.base import ProviderAdapter
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import HttpClient


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter that can be chosen."""

    name: str
    #: `module:Class`.
    path: str
    label: str
    #: Whether it cannot be used without a key.
    needs_credential: bool
    #: Where the API is, unless the account says otherwise; empty where it must say.
    base_url: str = ""
    #: Whether it makes network calls at all.
    is_remote: bool = True
    recovery: frozenset[RecoveryMethod] = frozenset()
    #: A model's name at the provider that shows what the adapter can do.
    example_model: str = ""


_PACKAGE = "imagegen_app.providers."
_ADAPTERS = (
    Adapter(
        name="sandbox",
        path=_PACKAGE + "sandbox:Sandbox",
        label="Sandbox (draws locally, no key, no cost)",
        needs_credential=False,
        is_remote=False,
        recovery=frozenset({RecoveryMethod.IDEMPOTENCY_KEY}),
        example_model="sandbox-1",
    ),
    Adapter(
        name="openai",
        path=_PACKAGE + "openai:OpenAI",
        label="OpenAI, or a server that speaks like it",
        needs_credential=True,
        base_url="https://api.openai.com/v1",
        example_model="gpt-image-2.6-flare",
    ),
    Adapter(
        name="generic_jobs",
        path=_PACKAGE + "generic_jobs:GenericJobs",
        label="Generic job protocol (your own gateway)",
        needs_credential=True,
        recovery=frozenset(
            {RecoveryMethod.IDEMPOTENCY_KEY, RecoveryMethod.LOOKUP, RecoveryMethod.WEBHOOK}
        ),
        example_model="generic-1",
    ),
)


class UnknownAdapter(LookupError):
    """No adapter has this name, and it is not the path of one."""


def adapter_names() -> tuple[str, ...]:
    """Return the names of the adapters that come with the app."""
    return tuple(adapter.name for adapter in _ADAPTERS)


def describe(name: str) -> Adapter:
    """Return what is known of an adapter without building it.

    :raises UnknownAdapter: if there is none.
    """
    for adapter in _ADAPTERS:
        if adapter.name == name:
            return adapter
    kind = _load(name)
    return Adapter(
        name=name,
        path=name,
        label=str(getattr(kind, "label", name)),
        needs_credential=bool(getattr(kind, "needs_credential", False)),
        base_url=str(getattr(kind, "base_url", "")),
        is_remote=bool(getattr(kind, "is_remote", True)),
        recovery=frozenset(kind.recovery),
        example_model=str(getattr(kind, "example_model", "")),
    )


def describe_all() -> tuple[Adapter, ...]:
    """Return the adapters that come with the app, in the order to offer them in."""
    return _ADAPTERS


def build(
    name: str,
    *,
    base_url: str = "",
    credential: Credential | None = None,
    http: HttpClient | None = None,
    options: Mapping[str, Any] | None = None,
) -> ProviderAdapter:
    """Build an adapter by its name, or by the dotted path (`module:Class`) of your own.

    Options that all adapters know: `capabilities`, a mapping of model name to `Capabilities`
    that goes before the adapter's own matrix.

    :raises UnknownAdapter: if there is none.
    :raises ValueError: if it lacks its base URL, credential or HTTP client, or the credential
        is not meant for the base URL.
    """
    adapter = describe(name)
    base_url = base_url or adapter.base_url
    if adapter.is_remote:
        if not base_url or http is None:
            raise ValueError(f"the adapter {name!r} needs a base URL and an HTTP client")
        if not http.can_call(base_url):
            raise ValueError("the base URL must be https or a trusted origin")
    if adapter.needs_credential and credential is None:
        raise ValueError(f"the adapter {name!r} needs a credential")
    if adapter.is_remote and credential is not None and not credential.allows(base_url):
        raise ValueError(f"the credential {credential.name!r} is not meant for the base URL")
    kind = _load(adapter.path)
    built: ProviderAdapter = kind(
        base_url=base_url, credential=credential, http=http, options=options or {}
    )
    return built


def capabilities(
    name: str, model: str, *, options: Mapping[str, Any] | None = None
) -> Capabilities:
    """Return what a model can do by the adapter's own matrix; no account is needed.

    :raises UnknownAdapter: if there is none.
    """
    kind = _load(describe(name).path)
    built: ProviderAdapter = kind(base_url="", credential=None, http=None, options=options or {})
    return built.capabilities(model)


def _load(path: str) -> Any:
    module, separator, attribute = path.partition(":")
    if not separator:
        module, _, attribute = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownAdapter(path) from error
