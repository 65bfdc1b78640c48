"""Tell whether images are found by words without reading all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.services.foundation import word_index

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class SearchFinding:
    """Why a search is slow, and what helps."""

    message: str
    remedy: str


def search_findings() -> Iterator[SearchFinding]:
    """Yield that the database has no index of words, if so."""
    if word_index.indexed_by():
        return
    remedies = {
        "postgresql": _(
            "Have the extension pg_trgm created in this database by somebody who may, then make the "
            "indexes of the first migration."
        ),
        "sqlite": _("Use an SQLite with FTS5, version 3.34 or newer."),
    }
    yield SearchFinding(
        _("The database has no index of words: a search reads all images one by one."),
        remedies.get(
            database.connection().vendor,
            _("Expect seconds with a million images; PostgreSQL and SQLite have such an index."),
        ),
    )
