"""Base classes of our model admins: writes go through use cases, whose refusals are shown.

Three leaks of Django's admin are closed here: filters by URL (`?field__startswith=`) must be listed
explicitly, choices of related rows are limited, and nothing shows a row by its raw key.
"""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR, IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.http import HttpResponseRedirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin import saved_views
from imagegen_app.admin.paging import (
    MAX_ROWS,
    CappedPaginator,
    UntilMonth,
    list_filters,
    tell_where_it_ends,
)
from imagegen_app.admin.parameters import (
    AutocompleteSelect,
    check_selected,
    prepare_views,
)
from imagegen_app.admin.searching import SearchedAdmin
from imagegen_app.core.actors import Person
from imagegen_app.forms import themes
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.foundation import object_names
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.db.models import Model
    from django.forms import Form
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from imagegen_app.admin.saved_views import SavedView, StrOrPromise
    from imagegen_app.services.gateways.provider_facts import FactRow

    AnyModelForm = forms.ModelForm[Any]
else:
    AnyModelForm = forms.ModelForm

EMPTY = "–"  # noqa: RUF001 - a dash for people


class JsonField(forms.JSONField):
    """A JSON value; one that Python cannot read is refused like any other mistake."""

    def __init__(self, **options: Any) -> None:
        # Django's own field is as narrow as a note.
        widget = forms.Textarea(attrs={"class": "imagegen-json", "rows": 8, "dir": "ltr"})
        super().__init__(**{"widget": widget} | options)

    def to_python(self, value: Any) -> Any:
        """Parse a value.

        :raises ValidationError: if it is no JSON, holds a whole number of thousands of digits, or is
            nested too deeply.
        """
        try:
            return super().to_python(value)
        except (ValueError, RecursionError):
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what was entered, for the form that is shown again."""
        try:
            bound = super().bound_data(data, initial)
            # Half of a surrogate pair can be written in JSON, and is no text that can be shown.
            json.dumps(bound, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return InvalidJSONInput(data)
        return bound


class RecordAdmin(SearchedAdmin):
    """A table that people read here, and write only where a use case lets them."""

    #: Fields that the address of a list may filter by, beside those of `list_filter`.
    allowed_lookups: Sequence[str] = ()
    #: Attributes that hold a job, an asset or an attempt, to be named as people know them.
    named: Sequence[str] = ()
    #: Filters that people need again and again.
    saved_views: Sequence[SavedView] = ()
    #: What people call the list, where the table's name is not it.
    list_title: StrOrPromise = ""
    #: Whether rows may be added or changed; deleting is decided apart.
    is_writable = False
    is_deletable = False
    actions_on_top = True
    actions_on_bottom = False
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    empty_value_display = EMPTY
    save_on_top = False

    @property
    def media(self) -> forms.Media:
        """The style sheets of the admin, of our tables, and of what the site's theme leaves to us."""
        ours = [
            "imagegen_app/css/tokens.css",
            "imagegen_app/css/parts.css",
            "imagegen_app/css/layout.css",
            "imagegen_app/css/doors.css",
            "imagegen_app/css/records.css",
        ]
        return super().media + forms.Media(css={"all": [*ours, *themes.stylesheets()]})

    def actor(self, request: HttpRequest) -> Person:
        """Return the person who acts."""
        return access.actor_for(request.user)

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Return the filters, none of which reads a whole table to know its choices."""
        return list_filters(self, super().get_list_filter(request))

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of this table, with views that refuse unstorable parameters."""
        return prepare_views(super().get_urls(), site=self.admin_site)

    def response_action(
        self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Call an action for the selected rows, if these can exist."""
        check_selected(request, self.model)
        if request.POST.get("select_across") == "1" and self._is_too_long(queryset):
            messages.warning(
                request,
                _("Nothing was done: these are more than %(number)s rows. Narrow the list first.")
                % {"number": MAX_ROWS},
            )
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args, **kwargs)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list under its own name, with its saved views."""
        ours: dict[str, Any] = {
            "saved_views": saved_views.view_links(self.saved_views, request.GET.dict())
        }
        if IS_POPUP_VAR not in request.GET:
            ours["title"] = self.list_title or capfirst(str(self.opts.verbose_name_plural))
        answer: HttpResponse = super().changelist_view(request, ours | (extra_context or {}))
        return tell_where_it_ends(answer)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Look up the names of all rows of the page at once."""
        try:
            changelist = super().get_changelist_instance(request)
        except OverflowError:  # a day at the end of time, in another time zone
            raise IncorrectLookupParameters from None
        changelist.result_list = list(changelist.result_list)
        self._give_names(changelist.result_list)
        return changelist

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return the row under the name that people know it by."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self._give_names([row])
        return row

    def _give_names(self, rows: list[Any]) -> None:
        of_rows = [attrgetter(name)(row) for row in rows for name in self.named]
        object_names.give_names([*rows, *(one for one in of_rows if one is not None)])

    def _is_too_long(self, rows: Any) -> bool:
        return CappedPaginator(rows, self.list_per_page).is_capped

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Complete keys with a widget that survives a value that is no key."""
        if "widget" not in kwargs and db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = AutocompleteSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    # Permissions

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return self.is_writable and super().has_add_permission(request, *args)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.is_writable and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.is_deletable and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Remove Django's bulk delete, which would bypass the use cases."""
        # Django before 6.1 offers actions in one place, and takes no such argument.
        where = {} if action_location is None else {"action_location": action_location}
        actions: dict[str, Any] = super().get_actions(request, **where)
        actions.pop("delete_selected", None)
        return actions

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only listed filters; with any other one could guess values of hidden fields."""
        named = [entry[0] if isinstance(entry, tuple) else entry for entry in self.list_filter]
        allowed = {*self.allowed_lookups, UntilMonth.parameter_name}
        allowed |= {n if isinstance(n, str) else getattr(n, "parameter_name", "") for n in named}
        base = lookup
        for ending in ("__exact", "__id", "__isnull", "__isempty"):
            base = base.removesuffix(ending)
        return base in allowed or lookup in allowed

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Make all fields of a read-only table read-only."""
        if self.is_writable:
            return super().get_readonly_fields(request, obj)
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    # Writing

    def save_model(self, request: HttpRequest, obj: Any, form: Form, change: bool) -> None:
        """Store the row through its use case; a refusal is shown on the form's page."""
        self.write(request, obj, change=change)

    def write(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Store a row through a use case; tables that can be written override this."""
        raise ActionRefused(
            _("Nothing was saved."), reason=_("These records cannot be edited by hand."), remedy=""
        )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete a row through a use case; tables that can be deleted from override this."""
        raise ActionRefused(_("Nothing was deleted."), reason=_("The history is kept."), remedy="")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ActionRefused as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.get_full_path())

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except ActionRefused as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.get_full_path())

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Respond as to a full page: the response to a pop-up could show any row by its key."""
        plain: Any = request.POST.copy()
        plain.pop(IS_POPUP_VAR, None)
        request.POST = plain
        answer: HttpResponse = super().response_add(request, obj, post_url_continue)
        return answer

    # Actions on several rows

    def apply_to_each(
        self,
        request: HttpRequest,
        rows: Iterable[Any],
        act: Callable[[Person, Any], object],
        *,
        done: Callable[[int], str],
    ) -> None:
        """Call `act` for each row; show how many succeeded and why the others were refused."""
        actor = self.actor(request)
        count = 0
        refusals: dict[tuple[str, bool], int] = {}
        for row in rows:
            try:
                act(actor, row)
            except ActionRefused as refusal:
                reason = f"{refusal.reason} {refusal.remedy}".strip()
                key = (reason, refusal.is_already_done)
                refusals[key] = refusals.get(key, 0) + 1
            else:
                count += 1
        if count:
            messages.success(request, done(count))
        for (reason, is_already_done), number in refusals.items():
            text = ngettext(
                "%(number)s record was not changed: %(why)s",
                "%(number)s records were not changed: %(why)s",
                number,
            )
            show = messages.info if is_already_done else messages.warning
            show(request, text % {"number": number, "why": reason})


def link(address: str, text: object) -> SafeString:
    """Return a link; both parts are escaped."""
    return format_html('<a href="{}">{}</a>', address, text)


def definition_list(rows: Iterable[tuple[object, object]]) -> SafeString:
    """Return a definition list of the rows whose value is not empty."""
    shown = [(k, v) for k, v in rows if v not in ("", None)]
    if not shown:
        return SafeString(EMPTY)
    inside = format_html_join("", "<dt>{}</dt><dd><bdi>{}</bdi></dd>", shown)
    return format_html('<dl class="imagegen-facts-list">{}</dl>', inside)


def handling_table(rows: Iterable[FactRow]) -> SafeString:
    """Return what is known of how a provider handles data as a table, each fact with its source."""
    return format_html(
        '<table class="imagegen-small imagegen-handling"><tr><th>{}</th><th>{}</th><th>{}</th></tr>{}'
        "</table>",
        _("What"),
        _("How"),
        _("Source"),
        format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            ((row.label, row.value, _fact_source(row)) for row in rows),
        ),
    )


def _fact_source(row: FactRow) -> SafeString | str:
    if row.checked_on is None:
        return EMPTY
    is_link = row.source.startswith(("https://", "http://"))
    source = link(row.source, row.source) if is_link else row.source
    who = _("as agreed") if row.is_ours else _("by the adapter")
    return format_html("{} ({}, <time>{}</time>)", source, who, row.checked_on.isoformat())


def join_words(values: Iterable[object]) -> str:
    """Return codes as one text, separated by commas."""
    return ", ".join(str(v).replace("_", " ") for v in values) or EMPTY


def two_lines(first: object, second: object) -> SafeString:
    """Return a cell with a second, quieter line, where another column would not fit."""
    if second in ("", None):
        return format_html("{}", first)
    return format_html('{}<span class="imagegen-second">{}</span>', first, second)


def amount(value: Any, currency: str) -> str:
    """Return an amount with its currency in the reader's notation, or a dash for None."""
    return EMPTY if value is None else f"{format_amount(value)} {currency}"
