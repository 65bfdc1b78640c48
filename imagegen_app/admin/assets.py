"""Assets in the admin: their list, and what can be done with several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.admin import list_search
from imagegen_app.admin.asset_page import AssetPageAdmin
from imagegen_app.admin.base import EMPTY
from imagegen_app.admin.owned import state_badge, thumbnail
from imagegen_app.admin.parameters import is_storable
from imagegen_app.core.actors import System
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset
from imagegen_app.services.library import (
    alt_texts,
    asset_search,
    asset_table,
    review,
    summary,
    takedown,
    titles,
    word_search,
)
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


#: Lists say of an image what all who may see it may read.
_ANYBODY = System("admin")


@admin.register(Asset)
class AssetAdmin(AssetPageAdmin):
    """Generated images: the list, its filters, searches and actions."""

    list_title = gettext_lazy("Images")
    owner = "job__requester"
    list_display = [
        "thumbnail",
        "title_or_number",
        "review_chip",
        "model_name",
        "requester",
        "places",
        "created_at",
    ]
    list_display_links = ["thumbnail", "title_or_number"]
    list_filter = [
        "hard_category",
        "is_intermediate",
        "c2pa_state",
        "job__image_model",
    ]
    list_select_related = ["job__image_model", "job__requester", "attempt__image_model"]
    search_fields = ["title", "alt_text", "sha256", "original_sha256", "id"]
    people = ["job__requester", "reviewed_by"]
    search_help_text = gettext_lazy(
        "Title, alternative text, hash of any of its files, person or ID"
    )
    ordering = ["-created_at"]
    allowed_lookups = [
        "review",
        "words",
        "review_state",
        "job",
        "job__batch",
        "job__requester",
        "job__template_version",
    ]
    actions = ["approve", "reject", "withdraw", "describe", "attach", "export"]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        from imagegen_app.admin import asset_filters  # noqa: PLC0415 - a starting site lists nothing

        ours = [asset_filters.ReviewFilter, asset_filters.WordsFilter]
        return [*ours, *super().get_list_filter(request)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).prefetch_related("placements")
        match = request.resolver_match
        if match is None or "object_id" not in match.kwargs:
            # The page of one image reads them together with those of its family.
            rows = rows.prefetch_related("renditions")
        return rows.select_related(
            "job__requester",
            "job__root",
            "job__template_version__template",
            "job__image_model",
            "attempt__image_model__provider",
            "reviewed_by",
        )

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Find an image by a hash or file name of any of its files, or by its words and people."""
        found = asset_search.by_file_hash(queryset, search_term)
        if found is not None:
            return found, False
        if not is_storable(search_term) or not search_term.strip():
            return super().get_search_results(request, queryset, search_term)
        words = word_search.words_condition(search_term, reader=self.actor(request))
        return queryset.filter(list_search.of_asset(words, search_term)), False

    @admin.display(description=gettext_lazy("image"))
    def thumbnail(self, obj: Asset) -> SafeString:
        """Return a small preview; none of what was closed for good."""
        return thumbnail(obj)

    @admin.display(description=gettext_lazy("title"), ordering="title")
    def title_or_number(self, obj: Asset) -> str:
        """Return what people know the image by."""
        return titles.image_title(obj, reader=_ANYBODY)

    @admin.display(description=gettext_lazy("review"), ordering="review_state")
    def review_chip(self, obj: Asset) -> SafeString:
        """Return the review's state as a chip."""
        return state_badge(obj.review_state, obj.get_review_state_display())

    @admin.display(description=gettext_lazy("model"))
    def model_name(self, obj: Asset) -> str:
        """Return the model's name."""
        return str(obj.job.image_model)

    @admin.display(description=gettext_lazy("requested by"))
    def requester(self, obj: Asset) -> str:
        """Return the requester's name."""
        return summary.display_name(obj.job.requester, EMPTY)

    @admin.display(description=gettext_lazy("shown in"))
    def places(self, obj: Asset) -> int:
        """Return the number of active placements."""
        return sum(p.removed_at is None for p in obj.placements.all())

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may review any images."""
        return bool(
            request.user.has_perm("imagegen.approve_asset")
            or request.user.has_perm("imagegen.approve_own_asset")
        )

    @admin.action(description=gettext_lazy("Approve"), permissions=["review"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Asset]) -> None:
        from imagegen_app.admin.pages.library_actions import (  # noqa: PLC0415 - no site starts with it
            tell_approved,
        )
        from imagegen_app.services.library import bulk_approval  # noqa: PLC0415 - as above

        try:
            outcome = bulk_approval.approve_all(actor=self.actor(request), assets=queryset)
        except ActionRefused as refusal:
            messages.error(request, str(refusal))
        else:
            tell_approved(request, outcome)

    @admin.action(description=gettext_lazy("Reject…"), permissions=["review"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Asset]) -> HttpResponse | None:
        return self._with_note(request, queryset, "reject", _("Reject images"))

    @admin.action(description=gettext_lazy("Withdraw…"), permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Asset]) -> HttpResponse | None:
        return self._with_note(request, queryset, "withdraw", _("Withdraw images"))

    @admin.action(
        description=gettext_lazy("Describe for people who cannot see them…"),
        permissions=["describe"],
    )
    def describe(self, request: HttpRequest, queryset: QuerySet[Asset]) -> HttpResponse:
        keys = [("asset", str(pk)) for pk in queryset.values_list("pk", flat=True)[:25]]
        return HttpResponseRedirect(f"{admin_url('imagegen_alt_texts')}?{urlencode(keys)}")

    def has_describe_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may describe any images."""
        return alt_texts.may_describe_any(self.actor(request))

    def has_place_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may place images."""
        return bool(request.user.has_perm("imagegen.place_asset"))

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may export."""
        return bool(request.user.has_perm("imagegen.export_audit"))

    @admin.action(description=gettext_lazy("Place on an object…"), permissions=["place"])
    def attach(self, request: HttpRequest, queryset: QuerySet[Asset]) -> HttpResponse | None:
        keys = list(queryset.values_list("pk", flat=True)[:2])
        if len(keys) == 1:
            return HttpResponseRedirect(admin_url("imagegen_asset_attach", *keys))
        messages.warning(request, _("Select the one image that you want to place."))
        return None

    @admin.action(description=gettext_lazy("Export as a table (CSV)"), permissions=["export"])
    def export(self, request: HttpRequest, queryset: QuerySet[Asset]) -> HttpResponse | None:
        try:
            text = asset_table.export(actor=self.actor(request), assets=queryset)
        except ActionRefused as refusal:
            messages.error(request, str(refusal))
            return None
        return HttpResponse(
            text,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="images.csv"'},
        )

    def _with_note(
        self, request: HttpRequest, rows: QuerySet[Asset], name: str, title: str
    ) -> HttpResponse | None:
        """Ask for a reason on a page of its own, then decide."""
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "frame": "admin/base_site.html",
                "embedded": False,
                "title": title,
                "sidebar": request,
                "opts": Asset._meta,  # noqa: SLF001 - Django's documented API
                "assets": rows[:50],
                "number": rows.count(),
                "action": name,
                "selected": [str(pk) for pk in rows.values_list("pk", flat=True)],
            }
            return TemplateResponse(request, "imagegen_app/admin/records/decide.html", context)
        note = str(request.POST.get("note", ""))[:300]
        decide: Any = review.reject if name == "reject" else takedown.withdraw
        self.apply_to_each(
            request,
            rows,
            lambda actor, asset: decide(actor=actor, asset=asset, note=note),
            done=lambda n: (
                ngettext("%(n)s image was changed.", "%(n)s images were changed.", n) % {"n": n}
            ),
        )
        return HttpResponseRedirect(request.get_full_path())
