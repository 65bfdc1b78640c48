"""Add the models of a catalogue to providers, and keep what the catalogue wrote up to date.

What a person changed since is kept: beside each field that the catalogue wrote lies a digest of the value
(`ImageModel.catalog_values`), and a field that does not match it any more is the person's.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final

from django.utils.text import slugify

from imagegen_app.core.states import Lifecycle
from imagegen_app.models import ImageModel, Provider
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access, model_catalog

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.catalog_entries import CatalogEntry

#: Models that retire sooner are not added any more; those that are there are told of it.
MIN_REMAINING_DAYS: Final = 30
#: The fields that the catalogue writes.
FIELDS: Final = ("name", "price_list", "capabilities", "retires_on", "replaced_by", "notes")
#: Facts that are filled in where a person who registered the model left them empty.
_FILLED_IN: Final = frozenset({"retires_on", "replaced_by"})
#: What is a person's own way to say it, and no difference that somebody should hear of.
_NOT_TOLD: Final = frozenset({"name", "notes"})
_DOCUMENTS: Final = frozenset({"price_list", "capabilities"})
_MAX_SLUG_CHARS = 80


class SyncAction(StrEnum):
    """What the catalogue does with one model of one provider."""

    CREATE = "create"
    UPDATE = "update"
    #: It says what it said before, or all that differs is a person's.
    UNCHANGED = "unchanged"
    #: It is retired, or will be soon, and the provider has it not.
    NOT_ADDED = "not_added"
    #: It is a base model, and the provider's options name no deployment of it.
    NOT_DEPLOYED = "not_deployed"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field of a model: as it is, and as the catalogue has it; both as they are stored."""

    field: str
    current: Any
    catalog: Any


@dataclass(frozen=True, slots=True)
class SyncedModel:
    """What becomes, or has become, of one model of one provider."""

    provider: Provider
    entry: CatalogEntry
    action: SyncAction
    #: The short name of the model here; empty for one that is not added.
    slug: str = ""
    #: Fields that the catalogue writes.
    changes: tuple[FieldDifference, ...] = ()
    #: Fields that a person changed, and that stay as they are.
    kept: tuple[FieldDifference, ...] = field(default=())
    #: The model's name at the provider; of a base model, that of its deployment.
    model: str = ""


def is_over(entry: CatalogEntry) -> bool:
    """Return whether a model of the catalogue is retired today."""
    return entry.retires_on is not None and entry.retires_on <= clock.today()


def retires_soon(entry: CatalogEntry) -> bool:
    """Return whether a model of the catalogue is retired, or will be before it is worth beginning with."""
    last = clock.today() + timedelta(days=MIN_REMAINING_DAYS)
    return entry.retires_on is not None and entry.retires_on <= last


class _ProviderModels:
    """The models of one provider, and all short names, read once."""

    def __init__(self, provider: Provider, *, is_locked: bool) -> None:
        self.provider = provider
        rows = ImageModel.objects.filter(provider=provider).order_by("pk")
        # A person may save a change meanwhile, which would be lost.
        self._rows = list(rows.select_for_update() if is_locked else rows)
        self._slugs = set(ImageModel.objects.values_list("slug", flat=True))

    def add(self, row: ImageModel) -> None:
        """Note a model that was stored since."""
        self._rows.append(row)
        self._slugs.add(row.slug)

    def named(self, model: str) -> list[ImageModel]:
        """Return those of a name; with several versions, the catalogue's own if there are any."""
        rows = [row for row in self._rows if row.provider_model_name == model]
        return [row for row in rows if row.catalog_values] or rows

    def row(self, slug: str) -> ImageModel:
        """Return the one of a short name."""
        return next(row for row in self._rows if row.slug == slug)

    def value(self, entry: CatalogEntry, name: str) -> Any:
        """Return the value of a field as the catalogue has it."""
        if name == "replaced_by":
            return next(iter(self.named(entry.replaced_by)), None) if entry.replaced_by else None
        value = getattr(entry, name)
        return dict(value) if name in _DOCUMENTS else value

    def current(self, row: ImageModel, name: str) -> Any:
        """Return the value of a field as it is, in its stored form."""
        if name != "replaced_by":
            return _stored(getattr(row, name))
        return next((one.slug for one in self._rows if one.pk == row.replaced_by_id), None)

    def planned(self, entry: CatalogEntry) -> list[SyncedModel]:
        """Return what is to be done about an entry, for each model of its name."""
        if not entry.is_base_model:
            return self._planned_as(entry, entry.model)
        served = _deployments(self.provider)
        names = deployments_of(self.provider, entry.model)
        if entry.model not in served and self.named(entry.model):
            # Many deployments are called as what they serve.
            names.append(entry.model)
        if not names:
            return [SyncedModel(self.provider, entry, SyncAction.NOT_DEPLOYED, model=entry.model)]
        return [one for name in names for one in self._planned_as(entry, name)]

    def _planned_as(self, entry: CatalogEntry, model: str) -> list[SyncedModel]:
        rows = self.named(model)
        if not rows:
            return [self._new(entry, model)]
        found = []
        for row in rows:
            changes, kept = self._differences(row, entry)
            action = SyncAction.UPDATE if changes else SyncAction.UNCHANGED
            found.append(SyncedModel(self.provider, entry, action, row.slug, changes, kept, model))
        return found

    def _new(self, entry: CatalogEntry, model: str) -> SyncedModel:
        if retires_soon(entry):
            return SyncedModel(self.provider, entry, SyncAction.NOT_ADDED, model=model)
        wanted = {name: _stored(self.value(entry, name)) for name in FIELDS}
        changes = tuple(FieldDifference(n, None, value) for n, value in wanted.items() if value)
        slug = free_slug(self.provider, model, taken=self._slugs)
        self._slugs.add(slug)
        return SyncedModel(self.provider, entry, SyncAction.CREATE, slug, changes, model=model)

    def _differences(
        self, row: ImageModel, entry: CatalogEntry
    ) -> tuple[tuple[FieldDifference, ...], tuple[FieldDifference, ...]]:
        """Return the fields that the catalogue changes, and those that it leaves to a person."""
        changes, kept = [], []
        for name in FIELDS:
            current, wanted = self.current(row, name), _stored(self.value(entry, name))
            if current == wanted:
                continue
            one = FieldDifference(name, current, wanted)
            if name in row.catalog_values:
                is_own = row.catalog_values[name] == _digest(current)
            else:
                is_own = name in _FILLED_IN and not current
            if is_own:
                changes.append(one)
            elif name not in _NOT_TOLD and wanted:
                kept.append(one)
        return tuple(changes), tuple(kept)


def deployments_of(provider: Provider, base_model: str) -> list[str]:
    """Return the names under which a provider's options say that a base model is deployed.

    An option may name a dated version of it.
    """
    dated = re.compile(rf"{re.escape(base_model)}(?:-\d{{4}}-\d{{2}}-\d{{2}})?")
    served = _deployments(provider)
    return sorted(name for name, base in served.items() if dated.fullmatch(base))


def _deployments(provider: Provider) -> dict[str, str]:
    named = provider.options.get("deployments")
    return {str(k): str(v) for k, v in named.items()} if isinstance(named, dict) else {}


def free_slug(provider: Provider, model: str, *, taken: Collection[str]) -> str:
    """Return a short name for a provider's model that no other has."""
    plain = slugify(model.translate(str.maketrans("/:.", "---")))[:_MAX_SLUG_CHARS] or "model"
    longer = f"{provider.slug}-{plain}"[:_MAX_SLUG_CHARS]
    numbered = (f"{longer[: _MAX_SLUG_CHARS - 6]}-{n}" for n in count(2))
    return next(one for one in chain((plain, longer), numbered) if one not in taken)


def new_model(
    provider: Provider,
    entry: CatalogEntry,
    *,
    model: str,
    slug: str,
    replaced_by: ImageModel | None = None,
) -> ImageModel:
    """Return the draft, not stored, that an entry of the catalogue describes."""
    values = {name: getattr(entry, name) for name in FIELDS if name != "replaced_by"}
    values |= {name: dict(values[name]) for name in _DOCUMENTS}
    values["replaced_by"] = replaced_by
    return ImageModel(
        provider=provider,
        slug=slug,
        provider_model_name=model,
        version=entry.version,
        lifecycle=Lifecycle.DRAFT.value,
        catalog_values={name: _digest(_stored(value)) for name, value in values.items()},
        **values,
    )


def entry_for(
    provider: Provider, model: str, entries: Sequence[CatalogEntry]
) -> CatalogEntry | None:
    """Return what the catalogue says of a provider's model, or of what is deployed under its name."""
    known = [entry for entry in entries if entry.adapter == provider.adapter]
    return next(
        (
            entry
            for entry in known
            if (entry.is_base_model and model in deployments_of(provider, entry.model))
            or entry.model == model
        ),
        None,
    )


@use_case()
def sync(
    *, actor: Actor, entries: Sequence[CatalogEntry], providers: Collection[Provider]
) -> list[SyncedModel]:
    """Add the models of a catalogue to these providers as drafts, and update what it wrote before.

    All of it is written, or nothing.

    :raises NotPermitted: if the actor may not add and change models.
    :raises InvalidRecord: if a model cannot be stored.
    """
    _require_permissions(actor)
    found = []
    for provider in sorted(providers, key=lambda one: one.pk):
        # Two syncs at the same moment would both add what is missing.
        Provider.objects.select_for_update().get(pk=provider.pk)
        models = _ProviderModels(provider, is_locked=True)
        for entry in entries:
            if entry.adapter == provider.adapter:
                planned = models.planned(entry)
                for one in planned:
                    _carry_out(actor, models, one)
                found += planned
    return found


def preview(
    *, actor: Actor, entries: Sequence[CatalogEntry], providers: Collection[Provider]
) -> list[SyncedModel]:
    """Return what `sync` would do; nothing is written.

    :raises NotPermitted: if the actor may not add and change models.
    """
    _require_permissions(actor)
    found = []
    for provider in sorted(providers, key=lambda one: one.pk):
        models = _ProviderModels(provider, is_locked=False)
        for entry in entries:
            if entry.adapter == provider.adapter:
                found += models.planned(entry)
    return found


def _require_permissions(actor: Actor) -> None:
    for permission in ("add_imagemodel", "change_imagemodel"):
        access.require_permission(actor, permission)


def _carry_out(actor: Actor, models: _ProviderModels, one: SyncedModel) -> None:
    entry = one.entry
    if one.action is SyncAction.CREATE:
        row = new_model(
            one.provider,
            entry,
            model=one.model,
            slug=one.slug,
            replaced_by=models.value(entry, "replaced_by"),
        )
        _save(actor, row, entry)
        models.add(row)
    elif one.action is SyncAction.UPDATE:
        row = models.row(one.slug)
        for change in one.changes:
            setattr(row, change.field, models.value(entry, change.field))
        written = {change.field: _digest(change.catalog) for change in one.changes}
        row.catalog_values = {**row.catalog_values, **written}
        _save(actor, row, entry)


def _save(actor: Actor, row: ImageModel, entry: CatalogEntry) -> None:
    try:
        model_catalog.save(actor=actor, record=row)
    except model_catalog.InvalidRecord as refusal:
        raise model_catalog.InvalidRecord(
            f"{entry.label}: {refusal.reason}", field=refusal.field
        ) from None


def _stored(value: Any) -> Any:
    """Return a value as JSON can hold it: a model by its short name, a day as text."""
    if isinstance(value, ImageModel):
        return value.slug
    return value.isoformat() if isinstance(value, date) else value


def _digest(stored: Any) -> str:
    text = json.dumps(stored, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
