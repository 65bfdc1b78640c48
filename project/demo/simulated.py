"""Play each provider that there is an adapter for: its account, its models and its simulator."""

from __future__ import annotations

import http.client
import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.text import slugify

from imagegen_app.models import Provider
from imagegen_app.providers import registry
from imagegen_app.services.policy import model_catalog
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.simulator import protocols
from imagegen_app.testing.simulator.server import DEFAULT_KEY
from project.demo import governance, processes
from project.demo.supervision import Supervised
from project.settings import simulator
from project.settings.base import VAR_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imagegen_app.core.types import GenerationRequest, Operation
    from imagegen_app.models import ImageModel
    from imagegen_app.testing.contract import Samples

HOST = "127.0.0.1"
_READY_SECONDS = 240.0
#: Short names of simulated providers begin with it.
_PREFIX = "simulated-"
_PRICES = {"currency": "USD", "per_image": [{"amount": "0.02"}]}
#: What is off by default, and costs nothing here.
_SHOWN_OPTIONS: dict[str, dict[str, Any]] = {"openai": {"provenance_checks": True}}
_NOTES = "Images come from the simulator of this provider's API: no money is spent."


class SimulatorFailed(Exception):
    """The simulator did not start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class SimulatedProvider:
    """One account: an adapter with its options, and the API that the simulator plays for it."""

    #: What `--provider` calls it: the adapter, and a word where there are several accounts.
    name: str
    label: str
    adapter: str
    #: Empty for an adapter that makes no calls.
    protocol: str
    options: Mapping[str, Any]
    #: The text of its credential: the simulator's key, and whatever the API wants beside it.
    credential: str
    #: One request for each model and operation.
    requests: tuple[GenerationRequest, ...]

    @property
    def slug(self) -> str:
        """The short name of the provider's row."""
        return slugify(_PREFIX + self.name.replace("_", "-"))

    @property
    def models(self) -> list[str]:
        """The models' names at the provider; those that generate are first."""
        generating = [one.model for one in self.requests if one.operation == "generate"]
        return list(dict.fromkeys([*generating, *(one.model for one in self.requests)]))

    @property
    def generates(self) -> bool:
        """Whether a model of it makes images without an input."""
        return any(one.operation == "generate" for one in self.requests)

    def slug_of(self, model: str) -> str:
        """Return the short name of a model's row."""
        account = self.name.replace("_", "-")
        name = slugify(model.replace(".", "-").replace("/", "-"))
        return (name if name.startswith(account) else f"{account}-{name}")[:80]

    def operations_of(self, model: str) -> list[Operation]:
        """Return what a model is asked for."""
        return [one.operation for one in self.requests if one.model == model]


def all_providers() -> dict[str, SimulatedProvider]:
    """Return all accounts by name, in the order of the adapters.

    Samples that differ in their models alone are one account.
    """
    found: dict[str, SimulatedProvider] = {}
    for adapter in registry.adapter_names():
        accounts: dict[str, list[Samples]] = {}
        for one in SAMPLES.values():
            if one.adapter == adapter:
                key = json.dumps([one.protocol, dict(one.options), one.credential], sort_keys=True)
                accounts.setdefault(key, []).append(one)
        # The one that generates is the main one.
        groups = sorted(
            accounts.values(), key=lambda group: all("generate" not in s.requests for s in group)
        )
        for number, group in enumerate(groups):
            provider = _account(group, is_first=number == 0)
            found[provider.name] = provider
    return found


def _account(samples: list[Samples], *, is_first: bool) -> SimulatedProvider:
    first = samples[0]
    label = registry.describe(first.adapter).label
    return SimulatedProvider(
        name=first.adapter if is_first else f"{first.adapter}-{first.variant or 'more'}",
        label=label if is_first else f"{label}: {first.variant or 'further models'}",
        adapter=first.adapter,
        protocol=first.protocol,
        options=first.options,
        credential=first.credential.replace("{key}", DEFAULT_KEY),
        requests=tuple(request for one in samples for request in one.requests.values()),
    )


def prepare() -> str:
    """Choose the simulator's address, and let this process and its worker call it."""
    url = f"http://{HOST}:{processes.any_free_port(HOST)}"
    os.environ[simulator.URL_VARIABLE] = url
    settings.IMAGEGEN = simulator.with_simulator(settings.IMAGEGEN, url=url, folder=VAR_DIR)
    return url


def setup(provider: SimulatedProvider, *, url: str) -> list[ImageModel]:
    """Make the provider's rows, or bring them up to date; the others are switched off.

    Returns the models, those that generate first.
    """
    switch_off_others(provider.slug)
    row = Provider.objects.filter(slug=provider.slug).first() or Provider(slug=provider.slug)
    row.name = f"{provider.label} (simulated)"[:80]
    row.adapter, row.is_enabled = provider.adapter, True
    row.options = {**provider.options, **_SHOWN_OPTIONS.get(provider.adapter, {})}
    if provider.protocol:
        row.base_url = url + protocols.load(provider.protocol).base_path
        row.credential = simulator.CREDENTIAL
        (VAR_DIR / simulator.KEY_FILE).write_text(provider.credential)
    model_catalog.save(actor=governance.SEED, record=row)
    models = []
    for name in provider.models:
        model = governance.ensure_model(
            row,
            provider.slug_of(name),
            f"{name} (simulated)"[:80],
            wire=name,
            version=name,
            price_list=_PRICES,
            notes=_NOTES,
        )
        governance.ensure_grants(model)
        models.append(model)
    return models


def switch_off_others(slug: str = "") -> None:
    """Offer no model of the other simulated providers: nobody plays them."""
    for row in Provider.objects.filter(slug__startswith=_PREFIX, is_enabled=True).exclude(
        slug=slug
    ):
        row.is_enabled = False
        model_catalog.save(actor=governance.SEED, record=row)


def offer_sandbox(*, is_enabled: bool) -> None:
    """Offer the sandbox's model, or leave the studio to a simulated provider alone."""
    for row in Provider.objects.filter(slug="sandbox").exclude(is_enabled=is_enabled):
        row.is_enabled = is_enabled
        model_catalog.save(actor=governance.SEED, record=row)


@contextmanager
def running(
    provider: SimulatedProvider, *, url: str, say: Callable[[str], None]
) -> Iterator[Supervised | None]:
    """Have the simulator play the provider while the block runs; nobody is needed without calls.

    :raises SimulatorFailed: if it does not start.
    """
    if not provider.protocol:
        yield None
        return
    with playing(provider.protocol, url=url, say=say) as child:
        yield child


@contextmanager
def playing(
    protocol: str, *, url: str, say: Callable[[str], None], name: str = "simulator"
) -> Iterator[Supervised]:
    """Have a simulator speak one protocol at an address while the block runs.

    :raises SimulatorFailed: if it does not start.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    child = Supervised(
        name=name,
        start=lambda: processes.start_module(
            "imagegen_app.testing.simulator",
            *("--host", host, "--port", port, "--protocol", protocol),
            *("--key", DEFAULT_KEY),
        ),
        say=say,
        remedy="Read its messages above; it needs the extra `simulator`.",
    )
    try:
        _await(child, host=host, port=int(port))
        yield child
    finally:
        processes.stop(child.process)


def billed_images(provider: SimulatedProvider, *, url: str) -> int | None:
    """Return how many images the running simulator has billed; None where nobody bills.

    :raises SimulatorFailed: if it does not answer.
    """
    if not provider.protocol:
        return None
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", "/_simulator/bill")
        bill = json.loads(connection.getresponse().read())
    except OSError as error:
        raise SimulatorFailed(f"the simulator at {url} does not answer") from error
    finally:
        connection.close()
    return int(bill["images"])


def _await(child: Supervised, *, host: str, port: int) -> None:
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until and child.process.poll() is None:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/_simulator/health")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise SimulatorFailed(f"the simulator does not answer at {host}:{port}. {child.remedy}")
