"""Sort our pages and tables by what people come for: make, review, prove, set up.

A page is listed for people who have one of its permissions; a door for those who may open one of its
pages. The tables of the admin are one click deeper, on a page of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from imagegen_app.core.states import RUNNING_STATES
from imagegen_app.forms.admin_urls import admin_url, find_admin_url
from imagegen_app.services.monitoring import dashboard, health
from imagegen_app.services.policy import access, revocations, setup_progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest
    from django.utils.functional import Promise

    from imagegen_app.core.actors import Person

#: Stands in a page's parameters for the person who reads.
ME: Final = "{me}"


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One of our pages, or a list with a filter, in the navigation."""

    #: Name of its URL.
    url_name: str
    text: str | Promise
    #: The permissions of which a person needs one.
    permissions: tuple[str, ...]
    #: Parameters of its address, as (name, value); the value `ME` stands for the person's key.
    parameters: tuple[tuple[str, str], ...] = ()
    #: Names of the URLs of pages that belong to it; one that ends in `_` names all that begin so.
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Door:
    """What people come for, and the pages where they do it."""

    name: str
    text: str | Promise
    #: What it is for, in a sentence.
    purpose: str | Promise
    pages: tuple[PageEntry, ...]
    #: Names of further URLs behind it, as those of a page; no page of the navigation is theirs.
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """A door with the pages that a person may open, for a template."""

    name: str
    text: str | Promise
    purpose: str | Promise
    pages: tuple[OpenPage, ...]
    is_here: bool

    @property
    def address(self) -> str:
        """The address of its first page."""
        return self.pages[0].address


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A page that a person may open, for a template."""

    url_name: str
    text: str | Promise
    address: str
    is_here: bool


def overview() -> PageEntry:
    """Return the entry of the page that shows all doors."""
    return PageEntry("imagegen_overview", _("Overview"), dashboard.PERMISSIONS)


def tables() -> PageEntry:
    """Return the entry of the page that lists the tables, for whoever may read one."""
    return PageEntry("imagegen_tables", _("All tables"), ())


def doors() -> tuple[Door, ...]:
    """Return the doors in the order in which they are listed."""
    return (
        Door(
            "make",
            _("Make"),
            _("Ask for images, one or many, and find the ones you made."),
            (
                PageEntry(
                    "imagegen_studio", _("Studio"), ("request_job",), also=("imagegen_studio_",)
                ),
                PageEntry(
                    "imagegen_prompttemplate_changelist",
                    _("Templates"),
                    ("view_prompttemplate", "change_prompttemplate"),
                    also=("imagegen_prompttemplate_", "imagegen_templateversion_"),
                ),
                PageEntry(
                    "imagegen_brandkit_changelist",
                    _("Brand kits"),
                    ("view_brandkit", "change_brandkit"),
                    also=("imagegen_brandkit_", "imagegen_brandkitversion_"),
                ),
                PageEntry(
                    "imagegen_batch_changelist",
                    _("Batches"),
                    ("request_job", "view_batch"),
                    also=("imagegen_batch_", "imagegen_object_texts", "imagegen_row_texts"),
                ),
                PageEntry(
                    "imagegen_table_new",
                    _("New batch from a table"),
                    ("request_job",),
                    also=("imagegen_table_",),
                ),
                PageEntry("imagegen_outdated", _("Out of date"), ("request_job",)),
                PageEntry(
                    "imagegen_job_changelist",
                    _("Running jobs"),
                    ("request_job", "view_job"),
                    parameters=(("state__in", ",".join(RUNNING_STATES)),),
                ),
                PageEntry(
                    "imagegen_library",
                    _("Library"),
                    ("request_job", "view_asset"),
                    also=("imagegen_library_", "imagegen_collection_"),
                ),
            ),
            also=("imagegen_job_", "imagegen_attempt_", "imagegen_keptanswer_", "imagegen_mail_"),
        ),
        Door(
            "review",
            pgettext_lazy("door", "Review"),
            _("Decide what may be shown, and see where it is."),
            (
                PageEntry(
                    "imagegen_desk",
                    _("Review desk"),
                    ("approve_asset", "decide_escalated_asset", "withdraw_asset", "request_job"),
                    also=("imagegen_desk_",),
                ),
                PageEntry(
                    "imagegen_alt_texts",
                    _("Alternative texts"),
                    ("change_asset", "request_job"),
                    also=("imagegen_alt_texts_",),
                ),
                PageEntry(
                    "imagegen_asset_changelist",
                    _("All images"),
                    ("view_asset",),
                    also=("imagegen_asset_", "imagegen_rendition_"),
                ),
                PageEntry(
                    "imagegen_placement_changelist",
                    _("Where images are used"),
                    ("view_placement",),
                    also=("imagegen_placement_",),
                ),
                PageEntry(
                    "imagegen_verdict_changelist",
                    _("Content checks"),
                    ("view_verdict",),
                    also=("imagegen_verdict_",),
                ),
            ),
        ),
        Door(
            "prove",
            _("Prove"),
            _("Show what happened, and that the log of it is whole."),
            (
                PageEntry(
                    "imagegen_auditevent_changelist",
                    _("What happened"),
                    ("view_auditevent",),
                    also=("imagegen_auditevent_",),
                ),
                PageEntry(
                    "imagegen_log",
                    _("Audit log"),
                    ("verify_audit",),
                    also=("imagegen_checkpoint_",),
                ),
                PageEntry("imagegen_erasure", _("Erasure"), ("erase_personal_data",)),
            ),
        ),
        Door(
            "setup",
            _("Set up"),
            _("Choose who may make what, with whom, and for how much."),
            (
                PageEntry(
                    "imagegen_health",
                    _("Health"),
                    health.PERMISSIONS,
                    also=("imagegen_worker_", "imagegen_incident_"),
                ),
                PageEntry("imagegen_setup", _("Set up AI images"), (setup_progress.PERMISSION,)),
                PageEntry(
                    "imagegen_provider_changelist",
                    _("Providers"),
                    ("view_provider", "change_provider"),
                    also=("imagegen_provider_", "imagegen_workflowversion_"),
                ),
                PageEntry(
                    "imagegen_imagemodel_changelist",
                    _("Models"),
                    ("view_imagemodel", "change_imagemodel"),
                    also=("imagegen_imagemodel_",),
                ),
                PageEntry(
                    "imagegen_grant_changelist",
                    _("Grants"),
                    ("view_grant", "change_grant"),
                    also=("imagegen_grant_",),
                ),
                PageEntry(
                    "imagegen_budget_changelist",
                    _("Budgets"),
                    ("view_budget", "change_budget"),
                    also=(
                        *("imagegen_budget_", "imagegen_budgetperiod_", "imagegen_ledgerentry_"),
                        "imagegen_textcall_",
                    ),
                ),
                PageEntry(
                    "imagegen_provider_credentials", _("Credentials"), (revocations.PERMISSION,)
                ),
            ),
        ),
    )


def is_open(entry: PageEntry, actor: Person) -> bool:
    """Return whether a person may open a page."""
    return any(access.has_permission(actor, name) for name in entry.permissions)


def address_of(entry: PageEntry, actor: Person, *, site: str = "") -> str:
    """Return a page's address for a person."""
    address = admin_url(entry.url_name, site=site)
    query = urlencode([(name, _value(value, actor)) for name, value in entry.parameters])
    return f"{address}?{query}" if query else address


def open_doors(actor: Person, request: HttpRequest | None = None) -> tuple[OpenDoor, ...]:
    """Return the doors that a person may open, and where among them the request is."""
    here = None if request is None else _page_of(request, actor)
    found = []
    for door in doors():
        pages = tuple(
            OpenPage(
                entry.url_name, entry.text, address_of(entry, actor), here == (door.name, entry)
            )
            for entry in door.pages
            if is_open(entry, actor) and find_admin_url(entry.url_name)
        )
        if pages:
            is_here = here is not None and here[0] == door.name
            found.append(OpenDoor(door.name, door.text, door.purpose, pages, is_here))
    return tuple(found)


def _page_of(request: HttpRequest, actor: Person) -> tuple[str, PageEntry | None] | None:
    """Return the door and the page that a request is about: the one whose name fits best."""
    match = request.resolver_match
    name = "" if match is None else str(match.url_name)
    best: tuple[int, str, PageEntry | None] = (0, "", None)
    for door in doors():
        best = max(best, (_name_fit(door.also, name), door.name, None), key=_by_fit)
        for entry in door.pages:
            if is_open(entry, actor):
                best = max(
                    best, (_fit(entry, name, request.GET, actor), door.name, entry), key=_by_fit
                )
    return best[1:] if best[0] else None


def _by_fit(found: tuple[int, str, PageEntry | None]) -> int:
    return found[0]


def _fit(entry: PageEntry, name: str, given: Mapping[str, Any], actor: Person) -> int:
    """Return how closely a page fits the name and the parameters of an address; 0: not at all."""
    if entry.url_name == name:
        if all(given.get(one) == _value(value, actor) for one, value in entry.parameters):
            return 1000 + len(entry.parameters)
        return 0
    return _name_fit(entry.also, name)


def _name_fit(names: tuple[str, ...], name: str) -> int:
    fits = (one for one in names if name == one or (one[-1] == "_" and name.startswith(one)))
    return max(map(len, fits), default=0)


def _value(value: str, actor: Person) -> str:
    return str(actor.user.pk) if value == ME else value
