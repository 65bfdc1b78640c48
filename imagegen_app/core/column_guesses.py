"""Guess which column of a table holds a template's variable, and which one identifies its rows."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.variables import Variable

#: Names of columns that identify a row, the most certain first, as `normalised` writes them.
_KEYS: Final = (
    "sku", "articlenumber", "articleno", "artikelnummer", "artikelnr", "artnr", "itemnumber",
    "itemno", "productnumber", "produktnummer", "referencearticle", "reference", "ref", "gtin",
    "ean", "isbn", "productid", "produktid", "artikelid", "id", "key", "schluessel", "cle",
    "handle", "slug", "code",
)  # fmt: skip
#: Names that mean the same thing, in the languages of the shipped catalogues.
_SYNONYMS: Final = (
    frozenset({"product", "productname", "name", "title", "produkt", "produktname", "titel",
               "bezeichnung", "artikel", "artikelname", "article", "produit", "nom", "titre",
               "designation", "item"}),
    frozenset({"colour", "color", "farbe", "couleur", "coloris"}),
    frozenset({"material", "materials", "stoff", "matiere", "materiau"}),
    frozenset({"size", "groesse", "taille"}),
    frozenset({"brand", "marke", "marque", "manufacturer", "hersteller", "fabricant"}),
    frozenset({"category", "kategorie", "categorie", "warengruppe", "rubrique"}),
    frozenset({"description", "beschreibung", "text"}),
    frozenset({"setting", "scene", "background", "umgebung", "szene", "hintergrund", "decor",
               "fond", "arriereplan"}),
    frozenset({"style", "stil"}),
)  # fmt: skip
#: Parts of names of columns that hold addresses of images.
_IMAGES: Final = ("image", "bild", "photo", "foto", "picture", "img")
_LETTERS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "œ": "oe"})


def normalised(name: str) -> str:
    """Return a name without case, accents, spaces and punctuation."""
    plain = unicodedata.normalize(
        "NFKD", unicodedata.normalize("NFC", name).lower().translate(_LETTERS)
    )
    return re.sub(r"[^a-z0-9]", "", plain)


def guess_key(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the column that seems to identify the rows: by its name, else by its values."""
    names = {normalised(column): column for column in reversed(columns)}
    for name in _KEYS:
        if name in names:
            return names[name]
    for place, column in enumerate(columns):
        values = [row[place] for row in rows]
        if all(values) and len(set(values)) == len(values):
            return column
    return columns[0] if columns else ""


def guess_columns(variables: Sequence[Variable], columns: Sequence[str]) -> dict[str, str]:
    """Return the column of each variable: by its name, its label, or a word that means the same.

    A column that is called like one variable stands for no other that only means the same.
    """
    names = {normalised(column): column for column in reversed(columns)}
    found = {one.name: _called(one, names) for one in variables}
    left = {name: column for name, column in names.items() if column not in found.values()}
    return {one.name: found[one.name] or _meaning_the_same(one, left) for one in variables}


def _called(variable: Variable, names: Mapping[str, str]) -> str:
    wanted = (normalised(variable.name), normalised(variable.label))
    return next((names[name] for name in wanted if name in names), "")


def _meaning_the_same(variable: Variable, names: Mapping[str, str]) -> str:
    wanted = (normalised(variable.name), normalised(variable.label))
    for same in _SYNONYMS:
        if same.intersection(wanted):
            for name, column in names.items():
                if name in same:
                    return column
    return ""


def guess_image(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the column that seems to name an image for each row: by its values, else by its name."""
    for column in image_columns(columns, rows):
        return column
    for place, column in enumerate(columns):
        values = [row[place] for row in rows if row[place]]
        is_named = any(part in normalised(column) for part in _IMAGES)
        # Not a text about an image, though perhaps with some that cannot be used.
        if is_named and 2 * sum(map(_is_reference, values)) > len(values):
            return column
    return ""


def _is_reference(value: str) -> bool:
    """Return whether a value is an address, or the ID of an image of the library."""
    return bool(re.fullmatch(r"(?i)\s*(?:[a-z][a-z0-9+.-]*:/?/?\S+|[0-9a-f-]{32,36})\s*", value))


def image_columns(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the columns that hold addresses of images, by their names and their values."""
    found = []
    for place, column in enumerate(columns):
        values = [row[place] for row in rows if row[place]]
        is_url = bool(values) and all(re.match(r"(?i)[a-z][a-z0-9+.-]*:/?/?\S", v) for v in values)
        is_named = any(part in normalised(column) for part in _IMAGES)
        if is_url and (is_named or all(_is_image_file(v) for v in values)):
            found.append(column)
    return found


def _is_image_file(url: str) -> bool:
    return bool(re.search(r"(?i)\.(jpe?g|png|webp|avif|gif|tiff?)(\?|#|$)", url))
