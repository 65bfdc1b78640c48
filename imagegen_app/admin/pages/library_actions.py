"""What is done with many images of the library at once, each after a page that counts them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.admin.pages.library import require_reader
from imagegen_app.admin.pages.library_parts import tile_of
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Collection
from imagegen_app.services.foundation import keyset
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import (
    asset_filters,
    asset_table,
    bulk_approval,
    bulk_selection,
    collections,
    tags,
)
from imagegen_app.services.library.asset_filters import AssetFilter
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset

#: Images that the page shows of a selection.
_SHOWN = 12
ACTIONS = frozenset({"collect", "uncollect", "tag", "untag", "approve", "export"})


@dataclass(frozen=True)
class _Selection:
    """The selected images, what is to be done with them, and what a form sends to mean them again."""

    action: str
    #: The filter of the page that they were selected on.
    wanted: AssetFilter
    assets: QuerySet[Asset]
    picked: str
    signed: str


class LibraryActionPages(Pages):
    """The page that asks before many images are changed, and the change."""

    base_template = "imagegen_app/admin/library/base.html"
    has_sidebar = False
    sidebar_url_name = "imagegen_library"

    def routes(self) -> list[Route]:
        return [
            Route("library/action/", self.act, "imagegen_library_action", is_post_only=True),
        ]

    def act(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show what an action would change; with `confirmed`, do it."""
        wanted = AssetFilter.from_text(str(request.POST.get("query", "")))
        back = f"{admin_url('imagegen_library')}?{wanted.as_query()}"
        try:
            require_reader(actor)
            selection = _selection(request, actor, wanted)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return HttpResponseRedirect(back)
        # The last images of an approval may be decided by another person meanwhile.
        goes_on = selection.action == "approve" and "progress" in request.POST
        if selection.action not in ACTIONS or not (goes_on or selection.assets.exists()):
            messages.warning(request, _("Select at least one image."))
            return HttpResponseRedirect(back)
        refused = None
        if "confirmed" in request.POST:
            try:
                answer = self._do(request, actor, selection)
            except ActionRefused as refusal:
                refused = refusal
            else:
                return answer or HttpResponseRedirect(back)
        return self._ask(request, actor, selection, refused)

    def _ask(
        self,
        request: HttpRequest,
        actor: Person,
        selection: _Selection,
        refused: ActionRefused | None,
    ) -> HttpResponse:
        rows = selection.assets.select_related(
            "job__image_model", "job__template_version__template"
        ).prefetch_related("renditions")
        page = keyset.read_page(rows, size=_SHOWN)
        context = {
            "title": _titles()[selection.action],
            "action": selection.action,
            "count": keyset.count_rows(selection.assets, most=bulk_selection.MAX_IMAGES),
            "tiles": [tile_of(asset, reader=actor, carried={}) for asset in page.rows],
            "picked": selection.picked,
            "signed": selection.signed,
            "wanted": selection.wanted,
            "name": str(request.POST.get("name", "")),
            "collections": [
                row
                for row in collections.visible_collections(actor).order_by("name")
                if collections.may_change(actor, row)
            ],
            "refusal": refused,
        }
        status = 200 if refused is None else 422
        return self.page(request, "imagegen_app/admin/library/confirm.html", context, status=status)

    def _do(
        self,
        request: HttpRequest,
        actor: Person,
        selection: _Selection,
    ) -> HttpResponse | None:
        name, assets, wanted = selection.action, selection.assets, selection.wanted
        text = str(request.POST.get("name", ""))
        if name == "export":
            return HttpResponse(
                asset_table.export(actor=actor, assets=assets),
                content_type="text/csv; charset=utf-8",
                headers={"Content-Disposition": 'attachment; filename="images.csv"'},
            )
        if name == "approve":
            return self._approve(request, actor, selection)
        if name == "collect":
            count = collections.add(
                actor=actor, collection=_collection(request, actor), assets=assets
            )
        elif name == "uncollect":
            shelf = collections.visible_collections(actor).filter(pk=wanted.get("collection") or 0)
            count = sum(
                collections.remove(actor=actor, collection=one, assets=assets) for one in shelf
            )
        elif name == "tag":
            count = tags.tag(actor=actor, assets=assets, name=text)
        else:
            count = tags.untag(actor=actor, assets=assets, name=text)
        messages.success(
            request,
            ngettext("%(n)s image was changed.", "%(n)s images were changed.", count)
            % {"n": count},
        )
        return None

    def _approve(
        self, request: HttpRequest, actor: Person, selection: _Selection
    ) -> HttpResponse | None:
        """Approve one set; show how far it is, or at the end what was approved."""
        text = str(request.POST.get("progress", ""))
        if text:
            progress = bulk_approval.read_progress(actor=actor, text=text)
        else:
            progress = bulk_approval.begin(selection.assets)
        progress = bulk_approval.go_on(actor=actor, assets=selection.assets, progress=progress)
        if progress.is_done:
            tell_approved(request, progress.outcome)
            return None
        context = {
            "title": _titles()[selection.action],
            "action": selection.action,
            "picked": selection.picked,
            "signed": selection.signed,
            "wanted": selection.wanted,
            "progress": progress,
            "progress_text": progress.sign(actor=actor),
            "refused": _refusals(progress.outcome),
        }
        return self.page(request, "imagegen_app/admin/library/approving.html", context)


def _selection(request: HttpRequest, actor: Person, wanted: AssetFilter) -> _Selection:
    """Return the selected images among those that the person may see.

    :raises ActionRefused: if the selection is no longer valid, or too large.
    """
    action, signed = str(request.POST.get("action", "")), str(request.POST.get("all", ""))
    if signed:
        query = bulk_selection.filter_from(actor=actor, text=signed)
        found = asset_filters.find(actor, AssetFilter.from_text(query))
        return _Selection(action, wanted, found, "", signed)
    texts = [*str(request.POST.get("picked", "")).split(","), *request.POST.getlist("pick")]
    keys = bulk_selection.keys_of(text for text in texts if text)
    assets = asset_filters.visible_assets(actor).filter(pk__in=keys)
    return _Selection(action, wanted, assets, ",".join(str(key) for key in keys), "")


def _collection(request: HttpRequest, actor: Person) -> Collection:
    """Return the chosen collection, or a new one of the name that was typed.

    :raises NameMissing: if neither is there.
    """
    chosen = content_fields.parse_key(Collection, str(request.POST.get("collection", "")))
    found = collections.visible_collections(actor).filter(pk=chosen).first()
    if found is not None:
        return found
    return collections.create(
        actor=actor,
        name=str(request.POST.get("name", "")),
        is_shared="shared" in request.POST,
    )


def tell_approved(request: HttpRequest, outcome: bulk_approval.Outcome) -> None:
    """Say how many images were approved, and how many were not for which reason."""
    if outcome.approved:
        text = ngettext(
            "%(n)s image was approved.", "%(n)s images were approved.", outcome.approved
        )
        messages.success(request, text % {"n": outcome.approved})
    for refusal in _refusals(outcome):
        messages.warning(request, refusal)


def _refusals(outcome: bulk_approval.Outcome) -> list[str]:
    return [
        ngettext(
            "%(number)s record was not changed: %(why)s",
            "%(number)s records were not changed: %(why)s",
            number,
        )
        % {"number": number, "why": reason}
        for reason, number in outcome.refused.items()
    ]


def _titles() -> dict[str, str]:
    return {
        "collect": _("Add to a collection"),
        "uncollect": _("Take out of the collection"),
        "tag": _("Tag images"),
        "untag": _("Remove a tag"),
        "approve": _("Approve images"),
        "export": _("Download as a table"),
    }
