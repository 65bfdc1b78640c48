"""One result of the studio: the image large, how it came about, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.admin.pages.carried import carried_query
from imagegen_app.admin.pages.result_actions import action_context
from imagegen_app.forms.admin_urls import admin_url, find_admin_url
from imagegen_app.forms.image_actions import with_query
from imagegen_app.models import Asset
from imagegen_app.models.amounts import format_amount
from imagegen_app.models.asset_details import MAX_STARS
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import (
    applied_values,
    chooser,
    delivery,
    drafts,
    focal_points,
    lineage,
    ratings,
    review_cases,
    review_requests,
    summary,
    titles,
)
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused, NotPermitted

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

#: The width of the image on the page, and of those in strips.
_LARGE, _SMALL = 1280, 320
_MIDDLE = 50
_MAX_DIGITS = 3


class ResultPages(Pages):
    """The page of one result, and what its buttons send."""

    base_template = "imagegen_app/admin/studio/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        top = "studio/result/<uuid:pk>/"
        return [
            Route(top, self.result, "imagegen_studio_result"),
            Route(f"{top}rate/", self.rate, "imagegen_studio_result_rate", is_post_only=True),
            Route(f"{top}focal/", self.focal, "imagegen_studio_result_focal", is_post_only=True),
            Route(
                f"{top}discard/", self.discard, "imagegen_studio_result_discard", is_post_only=True
            ),
            Route(f"{top}send/", self.send, "imagegen_studio_result_send", is_post_only=True),
            Route(
                f"{top}download/",
                self.download,
                "imagegen_studio_result_download",
                is_post_only=True,
            ),
        ]

    def shared_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().shared_context(request),
            "carried": carried_query(request),
            "field": request.GET.get("field", ""),
        }

    def result(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Show an image with its facts, its family, and what can be done next."""
        asset = visible_asset(actor, pk)
        carried = carried_query(request)
        family = lineage.family_of(actor, asset)
        root = pass_chain.root_job(asset.job)
        prompt = None if root.prompt_erased_at else prompt_access.read_prompt(actor, root)
        record = find_admin_url("imagegen_asset_change", asset.pk)
        context = {
            "title": titles.image_title(asset, reader=actor),
            "asset": asset,
            "large": delivery.preview_url(asset, width=_LARGE),
            "original": "" if asset.hard_category else delivery.signed_url(asset),
            "root": root,
            "prompt": prompt,
            "is_prompt_erased": root.prompt_erased_at is not None,
            "facts": _facts(actor, asset),
            "verdicts": summary.verdict_lines(asset),
            "parents": _tiles(family.parents, asset, carried),
            "children": _tiles(family.children, asset, carried),
            "turn": _tiles(family.turn, asset, carried),
            "stars": ratings.stars_of(actor, asset),
            "star_choices": [
                (n, ngettext("%(n)s star", "%(n)s stars", n) % {"n": n})
                for n in range(1, MAX_STARS + 1)
            ],
            "focal": (_percent(asset.focal_x), _percent(asset.focal_y)),
            "answer": review_cases.answer_to_author(asset),
            "review_case": review_cases.describe_case(actor, asset),
            "record_url": record if _may_open_record(request, asset) else "",
            **action_context(actor, asset, carried=carried),
        }
        return self.page(request, "imagegen_app/admin/results/result.html", context)

    def rate(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Give the image stars, then return to its page."""
        asset = visible_asset(actor, pk)
        text = str(request.POST.get("stars", ""))
        stars = int(text) if text.isdecimal() and len(text) == 1 else MAX_STARS + 1
        try:
            ratings.rate(actor=actor, asset=asset, stars=stars)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        return _back(request, pk)

    def focal(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Set the focal point, or put it back to the middle, then return to the page."""
        asset = visible_asset(actor, pk)
        x, y = (_part(request.POST.get(name, "")) for name in ("focal_x", "focal_y"))
        if "middle" in request.POST:
            x = y = None
        elif x is None or y is None:
            x = y = float("nan")
        try:
            focal_points.set_focal_point(actor=actor, asset=asset, x=x, y=y)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        else:
            messages.success(request, _("Where the image is cropped, this point stays visible."))
        return _back(request, pk)

    def discard(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Reject one's own draft, then return to its page."""
        asset = visible_asset(actor, pk)
        try:
            drafts.discard(actor=actor, asset=asset)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        else:
            messages.success(request, _("The draft was rejected. Nobody is asked to review it."))
        return _back(request, pk)

    def send(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Send the image for review, or take it back, then return to its page."""
        asset = visible_asset(actor, pk)
        try:
            if "withdraw" in request.POST:
                review_requests.withdraw_request(actor=actor, asset=asset)
            else:
                note = str(request.POST.get("note", ""))
                review_requests.request_review(actor=actor, asset=asset, note=note)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        else:
            is_sent = asset.review_requested_at is not None
            text = (
                _("The image was sent for review.") if is_sent else _("The image is a draft again.")
            )
            messages.success(request, text)
        return _back(request, pk)

    def download(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Send the published file with its Content Credentials."""
        asset = visible_asset(actor, pk)
        try:
            return HttpResponseRedirect(delivery.download_url(actor=actor, asset=asset))
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return _back(request, pk)


def visible_asset(actor: Person, pk: Any) -> Asset:
    """Return an image that the person may see, with what its pages show of it.

    :raises Http404: if there is none, or it is another person's that they may not see.
    """
    rows = Asset.objects.select_related(
        "job__root__template_version__template",
        "job__root__requester",
        "job__template_version__template",
        "job__requester",
        "job__image_model__provider",
        "attempt__image_model__provider",
        "reviewed_by",
    ).prefetch_related("renditions")
    asset: Asset | None = rows.filter(pk=pk).first()
    if asset is None:
        raise Http404
    try:
        chooser.require_visible(actor, asset)
    except NotPermitted:
        raise Http404 from None
    return asset


def _may_open_record(request: HttpRequest, asset: Asset) -> bool:
    own = asset.job.requester_id == request.user.pk
    return bool(own or request.user.has_perm("imagegen.view_asset"))


def _facts(actor: Person, asset: Asset) -> list[tuple[str, str]]:
    """Return what is known of the image, as pairs of a label and a text; only what has a value."""
    job, attempt = asset.job, asset.attempt
    root = pass_chain.root_job(job)
    model = attempt.image_model
    version = attempt.model_version or model.version
    own = job.requester_id == actor.user.pk
    cost = ""
    if own or access.has_permission(actor, "view_costs"):
        cost = f"{format_amount(pass_chain.total_spent(job))} {job.currency}"
        if root.count > 1:
            text = ngettext("%(cost)s for %(n)s image", "%(cost)s for %(n)s images", root.count)
            cost = text % {"cost": cost, "n": root.count}
    found = [
        (_("Requested by"), "" if own else summary.display_name(root.requester)),
        (_("Template"), str(root.template_version or "")),
        (_("Brand kit"), str(root.brand_kit_version or "")),
        (_("Operation"), str(job.get_operation_display())),
        (_("Model"), f"{model} · {version}" if version else str(model)),
        (_("Provider"), str(model.provider)),
        (_("Size"), f"{asset.width} \N{MULTIPLICATION SIGN} {asset.height}"),
        (_("Quality"), job.quality),
        (_("Seed"), "" if asset.seed is None else str(asset.seed)),
        (_("Cost"), cost),
        (_("Duration"), _duration(asset)),
        (_("Note"), " ".join(applied_values.deviations(attempt))),
    ]
    return [(label, text) for label, text in found if text]


def _duration(asset: Asset) -> str:
    job = asset.job
    if job.started_at is None or job.finished_at is None:
        return ""
    seconds = max(1, round((job.finished_at - job.started_at).total_seconds()))
    return _("%(seconds)s s") % {"seconds": seconds}


def _tiles(assets: list[Asset], shown: Asset, carried: str) -> list[dict[str, Any]]:
    compare = admin_url("imagegen_studio_compare")
    return [
        {
            "asset": one,
            "badge": "",
            "url": delivery.preview_url(one, width=_SMALL),
            "large": delivery.preview_url(one, width=_LARGE),
            "page": with_query(admin_url("imagegen_studio_result", one.pk), carried),
            "compare": ""
            if one.pk == shown.pk or one.hard_category or shown.hard_category
            else with_query(compare, carried, a=one.pk, b=shown.pk),
            "is_shown": one.pk == shown.pk,
        }
        for one in assets
    ]


def _percent(part: float | None) -> int:
    return _MIDDLE if part is None else round(part * 100)


def _part(text: object) -> float | None:
    """Return a percentage as a part of 1; None for what is no whole number."""
    value = str(text)
    is_number = value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS
    return int(value) / 100 if is_number else None


def _back(request: HttpRequest, pk: uuid.UUID) -> HttpResponseRedirect:
    return HttpResponseRedirect(
        with_query(admin_url("imagegen_studio_result", pk), carried_query(request))
    )
