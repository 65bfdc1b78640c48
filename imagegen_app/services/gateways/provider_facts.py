"""Gather what is known of how a provider handles data: by its adapter, its account and its model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core import data_handling
from imagegen_app.core.data_handling import DataFact, InvalidDataFact
from imagegen_app.providers import registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from imagegen_app.core.i18n import Message
    from imagegen_app.models import ImageModel
    from imagegen_app.models import Provider as ProviderRow


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact in the reader's language; `source` and `checked_on` are empty for an unknown one."""

    label: str
    value: str
    source: str = ""
    checked_on: date | None = None
    #: Whether an administrator has declared it, not the adapter.
    is_ours: bool = False


def known_facts(
    provider: ProviderRow, image_model: ImageModel | None = None
) -> dict[str, tuple[DataFact, bool]]:
    """Return the facts that are known, each with whether an administrator has declared it."""
    found = {name: (fact, False) for name, fact in _of_adapter(provider).items()}
    for row in (provider, image_model):
        if row is not None:
            found |= {name: (fact, True) for name, fact in _declared(row.data_handling).items()}
    return found


def fact_rows(provider: ProviderRow, image_model: ImageModel | None = None) -> list[FactRow]:
    """Return all facts for a page; what nobody has declared is told to be unknown."""
    known, rows = known_facts(provider, image_model), []
    for name, label in data_handling.LABELS.items():
        if name not in known:
            rows.append(FactRow(_(label), _(data_handling.UNKNOWN)))
            continue
        fact, is_ours = known[name]
        value = ", ".join(_(one.text) % one.values for one in data_handling.words(name, fact.value))
        rows.append(FactRow(_(label), value, fact.source, fact.checked_on, is_ours))
    return rows


def recorded_facts(provider: ProviderRow, image_model: ImageModel) -> dict[str, Any]:
    """Return the known facts as the audit log keeps them with a call: values and days."""
    return {
        name: {
            "value": data_handling.plain(fact.value),
            "checked_on": fact.checked_on.isoformat(),
            "declared_by": "site" if is_ours else "adapter",
        }
        for name, (fact, is_ours) in known_facts(provider, image_model).items()
    }


def fact_problem(document: object) -> Message | None:
    """Return what is wrong with the facts that a row declares; None if nothing is."""
    try:
        data_handling.parse_facts(document)
    except InvalidDataFact as error:
        return error.problem
    return None


def _of_adapter(provider: ProviderRow) -> dict[str, DataFact]:
    try:
        adapter = registry.describe(conf.get().adapters.get(provider.adapter, provider.adapter))
    except registry.UnknownAdapter:
        return {}
    if adapter.base_url and provider.base_url and not adapter.is_own_url(provider.base_url):
        # Another server that only speaks like the provider: nothing is known of it.
        return {}
    return {
        name: fact
        for name, fact in adapter.data_handling.items()
        if not fact.option or _is_default(fact.option, provider, adapter)
    }


def _is_default(option: str, provider: ProviderRow, adapter: registry.Adapter) -> bool:
    default = adapter.options[option].default
    return bool(provider.options.get(option, default) == default)


def _declared(document: Mapping[str, Any]) -> dict[str, DataFact]:
    try:
        return data_handling.parse_facts(document)
    except InvalidDataFact:
        # Only an older version of the app could have stored it.
        return {}
