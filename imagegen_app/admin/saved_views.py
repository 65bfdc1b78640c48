"""Filters of a list that people need again and again, as links above it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.utils.functional import Promise

    StrOrPromise = str | Promise

#: Stands in a view for the day a week ago.
WEEK_AGO: Final = "{week ago}"
#: Parameters of a list that choose its order and page, and not its rows.
_NOT_ROWS: Final = frozenset({"o", "p", "q", "all", "_facets"})


@dataclass(frozen=True, slots=True)
class SavedView:
    """A filter of a list with a name."""

    text: str | Promise
    #: What is called for a value is known only while a page is made.
    parameters: Mapping[str, str | Callable[[], str]]


@dataclass(frozen=True, slots=True)
class ViewLink:
    """A saved view for a template."""

    text: str | Promise
    address: str
    is_here: bool


def view_links(views: Sequence[SavedView], given: Mapping[str, str]) -> list[ViewLink]:
    """Return the links of a list's views, and which of them its address is."""
    if not views:
        return []
    here = {name: value for name, value in given.items() if name not in _NOT_ROWS}
    found = []
    for view in (SavedView(_("All"), {}), *views):
        parameters = {name: _value(value) for name, value in view.parameters.items()}
        found.append(ViewLink(view.text, f"?{urlencode(parameters)}", parameters == here))
    return found


def _value(value: str | Callable[[], str]) -> str:
    if callable(value):
        return value()
    if value != WEEK_AGO:
        return value
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return (today - timedelta(days=7)).isoformat()
