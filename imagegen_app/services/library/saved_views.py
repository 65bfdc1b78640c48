"""Keep filters of the library under names that a person gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.models import SavedView
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.library.collections import clean_name
from imagegen_app.services.policy.access import NotPermitted

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.core.actors import Person
    from imagegen_app.services.library.asset_filters import AssetFilter

MAX_NAME_CHARS = 60
#: More are not offered, and the oldest of them is forgotten with a new one.
MAX_VIEWS = 20


def views_of(actor: Person) -> QuerySet[SavedView]:
    """Return a person's own views, by name."""
    rows: QuerySet[SavedView] = SavedView.objects.filter(owner=actor.user).order_by("name", "pk")
    return rows


@use_case()
def save(*, actor: Person, name: str, wanted: AssetFilter) -> SavedView:
    """Keep a filter; one of the same name is replaced.

    :raises NameMissing: without a name.
    """
    text = clean_name(name)[:MAX_NAME_CHARS]
    query = wanted.as_query()
    view, is_new = SavedView.objects.select_for_update().get_or_create(
        owner=actor.user, name=text, defaults={"query": query}
    )
    if not is_new and view.query == query:
        skip_audit_event()
        return view
    if not is_new:
        view.query = query
        view.save(update_fields=["query"])
    # The filter may hold words and people's names: it stays out of the log.
    event_log.record(actor, "view.saved", subject=view, personal={"object_label": text})
    for old in views_of(actor).order_by("-created_at", "-pk")[MAX_VIEWS:]:
        old.delete()
    return view


@use_case()
def remove(*, actor: Person, view: SavedView) -> None:
    """Forget a view of the actor's own.

    :raises NotPermitted: if it is another person's.
    """
    if view.owner_id != actor.user.pk:
        raise NotPermitted(
            _("The view was not removed."), reason=_("It belongs to another person."), remedy=""
        )
    # A second tab may have removed it before.
    if not SavedView.objects.filter(pk=view.pk).delete()[0]:
        skip_audit_event()
        return
    event_log.record(actor, "view.removed", subject=view)
