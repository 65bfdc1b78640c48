"""Plan the providers and the models of a set-up."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.utils.text import slugify

from imagegen_app import conf
from imagegen_app.core.description_reader import nearest_name
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.pricing import price_per_image
from imagegen_app.core.states import Lifecycle
from imagegen_app.models import ImageModel, Provider
from imagegen_app.services.gateways import adapter_facts, adapters, catalog_files
from imagegen_app.services.policy import catalog_sync

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagegen_app.core.catalog_entries import CatalogEntry
    from imagegen_app.core.setup_document import ModelSetup, ProviderSetup
    from imagegen_app.services.gateways.adapter_facts import Adapter
    from imagegen_app.services.policy._setup_steps import Notes

_PROVIDER_FIELDS = (
    "name", "base_url", "credential", "options", "data_handling", "max_in_flight",
    "calls_per_minute", "burst", "is_enabled",
)  # fmt: skip
#: The version of a model that comes with the app.
_OWN_VERSION = "1"
_MAX_SLUG_CHARS = 60


class CatalogPlan:
    """The providers and models of the site and of a set-up, by the names that grants use."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self.providers: dict[str, Provider] = {row.slug: row for row in Provider.objects.all()}
        self._models = list(ImageModel.objects.select_related("provider", "workflow"))
        #: Names of what is wrong by itself; that it is missing elsewhere is no second mistake.
        self._wrong: set[str] = set()

    @cached_property
    def _entries(self) -> tuple[CatalogEntry, ...]:
        return catalog_files.read_file()

    def plan_providers(self, setups: Iterable[ProviderSetup]) -> None:
        """Plan each provider of a set-up."""
        known = [name for name, _label in adapters.adapter_choices()]
        for one in setups:
            if one.adapter not in known:
                self._notes.note_unknown(f"{one.place}.adapter", one.adapter, known)
                self._wrong.add(_slug_of(one))
            else:
                self._plan_provider(one)

    def _plan_provider(self, one: ProviderSetup) -> None:
        slug = _slug_of(one)
        if self._notes.is_repeated(one.place, "provider", slug):
            return
        row = self.providers.get(slug)
        adapter = adapter_facts.declared(one.adapter)
        if row is None:
            label = one.adapter if adapter is None else adapter.label
            row = Provider(slug=slug, name=short_label(label), adapter=one.adapter)
            self.providers[slug] = row
        elif row.adapter != one.adapter:
            text = gettext_noop(
                "the provider “%(slug)s” has the adapter “%(adapter)s”, which cannot change; give "
                "this one another “slug”"
            )
            self._notes.note(f"{one.place}.adapter", text, slug=slug, adapter=row.adapter)
            return
        if self._has_account(one, row, adapter):
            wanted = {name: getattr(one, name) for name in _PROVIDER_FIELDS}
            self._notes.plan_row(
                row, wanted, kind="provider", name=slug, place=one.place, told=["name", "adapter"]
            )

    def _has_account(self, one: ProviderSetup, row: Provider, adapter: Adapter | None) -> bool:
        """Return whether a provider has what its adapter needs: an address and a key; note what lacks."""
        names = conf.get().credentials
        credential = row.credential if one.credential is None else one.credential
        # An empty text says that the key comes later.
        is_needed = adapter is not None and adapter.needs_credential and one.credential is None
        if adapter is not None and adapter.is_remote:
            url = row.base_url if one.base_url is None else one.base_url
            if not url and not adapter.base_url:
                text = gettext_noop(
                    "the adapter “%(adapter)s” needs the address of its server; add “base_url”"
                )
                self._notes.note(one.place, text, adapter=one.adapter)
                return False
        if credential and credential not in names:
            where = f"{one.place}.credential"
            if names:
                self._notes.note_unknown(where, credential, names)
            else:
                text = gettext_noop(
                    "“%(name)s” is not in IMAGEGEN['CREDENTIALS'] of the site's settings; add it there"
                )
                self._notes.note(where, text, name=credential)
            return False
        if not credential and is_needed:
            text = gettext_noop(
                "the adapter “%(adapter)s” needs a key; name one of IMAGEGEN['CREDENTIALS'] of the "
                "site's settings as “credential”"
            )
            self._notes.note(one.place, text, adapter=one.adapter)
            return False
        return True

    def plan_models(self, setups: Iterable[ModelSetup]) -> None:
        """Plan each model of a set-up, whose providers are planned before."""
        for one in setups:
            provider = self.providers.get(one.provider)
            if provider is None and one.provider in self._wrong:
                self._wrong |= {one.model, one.slug or one.model}
            elif provider is None:
                self._wrong |= {one.model, one.slug or one.model}
                self._notes.note_unknown(f"{one.place}.provider", one.provider, self.providers)
            elif not self._notes.is_repeated(
                one.place, "model", one.provider, one.model, one.version or one.slug or ""
            ):
                before = len(self._notes.problems)
                self._plan_model(one, provider)
                if len(self._notes.problems) > before:
                    self._wrong |= {one.model, one.slug or one.model}

    def _plan_model(self, one: ModelSetup, provider: Provider) -> None:
        if one.price is not None and one.price_list is not None:
            text = gettext_noop("“price” and “price_list” are two ways to say it; keep one of them")
            self._notes.note(one.place, text)
            return
        if one.lifecycle is not None and one.lifecycle not in set(Lifecycle):
            self._notes.note_unknown(f"{one.place}.lifecycle", one.lifecycle, [*Lifecycle])
            return
        rows = [
            row
            for row in self._models
            if row.provider is provider or (row.provider_id and row.provider_id == provider.pk)
            if row.provider_model_name == one.model
            if one.version in (None, row.version) and one.slug in (None, row.slug)
        ]
        if len(rows) > 1:
            text = gettext_noop("the site has several of it; add “slug”, one of: %(slugs)s")
            slugs = ", ".join(sorted(row.slug for row in rows))
            self._notes.note(one.place, text, slugs=slugs)
            return
        row = rows[0] if rows else self._new_model(one, provider)
        if row is None:
            return
        # The plan's own row, so that grants meet the one that is stored.
        row.provider = provider
        wanted: dict[str, Any] = {
            "name": one.name,
            "lifecycle": one.lifecycle,
            "price_list": self._price_list(one),
            "capabilities": one.capabilities,
            "data_handling": one.data_handling,
            "notes": one.notes,
        }
        self._notes.plan_row(
            row,
            wanted,
            kind="model",
            name=row.slug,
            place=one.place,
            related=["provider"],
            told=["name", "version", "lifecycle", "price_list"],
        )
        if not rows:
            self._models.append(row)

    def _new_model(self, one: ModelSetup, provider: Provider) -> ImageModel | None:
        """Return a new model, not stored; None if it cannot be one."""
        taken = {row.slug for row in self._models}
        if one.slug in taken:
            text = gettext_noop("the short name “%(slug)s” belongs to another model; take another")
            self._notes.note(f"{one.place}.slug", text, slug=str(one.slug))
            return None
        slug = one.slug or catalog_sync.free_slug(provider, one.model, taken=taken)
        entry = catalog_sync.entry_for(provider, one.model, self._entries)
        if entry is not None and catalog_sync.is_over(entry):
            text = (
                gettext_noop("“%(name)s” is retired; take “%(next)s” instead")
                if entry.replaced_by
                else gettext_noop("“%(name)s” is retired; take another model")
            )
            self._notes.note(one.place, text, name=one.model, next=entry.replaced_by)
            return None
        if entry is not None:
            row = catalog_sync.new_model(
                provider,
                entry,
                model=one.model,
                slug=slug,
                replaced_by=self._successor(provider, entry),
            )
            row.version = one.version or row.version
        else:
            version = one.version or self._own_version(one, provider)
            if not version:
                return None
            row = ImageModel(
                provider=provider,
                slug=slug,
                name=one.model[:80],
                provider_model_name=one.model,
                version=version,
            )
        equal = [
            known
            for known in self._models
            if known.provider_id == provider.pk
            and (known.provider_model_name, known.version) == (one.model, row.version)
        ]
        if equal and provider.pk:
            text = gettext_noop("the site has it already, as “%(slug)s”; leave out its “slug”")
            self._notes.note(one.place, text, slug=equal[0].slug)
            return None
        row.lifecycle = Lifecycle.ACTIVE.value
        if not row.price_list and adapter_facts.is_free(provider.adapter):
            row.price_list = price_per_image("0")
        is_priced = row.price_list or one.price is not None or one.price_list
        if not is_priced and one.lifecycle in (None, Lifecycle.ACTIVE.value):
            text = gettext_noop(
                "no price of “%(name)s” is known; add “price”, what one image costs, such as 0.02"
            )
            self._notes.note(one.place, text, name=one.model)
            return None
        return row

    def _own_version(self, one: ModelSetup, provider: Provider) -> str:
        """Return the version of a model that comes with the app; note that there is no other one."""
        adapter = adapter_facts.declared(provider.adapter)
        examples = () if adapter is None or adapter.is_remote else adapter.example_models
        if one.model in examples:
            return _OWN_VERSION
        listed = [e.model for e in self._entries if e.adapter == provider.adapter]
        near = nearest_name(one.model, [*listed, *examples])
        text = (
            gettext_noop(
                "the catalogue has no “%(name)s”; did you mean “%(nearest)s”? If not, add its “version”"
            )
            if near
            else gettext_noop(
                "the catalogue has no “%(name)s”; if that is its name at the provider, add its "
                "“version”, and its “price” where it costs something"
            )
        )
        self._notes.note(f"{one.place}.model", text, name=one.model, nearest=near)
        return ""

    def _successor(self, provider: Provider, entry: CatalogEntry) -> ImageModel | None:
        rows = [row for row in self._models if row.pk and row.provider_id == provider.pk]
        named = (row for row in rows if row.provider_model_name == entry.replaced_by)
        return next(named, None) if entry.replaced_by else None

    def _price_list(self, one: ModelSetup) -> dict[str, Any] | None:
        if one.price is not None:
            return price_per_image(format(one.price, "f"), currency=one.currency or "")
        return None if one.price_list is None else dict(one.price_list)

    def find_model(self, name: str, *, place: str) -> ImageModel | None:
        """Return the model of a short name, or of a name at its provider; note if there is not one."""
        named: dict[str, list[ImageModel]] = defaultdict(list)
        for row in self._models:
            for known in {row.slug, row.provider_model_name, f"{row.provider.slug}/{row.slug}"}:
                named[known].append(row)
        rows = [row for row in self._models if row.slug == name] or named.get(name, [])
        if not rows and name not in self._wrong:
            self._notes.note_unknown(place, name, list(named))
        elif len(rows) > 1:
            text = gettext_noop("several models are called “%(name)s”; name one of: %(slugs)s")
            slugs = ", ".join(sorted(row.slug for row in rows))
            self._notes.note(place, text, name=name, slugs=slugs)
        return rows[0] if len(rows) == 1 else None


def _slug_of(one: ProviderSetup) -> str:
    return one.slug or slugify(one.name or one.adapter)[:_MAX_SLUG_CHARS]


def short_label(label: str) -> str:
    """Return an adapter's label without what explains it."""
    return re.split(r", or | \(", label)[0]
