"""Keep the one list of adapters, and build them."""

from __future__ import annotations

import functools
import importlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imagegen_app.core.capability_overrides import overridden
from imagegen_app.core.model_parameters import Parameter, unknown_or_wrong
from imagegen_app.core.types import RecoveryMethod
from imagegen_app.providers.base import Account
from imagegen_app.providers.http.transport import origin, parse

if TYPE_CHECKING:
    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.data_handling import DataFact
    from imagegen_app.core.i18n import Message
    from imagegen_app.providers.base import ProviderAdapter
    from imagegen_app.providers.credentials import Credential, Secret
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
    #: Hosts of the provider's API beside that of the base URL. A `*` stands for a part without dots;
    #: where others can have such a part too, `{region}` for a region's name such as `us-east-1`.
    hosts: tuple[str, ...] = ()
    #: Whether it makes network calls at all.
    is_remote: bool = True
    #: Whether it is made for a server of the site's own, whose calls nobody bills.
    is_self_hosted: bool = False
    #: How the outcome of an unanswered call can be found out.
    recovery: frozenset[RecoveryMethod] = frozenset()
    #: For how long after a call its idempotency key still keeps a second one from being billed.
    idempotency_seconds: float = DEFAULT_IDEMPOTENCY_SECONDS
    #: How its webhooks are signed; empty where it has none.
    webhook_kind: str = ""
    #: Whether its `submit` can show images on their way; see `base.ProviderAdapter.submit`.
    has_previews: bool = False
    #: Whether its `submit` tells of the progress of a call before the answer.
    has_progress: bool = False
    #: Whether its `poll`, too, shows and tells this, since its calls are jobs.
    has_live_polls: bool = False
    #: Whether the model versions that it tells begin with the model's name, so that another one shows.
    names_models: bool = False
    #: Models' names at the provider that show what the adapter can do.
    example_models: tuple[str, ...] = ()
    #: Whether its models are workflows that an administrator uploads.
    has_workflows: bool = False
    #: The options of an account, by name.
    options: Mapping[str, Parameter] = field(default_factory=dict)
    #: What is known of how the provider handles data; what is not named is unknown.
    data_handling: Mapping[str, DataFact] = field(default_factory=dict)

    @property
    def is_free(self) -> bool:
        """Whether nobody bills its calls."""
        return self.is_self_hosted or not self.is_remote

    @property
    def example_model(self) -> str:
        """The first of the examples, or an empty text."""
        return next(iter(self.example_models), "")

    def is_own_url(self, url: str) -> bool:
        """Tell whether a URL is at a public host of the provider: by https, on the usual port."""
        try:
            target = parse(url)
        except ValueError:
            return False
        own = [*self.hosts, urlsplit(self.base_url).hostname or ""]
        return origin(target) == f"https://{target.host}:443" and any(
            re.fullmatch(_host_pattern(host), target.host) for host in own if host
        )


def _host_pattern(host: str) -> str:
    pattern = re.escape(host.lower()).replace(r"\*", "[a-z0-9-]+")
    return pattern.replace(r"\{region\}", "[a-z]{2}(?:-[a-z]+){1,2}-[0-9]{1,2}")


_PACKAGE = "imagegen_app.providers."
_PATHS = {
    "sandbox": _PACKAGE + "sandbox:Sandbox",
    "openai": _PACKAGE + "openai:OpenAI",
    "generic_jobs": _PACKAGE + "generic_jobs:GenericJobs",
    "http_jobs": _PACKAGE + "http_jobs:HttpJobs",
    "gemini": _PACKAGE + "gemini:Gemini",
    "gemini_vertex": _PACKAGE + "gemini:Vertex",
    "bfl": _PACKAGE + "bfl:BlackForestLabs",
    "xai": _PACKAGE + "xai:XAI",
    "fal": _PACKAGE + "fal:Fal",
    "ideogram": _PACKAGE + "ideogram:Ideogram",
    "replicate": _PACKAGE + "replicate:Replicate",
    "recraft": _PACKAGE + "recraft:Recraft",
    "stability": _PACKAGE + "stability:Stability",
    "bedrock": _PACKAGE + "bedrock:Bedrock",
    "azure_openai": _PACKAGE + "azure_openai:AzureOpenAI",
    "openai_compatible": _PACKAGE + "openai_compatible:OpenAICompatible",
    "stable_diffusion_cpp": _PACKAGE + "stable_diffusion_cpp:StableDiffusionCpp",
    "automatic1111": _PACKAGE + "automatic1111:Automatic1111",
    "comfyui": _PACKAGE + "comfyui:ComfyUI",
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
    return _declared(name, path, _load(path))


@functools.lru_cache(maxsize=100)
def _declared(name: str, path: str, kind: Any) -> Adapter:
    # What a class leaves out has the default.
    declared: dict[str, Any] = {
        entry.name: getattr(kind, entry.name)
        for entry in fields(Adapter)
        if isinstance(getattr(kind, entry.name, None), str | bool | int | float | tuple | Mapping)
    }
    ways = {way.value for way in RecoveryMethod}.intersection(getattr(kind, "recovery", ()))
    declared |= {
        "name": name,
        "path": path,
        "label": str(declared.get("label", name)),
        "recovery": frozenset(RecoveryMethod(way) for way in ways),
        "example_models": tuple(declared.get("example_models", ())),
        "hosts": tuple(declared.get("hosts", ())),
        "options": dict(declared.get("options", {})),
        "data_handling": dict(declared.get("data_handling", {})),
    }
    return Adapter(**declared)


def recovery_of(name: str, options: Mapping[str, Any]) -> frozenset[RecoveryMethod]:
    """Return how the outcome of an account's lost call can be found out.

    That is what its adapter declares, unless that depends on the account's options.

    :raises UnknownAdapter: if there is none.
    """
    adapter = describe(name)
    by_options = getattr(_load(adapter.path), "recovery_of", None)
    return adapter.recovery if by_options is None else frozenset(by_options(options))


def preview_tokens(name: str, options: Mapping[str, Any]) -> int:
    """Return how many tokens of output images the images on their way of one call cost at most.

    :raises UnknownAdapter: if there is none.
    """
    by_options = getattr(_load(describe(name).path), "preview_tokens", None)
    return 0 if by_options is None else int(by_options(options))


def workflow_problems(name: str, document: object) -> tuple[Message, ...]:
    """Return what is wrong with a workflow by itself, whatever the server has.

    :raises UnknownAdapter: if there is no such adapter, or its models are no workflows.
    """
    adapter = describe(name)
    if not adapter.has_workflows:
        raise UnknownAdapter(name)
    found: tuple[Message, ...] = _load(adapter.path).workflow_problems(document)
    return found


def workflow_document(name: str, exported: object) -> Any:
    """Return a workflow's document, made of what somebody exported.

    :raises UnknownAdapter: if there is no such adapter, or its models are no workflows.
    """
    adapter = describe(name)
    if not adapter.has_workflows:
        raise UnknownAdapter(name)
    return _load(adapter.path).workflow_document(exported)


def has_method(name: str, method: str) -> bool:
    """Return whether an adapter's class has a method that not all adapters have.

    :raises UnknownAdapter: if there is no such adapter.
    """
    return callable(getattr(_load(_PATHS.get(name, name)), method, None))


def describe_all() -> tuple[Adapter, ...]:
    """Return the adapters that come with the app, in the order to offer them in."""
    return tuple(describe(name) for name in _PATHS)


def option_errors(name: str, options: Mapping[str, Any]) -> dict[str, Message]:
    """Return by name why options of an account are not accepted.

    :raises UnknownAdapter: if there is no such adapter.
    """
    adapter = describe(name)
    wrong = unknown_or_wrong(options, declared=adapter.options)
    # Each may be fine by itself, and not fit the others.
    joint = getattr(_load(adapter.path), "option_problems", None)
    return wrong or (dict(joint(options)) if joint is not None else {})


def build(
    name: str,
    *,
    base_url: str = "",
    credential: Credential | None = None,
    http: HttpClient | None = None,
    options: Mapping[str, Any] | None = None,
    webhook_secrets: tuple[Secret, ...] = (),
    clock: Callable[[], float] = time.time,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    workflows: Mapping[str, Any] | None = None,
) -> ProviderAdapter:
    """Build an adapter by its name, or by the dotted path (`module:Class`) of your own.

    The arguments are the fields of its `Account`.

    :raises UnknownAdapter: if there is none.
    :raises ValueError: if it lacks its base URL, credential or HTTP client, the credential is not
        meant for the base URL, or an option or override is not accepted.
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
    for option, error in option_errors(name, options or {}).items():
        raise ValueError(f"the option {option!r}: {error}")
    account = Account(
        base_url=base_url,
        credential=credential,
        http=http,
        options=options or {},
        webhook_secrets=webhook_secrets,
        clock=clock,
        overrides=overrides or {},
        workflows=workflows or {},
    )
    built: ProviderAdapter = _load(adapter.path)(account=account)
    for model, changes in account.overrides.items():
        # Wrong ones are to be found before a call is marked as sent.
        overridden(built.capabilities(model), changes)
    return built


def capabilities(
    name: str,
    model: str,
    *,
    options: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    workflows: Mapping[str, Any] | None = None,
) -> Capabilities:
    """Return what a model can do: by the adapter, as far as `overrides` do not correct it.

    It may depend on an account's options, but neither key nor client are needed.

    :raises UnknownAdapter: if there is none.
    :raises InvalidOverride: if the overrides are not valid.
    """
    built: ProviderAdapter = _load(describe(name).path)(
        account=Account(options=options or {}, workflows=workflows or {})
    )
    return overridden(built.capabilities(model), overrides)


def _load(path: str) -> Any:
    module, separator, attribute = path.partition(":")
    if not separator:
        module, _, attribute = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownAdapter(path) from error
