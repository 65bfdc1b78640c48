"""Refuse requests whose parameters no page of ours can mean, before any view reads them.

PostgreSQL cannot store or compare NUL and half surrogates, so each of them would be an error of the
database; Django's forms refuse them, but filters, searches and buttons are no forms.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.admin.widgets import AutocompleteSelect as DjangoAutocompleteSelect
from django.core.exceptions import BadRequest

from imagegen_app.admin.missing_tables import tell_missing_tables
from imagegen_app.forms.admin_urls import use_site
from imagegen_app.services.gateways import content_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest, HttpResponseBase, QueryDict
    from django.urls import URLPattern

    View = Callable[..., HttpResponseBase]

_SURROGATES = range(0xD800, 0xE000)


def is_storable(text: str) -> bool:
    """Tell whether every database can store and compare the text."""
    return "\0" not in text and not any(ord(c) in _SURROGATES for c in text)


def check_parameters(view: View) -> View:
    """Wrap a view so that a request with parameters that cannot be stored is answered with 400."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        texts = [*_texts(request.GET), *_texts(request.POST), *map(str, kwargs.values())]
        if not all(map(is_storable, texts)):
            raise BadRequest("A parameter contains a character that cannot be stored.")
        if request.GET.get(TO_FIELD_VAR) == "":
            # Django looks for a field of this name, and there is none without a name.
            request.GET = _without_to_field(request.GET)
        if request.POST.get(TO_FIELD_VAR) == "":
            request.POST = _without_to_field(request.POST)
        return view(request, *args, **kwargs)

    return checked


def prepare_views(patterns: Iterable[URLPattern], *, site: AdminSite) -> list[URLPattern]:
    """Wrap the views of these addresses of an admin site: they check parameters, and link to that site."""
    checked = []
    for pattern in patterns:
        if hasattr(pattern, "callback"):
            pattern.callback = _on_site(
                site, check_parameters(tell_missing_tables(pattern.callback, site))
            )
        checked.append(pattern)
    return checked


class AutocompleteSelect(DjangoAutocompleteSelect):
    """Django's widget, which looks up a value that is no key at all before the field refuses it."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        keys = [
            one
            for one in value
            if content_fields.parse_key(self.field.remote_field.model, str(one))
        ]
        return super().optgroups(name, keys, attrs)


def _on_site(site: AdminSite, view: View) -> View:
    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        use_site(site.name)
        return view(request, *args, **kwargs)

    return run


def check_selected(request: HttpRequest, model: type[Model]) -> None:
    """Require that the rows that an action is called for can exist.

    :raises BadRequest: if one of their keys is no key of this model.
    """
    selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
    if any(content_fields.parse_key(model, key) is None for key in selected):
        raise BadRequest("A selected row has a key that no row can have.")


def _texts(given: QueryDict) -> Iterable[str]:
    for name, values in given.lists():
        yield name
        yield from values


def _without_to_field(given: QueryDict) -> Any:
    copy = given.copy()
    del copy[TO_FIELD_VAR]
    return copy
