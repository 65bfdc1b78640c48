"""Name the categories of content that nobody can release: what screeners find stays blocked."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class HardCategory(StrEnum):
    """A category whose verdict no role, grant, review or setting opens.

    Systems that make either kind of image are prohibited in the European Union from 2 December 2026
    (Regulation (EU) 2024/1689, Article 5, as amended).
    """

    #: Sexual content with minors.
    SEXUAL_MINORS = "sexual_minors"
    #: Intimate images of real persons who have not agreed to them.
    INTIMATE_IMAGES = "intimate_images"


class InvalidHardCategory(ValueError):
    """A setting names a hard category that does not exist."""

    def __init__(self, value: object) -> None:
        known = ", ".join(HardCategory)
        super().__init__(f"{str(value)[:60]!r} is no hard category; there are {known}")


def read_hard_categories(given: object) -> dict[str, HardCategory]:
    """Return a map from a service's categories to hard ones, as a setting gives it.

    :raises InvalidHardCategory: if it is no map of texts to names of hard categories.
    """
    if not isinstance(given, dict):
        raise InvalidHardCategory(given)
    return {str(name): read_hard_category(value) for name, value in given.items()}


def read_hard_category(given: object) -> HardCategory:
    """Return the hard category of a name.

    :raises InvalidHardCategory: if there is none.
    """
    try:
        return HardCategory(given)  # type: ignore[arg-type]
    except ValueError:
        raise InvalidHardCategory(given) from None


def hardest(categories: Iterable[str], known: Mapping[str, HardCategory]) -> HardCategory | None:
    """Return the hard category among a service's categories, the gravest one first; None if none."""
    found = {known[name] for name in categories if name in known}
    return next((one for one in HardCategory if one in found), None)
