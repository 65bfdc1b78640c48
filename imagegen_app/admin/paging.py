"""Page through tables of any size: rows are counted, and offered by number, no further than people read.

Further back lead months: the place where one begins is found by the index of the table's order.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.paginator import Page, Paginator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.dates import MONTHS
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.services.foundation import row_search

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

#: Rows that are offered by the number of their page.
MAX_ROWS = 10_000
#: Values are offered that the newest rows have: to read all of a million for a list of three takes seconds.
_NEWEST_ROWS = 2_000
_MOST_MONTHS = 36


class CappedPaginator(Paginator[Any]):
    """Counts as far as rows are offered, and finds a page's keys before it reads rows and what they join."""

    @cached_property
    def counted(self) -> int:
        """How many rows there are; one more than are offered, if there are."""
        rows: Any = self.object_list
        return int(rows.order_by()[: MAX_ROWS + 1].count())

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than are offered."""
        return self.counted > MAX_ROWS

    @cached_property
    def count(self) -> int:
        """How many rows are offered."""
        return min(self.counted, MAX_ROWS)

    def page(self, number: Any) -> Page[Any]:
        """Return a page; the rows before it are passed over in the index alone."""
        page = super().page(number)
        rows: Any = self.object_list
        if page.number > 1 and rows.query.order_by and not rows.query.distinct:
            first = (page.number - 1) * self.per_page
            plain = rows.select_related(None).prefetch_related(None)
            keys = list(plain.values_list("pk", flat=True)[first : first + self.per_page])
            page.object_list = rows.filter(pk__in=keys)
        return page


def tell_where_it_ends(answer: HttpResponse) -> HttpResponse:
    """Say in the title of a list's page that there are more rows than it numbers, if so."""
    context = getattr(answer, "context_data", None) or {}
    if getattr(getattr(context.get("cl"), "paginator", None), "is_capped", False):
        context["title"] = _("%(title)s: the first %(number)s of more") % {
            "title": context["title"],
            "number": MAX_ROWS,
        }
    return answer


class UntilMonth(admin.SimpleListFilter):
    """Begin the list with the rows of a month, however far back it lies."""

    title = gettext_lazy("up to")
    parameter_name = "until"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = model_admin.get_queryset(request).select_related(None).prefetch_related(None)
        column = time_column(model_admin)
        moments = rows.order_by(f"-{column}", "-pk").values_list(column, flat=True)
        newest, oldest = moments.first(), moments.reverse().first()
        if newest is None or oldest is None:
            return []
        self.column = column
        return _months(timezone.localtime(oldest), timezone.localtime(newest))

    def has_output(self) -> bool:
        """Tell whether there is more than one month to choose from."""
        return len(self.lookup_choices) > 1

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = dict(self.lookup_choices)
        value = self.value()
        if value is None or value not in chosen:
            return queryset
        year, month = map(int, value.split("-"))
        end = (year, month + 1) if month < len(MONTHS) else (year + 1, 1)
        zone = timezone.get_current_timezone()
        return queryset.filter(**{f"{self.column}__lt": datetime(*end, 1, tzinfo=zone)})


class RecentValues(admin.FieldListFilter):
    """Filter by a column of words of which nobody has a list: those of the newest rows are offered."""

    def __init__(  # noqa: PLR0917 - as Django calls it
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: Any,
        model_admin: Any,
        field_path: str,
    ) -> None:
        path = self.lookup_kwarg = field_path
        value = params.get(path)
        self.value = value[-1] if isinstance(value, list) else value
        rows = model_admin.get_queryset(request).select_related(None).prefetch_related(None)
        newest = rows.order_by(*model_admin.get_ordering(request)).values_list(path, flat=True)
        found = {str(text) for text in newest[:_NEWEST_ROWS] if text not in (None, "")}
        self.texts = sorted(found | ({self.value} if self.value else set()))
        super().__init__(field, request, params, model, model_admin, field_path)

    def expected_parameters(self) -> list[str | None]:
        """Return the one parameter."""
        return [self.lookup_kwarg]

    def has_output(self) -> bool:
        """Tell whether there is more than one value to choose from."""
        return len(self.texts) > 1

    def choices(self, changelist: Any) -> Any:
        """Yield all rows, then each value."""
        yield {
            "selected": not self.value,
            "query_string": changelist.get_query_string(remove=[self.lookup_kwarg]),
            "display": _("All"),
        }
        for text in self.texts:
            yield {
                "selected": self.value == text,
                "query_string": changelist.get_query_string({self.lookup_kwarg: text}),
                "display": text,
            }


class Empty(admin.EmptyFieldListFilter):
    """Filter by whether a column that may be null has a value, by its index."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows; few that have a value are found by its index, whatever the list's order."""
        if self.lookup_kwarg not in self.used_parameters:
            return queryset
        if self.lookup_val not in {"0", "1"}:
            raise IncorrectLookupParameters
        condition = Q(**{f"{self.field_path}__isnull": self.lookup_val == "1"})
        return queryset.filter(row_search.any_of(queryset.model, [condition]))


def time_column(model_admin: Any) -> str:
    """Return the column of time by which a table is ordered, newest first; empty for any other order."""
    first = str(model_admin.ordering[0]) if model_admin.ordering else ""
    if not first.startswith("-"):
        return ""
    name = first.removeprefix("-")
    fields = {field.name: field for field in model_admin.opts.concrete_fields}
    return name if isinstance(fields.get(name), models.DateTimeField) else ""


def list_filters(model_admin: Any, listed: Any) -> list[Any]:
    """Return the filters of a table: words without a list by their newest values, and months last."""
    fields = {field.name: field for field in model_admin.opts.concrete_fields}
    found: list[Any] = []
    for entry in listed:
        field = fields.get(entry) if isinstance(entry, str) else None
        is_open = isinstance(field, models.CharField) and not field.choices
        found.append((entry, RecentValues) if is_open else entry)
    return [*found, UntilMonth] if time_column(model_admin) else found


def _months(oldest: datetime, newest: datetime) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    year, month = newest.year, newest.month
    while (year, month) >= (oldest.year, oldest.month) and len(found) < _MOST_MONTHS:
        found.append((f"{year}-{month:02}", f"{MONTHS[month]} {year}"))
        year, month = (year, month - 1) if month > 1 else (year - 1, len(MONTHS))
    return found
