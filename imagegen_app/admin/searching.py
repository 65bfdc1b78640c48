"""The search of our lists: by the names of people, and on long tables by what an index answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app.admin import list_search
from imagegen_app.admin.parameters import is_storable
from imagegen_app.services.foundation import accounts, row_search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest

    BaseAdmin = admin.ModelAdmin[Any]
else:
    BaseAdmin = admin.ModelAdmin

#: Characters of a searched word that are looked for.
MAX_WORD_CHARS = 500
_MOST_VALUES = 100


class SearchedAdmin(BaseAdmin):
    """A table that is searched by words."""

    #: Paths from the row to people, who are found by their names and logins.
    people: Sequence[str] = ()
    #: What finds the rows of a table that grows without end, in place of `search_fields`; see `list_search`.
    searched_by: ClassVar[Callable[..., Iterable[Q]] | None] = None
    #: Filters of the list's address that often find few of many rows, which are then looked up first.
    looked_up: ClassVar[Sequence[str]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows; a database may read the whole table in the list's order for a rare value."""
        rows = super().get_queryset(request)
        for lookup in self.looked_up:
            if value := request.GET.get(lookup):
                values = value.split(",")[:_MOST_VALUES]
                column = lookup.removesuffix("__in").removesuffix("__exact")
                condition = Q(**{f"{column}__in": [one for one in values if is_storable(one)]})
                rows = rows.filter(row_search.any_of(self.model, [condition]))
        return rows

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return the fields of the row, and the names of the people that belong to it."""
        names = accounts.name_fields()
        of_people = [f"{path}__{name}" for path in self.people for name in names]
        return [*super().get_search_fields(request), *of_people]

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Search for the first words; Django's autocomplete, not ours, hands in any characters."""
        if not is_storable(search_term):
            return queryset.none(), False
        # SQLite compares with no pattern of more than 50,000 bytes.
        words = [word[:MAX_WORD_CHARS] for word in search_term.split()]
        search_term = " ".join(words)
        if len(words) > accounts.MAX_SEARCH_WORDS:
            # Each word is one more condition, and a database takes a limited number of them.
            text = _("Only the first %(count)s words were searched for.")
            messages.warning(
                request, text % {"count": accounts.MAX_SEARCH_WORDS}, fail_silently=True
            )
            search_term = " ".join(words[: accounts.MAX_SEARCH_WORDS])
        if self.searched_by is None:
            return super().get_search_results(request, queryset, search_term)
        found = list_search.found_by_words(
            queryset, search_term, self.searched_by, people=self.people_conditions
        )
        return found, False

    def people_conditions(self, search_term: str) -> list[Q]:
        """Return the conditions that a row belongs to one of the people whom a text names."""
        return list_search.of_people(search_term, *self.people)
