"""Read the catalogue of models that comes with the app, or a site's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from imagegen_app.core.catalog_entries import (
    MAX_FILE_BYTES,
    EntryProblem,
    InvalidCatalog,
    read_catalog,
)
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.models import ImageModel, Provider
from imagegen_app.services.gateways import adapters

if TYPE_CHECKING:
    from imagegen_app.core.catalog_entries import CatalogEntry

#: The catalogue that comes with the app.
BUNDLED: Final = Path(__file__).resolve().parents[2] / "catalog" / "models.json"


def read_file(path: Path = BUNDLED) -> tuple[CatalogEntry, ...]:
    """Return the entries of a catalogue, each after the one that replaces it.

    :raises InvalidCatalog: if the file cannot be read, or has any mistake, also one that only the
        adapters of the site can tell.
    """
    try:
        with path.open("rb") as file:
            # One byte more tells a file that is too large.
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        text = gettext_noop("the file cannot be read (%(error)s)")
        why = Message(text, {"error": error.strerror or type(error).__name__})
        raise InvalidCatalog([EntryProblem("", why)]) from None
    entries = read_catalog(data)
    known = {name for name, _label in adapters.adapter_choices()}
    problems = []
    for entry in entries:
        if entry.adapter not in known:
            text = gettext_noop("there is no adapter “%(name)s”; known are: %(known)s")
            values = {"name": entry.adapter, "known": ", ".join(sorted(known))}
            problems.append(EntryProblem(entry.label, Message(text, values)))
        elif (problem := adapters.capability_problem(_candidate(entry))) is not None:
            problems.append(EntryProblem(entry.label, problem))
    if problems:
        raise InvalidCatalog(problems)
    return entries


def _candidate(entry: CatalogEntry) -> ImageModel:
    """Return a model, not stored, that is the entry's."""
    return ImageModel(
        provider=Provider(adapter=entry.adapter),
        provider_model_name=entry.model,
        capabilities=dict(entry.capabilities),
    )
