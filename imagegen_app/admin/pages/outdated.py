"""The page of placed images that are out of date: what changed, make them anew, or keep them."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db.models import prefetch_related_objects
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.core.types import Cost
from imagegen_app.forms.admin_urls import admin_url, find_admin_url
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.batches import lifecycle, outdated
from imagegen_app.services.job_requests.prices import NoPrice
from imagegen_app.services.library import delivery
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.services.batches.composed_today import OutdatedImage
    from imagegen_app.services.gateways.content_fields import Target

#: In pixels, twice as wide as it is shown.
_PICTURE_WIDTH = 160
_MAX_KEY_CHARS = 64
_MAX_DIGITS = 18


class OutdatedPages(Pages):
    """The page that lists what is out of date, for one kind of object at a time."""

    base_template = "imagegen_app/admin/batch/base.html"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [
            Route("batches/out-of-date/", self.show, "imagegen_outdated", permission="request_job")
        ]

    def show(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """List outdated images; on POST make them anew, or keep one as it is."""
        targets = outdated.targets_for(actor)
        wanted = str(request.GET.get("target", ""))
        target = next((one for one in targets if one.path == wanted), next(iter(targets), None))
        if target is not None and request.method == "POST":
            return self._act(request, actor, target)
        after = _number(str(request.GET.get("after", "")))
        context: dict[str, Any] = {
            "title": _("Out of date"),
            "tabs": [(one.path, _label(one), one == target) for one in targets],
            "rows": [],
            "total": "",
            "older": "",
            "looked_through": 0,
            "refreshable": 0,
            "is_later": after is not None,
            "key": uuid.uuid4().hex,
        }
        if target is not None:
            page = outdated.find_page(actor=actor, target=target, after=after)
            rows = _rows(page.images)
            context |= {
                "rows": rows,
                "total": _total(rows),
                "older": ""
                if page.after is None
                else "?" + urlencode({"target": target.path, "after": str(page.after)}),
                "looked_through": page.looked_through,
                "refreshable": sum(one.is_refreshable for one in page.images),
            }
        return self.page(request, "imagegen_app/admin/batch/outdated.html", context)

    def _act(self, request: HttpRequest, actor: Person, target: Target) -> HttpResponse:
        try:
            if "keep" in request.POST:
                self._keep(request, actor, target)
                return HttpResponseRedirect(request.get_full_path())
            batches = outdated.refresh(
                actor=actor,
                target=target,
                shown=None if "all" in request.POST else _shown(request.POST.getlist("row")),
                key=str(request.POST.get("key", ""))[:_MAX_KEY_CHARS] or uuid.uuid4().hex,
            )
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return HttpResponseRedirect(request.get_full_path())
        if len(batches) == 1:
            return HttpResponseRedirect(admin_url("imagegen_batch_run", batches[0].pk))
        text = ngettext(
            "%(count)s batch was started.", "%(count)s batches were started.", len(batches)
        )
        messages.success(request, text % {"count": len(batches)})
        return HttpResponseRedirect(admin_url("imagegen_batch_changelist"))

    def _keep(self, request: HttpRequest, actor: Person, target: Target) -> None:
        number = outdated.keep(
            actor=actor, target=target, shown=_shown(request.POST.getlist("keep"))
        )
        if number:
            text = _("The image is kept. It is listed again when something else changes.")
            messages.success(request, text)
        else:
            messages.info(request, _("It is not out of date any more, or in another way."))


def _rows(images: Sequence[OutdatedImage]) -> list[dict[str, Any]]:
    prefetch_related_objects([one.placement.asset for one in images], "renditions")
    prices: dict[tuple[Any, ...], Cost | None] = {}
    return [
        {
            "value": f"{one.placement.pk}:{one.today.digest}",
            "name": str(one.instance),
            "url": _object_url(one.instance),
            "asset": one.placement.asset,
            "picture": delivery.preview_url(one.placement.asset, width=_PICTURE_WIDTH),
            "changes": one.today.changes,
            "problem": one.today.problem,
            "asked_in": one.asked_in,
            "is_refreshable": one.is_refreshable,
            "cost": _cost(one, prices),
        }
        for one in images
    ]


def _cost(one: OutdatedImage, known: dict[tuple[Any, ...], Cost | None]) -> Cost | None:
    """Return what the object's row of a batch is estimated to cost; None if that cannot be told."""
    version, model = one.today.version, one.today.image_model
    if model is None or not one.is_refreshable:
        return None
    kit, images = one.today.kit, len(one.today.sources.images)
    shots = [one.today.shot] if one.today.shot else []
    key = (version.pk, model.pk, kit.pk if kit else None, images, *shots)
    if key not in known:
        try:
            amount = lifecycle.estimate_cost(
                version, model, rows=1, kit=kit, images=images, shots=shots
            )
        except (NoPrice, ActionRefused):
            known[key] = None
        else:
            known[key] = Cost(amount, str(model.price_list.get("currency", "USD")))
    return known[key]


def _total(rows: Sequence[dict[str, Any]]) -> str:
    """Return what all rows of the page cost together, by currency; empty if no price is known."""
    amounts: dict[str, Decimal] = {}
    for row in rows:
        if row["cost"] is not None:
            before = amounts.get(row["cost"].currency, Decimal(0))
            amounts[row["cost"].currency] = before + row["cost"].amount
    return " + ".join(f"{format_amount(amount)} {name}" for name, amount in amounts.items())


def _label(target: Target) -> str:
    meta = target.model._meta  # noqa: SLF001 - Django's documented API
    field = meta.get_field(target.field)
    return (
        f"{capfirst(str(meta.verbose_name_plural))}: {getattr(field, 'verbose_name', target.field)}"
    )


def _object_url(instance: Any) -> str:
    meta = instance._meta  # noqa: SLF001 - Django's documented API
    return find_admin_url(f"{meta.app_label}_{meta.model_name}_change", instance.pk)


def _shown(values: Sequence[str]) -> list[tuple[int, str]]:
    """Return the placements and digests that a form sent; what has another form is left out."""
    found = []
    for value in values[: outdated.PAGE_ROWS]:
        number, _colon, digest = value.partition(":")
        key = _number(number)
        if key is not None:
            found.append((key, digest))
    return found


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return int(text) if is_number else None
