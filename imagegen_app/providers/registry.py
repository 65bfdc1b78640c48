"""Keep the one list of adapters, and build them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from imagegen_app.core.types import RecoveryMethod

if TYPE_CHECKING:
    from imagegen_app.core.types import Capabilities
    from imagegen_app.providers.base import ProviderAdapter
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import HttpClient


#: For how long a provider remembers an idempotency key where its adapter names no time: the
#: shortest that is usual.
DEFAULT_IDEMPOTENCY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter that can be chosen, as its class declares itself."""

    name: str
    #: `module:Class`.
    path: str
    label: str
    #: Whether it cannot be used without a key.
    needs_credential: bool = False
    #: Where the API is, unless the account says otherwise; empty where it must say.
    base_url: str = ""
    #: Whether it makes network calls at all.
    is_remote: bool = True
    #: How the outcome of an unanswered call can be found out.
    recovery: frozenset[RecoveryMethod] = frozenset()
    #: For how long after a call its idempotency key still keeps a second one from being billed.
    idempotency_seconds: float = DEFAULT_IDEMPOTENCY_SECONDS
    #: How its webhooks are signed; empty where it has none.
    webhook_kind: str = ""
    #: Models' names at the provider that show what the adapter can do.
    example_models: tuple[str, ...] = ()
    #: The options that it knows.
    options: tuple[str, ...] = ()

    @property
    def example_model(self) -> str:
        """The first of the examples, or an empty text."""
        return next(iter(self.example_models), "")


_PACKAGE = "imagegen_app.providers."
_PATHS = {
    "sandbox": _PACKAGE + "sandbox:Sandbox",
    "openai": _PACKAGE + "openai:OpenAI",
    "generic_jobs": _PACKAGE + "generic_jobs:GenericJobs",
}


class UnknownAdapter(LookupError):
    """No adapter has this name, and it is not the path of one."""


def adapter_names() -> tuple[str, ...]:
    """Return the names of the adapters that come with the app."""
    return tuple(_PATHS)


def describe(name: str) -> Adapter:
    """Return what an adapter's class declares, without building it.

    :raises UnknownAdapter: if there is none.
    """
    path = _PATHS.get(name, name)
    kind = _load(path)
    # What a class leaves out has the default.
    declared: dict[str, Any] = {
        entry.name: getattr(kind, entry.name)
        for entry in fields(Adapter)
        if isinstance(getattr(kind, entry.name, None), str | bool | int | float | tuple | list)
    }
    ways = {way.value for way in RecoveryMethod}.intersection(getattr(kind, "recovery", ()))
    declared |= {
        "name": name,
        "path": path,
        "label": str(declared.get("label", name)),
        "recovery": frozenset(RecoveryMethod(way) for way in ways),
        "example_models": tuple(declared.get("example_models", ())),
        "options": tuple(declared.get("options", ())),
    }
    return Adapter(**declared)


def describe_all() -> tuple[Adapter, ...]:
    """Return the adapters that come with the app, in the order to offer them in."""
    return tuple(describe(name) for name in _PATHS)


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
