"""Read the description of a set-up: which providers, models, groups, grants and budgets a site has.

It is what a file of TOML, YAML or JSON holds, or a dict of the same form::

    {"providers": [{"adapter": "openai", "credential": "openai-prod"}],
     "models": [{"provider": "openai", "model": "gpt-image-2.6-flare"}],
     "groups": [{"name": "Image editors", "members": ["edda"]}],
     "grants": [{"group": "Image editors", "models": ["gpt-image-2.6-flare"]}],
     "budgets": [{"name": "Everybody", "limit": 50}]}

What an entry leaves out is `None` here: a new row has the default then, and an existing one keeps its
value. Every mistake is found before anything is looked up, each with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from imagegen_app.core.description_reader import read_sections
from imagegen_app.core.i18n import gettext_noop


@dataclass(frozen=True, slots=True)
class ProviderSetup:
    """An account at an image API."""

    #: Where it stands in the description, such as `providers[1]`.
    place: str
    #: Name of the adapter.
    adapter: str
    #: Name for people; by default the adapter's.
    name: str | None = None
    #: Short name, by which a second run knows it; by default made from the name or the adapter.
    slug: str | None = None
    base_url: str | None = None
    #: A name from `IMAGEGEN["CREDENTIALS"]`.
    credential: str | None = None
    options: Mapping[str, Any] | None = None
    data_handling: Mapping[str, Any] | None = None
    max_in_flight: int | None = None
    calls_per_minute: int | None = None
    burst: int | None = None
    is_enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelSetup:
    """A model of a provider: of the catalogue by its name, or described in full."""

    place: str
    #: Short name of the provider.
    provider: str
    #: The model's name at the provider; for a model of the catalogue, all else is there.
    model: str
    name: str | None = None
    slug: str | None = None
    version: str | None = None
    #: What one image costs, in `currency`; 0 for a model that costs nothing.
    price: Decimal | None = None
    currency: str | None = None
    #: A whole price list, instead of `price`.
    price_list: Mapping[str, Any] | None = None
    #: `active` by default: who writes a set-up wants to use its models.
    lifecycle: str | None = None
    capabilities: Mapping[str, Any] | None = None
    data_handling: Mapping[str, Any] | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class GroupSetup:
    """A group of people with roles, which are permissions of the app."""

    place: str
    name: str
    #: Roles whose permissions the group gets; a group that is called as a role has that role.
    roles: tuple[str, ...] | None = None
    #: Logins of people who are put into the group; nobody is taken out of it.
    members: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class GrantSetup:
    """Models that a group may use."""

    place: str
    group: str
    #: Short names, or names at the provider, of models of the site or of this description.
    models: tuple[str, ...]
    #: By default all that the model can do.
    operations: tuple[str, ...] | None = None
    max_pixels: int | None = None
    max_count: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BudgetSetup:
    """A limit of money, for the whole site unless a group, a person or a provider is named."""

    place: str
    #: By which a second run knows it.
    name: str
    limit: Decimal | None = None
    currency: str | None = None
    #: `day`, `month` or `total`, as the admin's form offers them.
    period: str | None = None
    group: str | None = None
    #: A person's login.
    user: str | None = None
    #: Short name of a provider.
    provider: str | None = None
    warn_percent: int | None = None
    is_enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class SiteSetup:
    """All that a description says."""

    providers: tuple[ProviderSetup, ...] = ()
    models: tuple[ModelSetup, ...] = ()
    groups: tuple[GroupSetup, ...] = ()
    grants: tuple[GrantSetup, ...] = ()
    budgets: tuple[BudgetSetup, ...] = ()


_SECTIONS: Final[Mapping[str, type[Any]]] = {
    "providers": ProviderSetup,
    "models": ModelSetup,
    "groups": GroupSetup,
    "grants": GrantSetup,
    "budgets": BudgetSetup,
}


def read_description(document: object) -> SiteSetup:
    """Return what a description says.

    :raises InvalidDescription: if it has an unknown name, lacks one or has a wrong value; names all.
    """
    whole = gettext_noop("the set-up must be an object with lists such as “providers”")
    return SiteSetup(**read_sections(document, _SECTIONS, whole=whole))
