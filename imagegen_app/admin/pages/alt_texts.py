"""Describe images for people who cannot see them: one on its way into content, or many on a page."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages import text_suggestions
from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.carried import carried_query
from imagegen_app.admin.pages.text_places import offered_places
from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.core.states import ReviewState
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset
from imagegen_app.services.library import (
    alt_text_suggestions,
    alt_texts,
    chooser,
    delivery,
    review,
)
from imagegen_app.services.policy import access, reviewers
from imagegen_app.services.policy.access import ActionRefused, NotPermitted

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

#: Images on one page.
ROWS = 25


class ChoosePage(Pages):
    """The step in which an image gets its alternative text, and is chosen."""

    base_template = "imagegen_app/admin/studio/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        return [Route("studio/choose/<uuid:pk>/", self.choose, "imagegen_studio_choose")]

    def choose(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Write or accept the alternative text of one image, and select it."""
        asset = get_object_or_404(
            Asset.objects.select_related(
                "job__template_version__template", "job__root__template_version"
            ).prefetch_related("renditions", "alt_texts"),
            pk=pk,
        )
        try:
            chooser.require_visible(actor, asset)
        except NotPermitted:
            raise Http404 from None
        suggestion = alt_texts.suggested_text(asset)
        known = alt_texts.texts_of(asset)
        context: dict[str, Any] = {
            "title": _("Alternative text"),
            "asset": asset,
            "carried": carried_query(request),
            "field": request.GET.get("field", ""),
            "preview": delivery.preview_url(asset, width=960),
            "alt": asset.alt_text or suggestion.text,
            "alt_source": "" if asset.alt_text else suggestion.source,
            "max_chars": MAX_ALT_CHARS,
            "is_decorative": asset.is_decorative,
            "own_language": alt_texts.own_language_name(),
            "languages": [
                {
                    "code": code,
                    "name": name,
                    "text": known.get(code) or alt_texts.suggested_text(asset, code).text,
                    "is_suggested": code not in known
                    and bool(alt_texts.suggested_text(asset, code).text),
                }
                for code, name in alt_texts.further_languages()
            ],
            "has_other_words": bool(asset.alt_texts.all()),
            "suggestions": text_suggestions.shown_for_one(actor, asset),
            "places": offered_places(self.site, request, actor, [asset]).get(asset.pk),
            "are_places_checked": False,
            "waits": asset.review_state == ReviewState.PENDING
            and bool(review.refusal_reason(actor, asset, ReviewState.APPROVED)),
        }
        context["no_reviewer"] = reviewers.no_second_reviewer(actor) if context["waits"] else ""
        if "suggest_texts" in request.POST:
            languages = alt_texts.language_codes()
            refused = text_suggestions.ask(request, actor, keys=[asset.pk], languages=languages)
            if refused is None:
                return HttpResponseRedirect(request.get_full_path())
            context["refusal"] = refused
        elif request.method == "POST":
            context |= self._chosen(request, actor, asset, context)
        return self.page(request, "imagegen_app/admin/studio/choose.html", context)

    def _chosen(
        self, request: HttpRequest, actor: Person, asset: Asset, shown: dict[str, Any]
    ) -> dict[str, Any]:
        """Choose the image with the words that were sent; return what the page then says."""
        is_decorative = "decorative" in request.POST
        alt = str(request.POST.get("alt", "")).strip()
        others = _languages_from(request)
        typed = {
            "alt": alt,
            "alt_source": "",
            "is_decorative": is_decorative,
            "are_places_checked": f"places-{asset.pk}" in request.POST,
            "languages": [
                {**one, "text": others.get(one["code"], one["text"])} for one in shown["languages"]
            ],
        }
        if not alt and not is_decorative:
            return typed | {"problem": _("Describe the image, or mark it as decorative.")}
        offered = shown["places"]
        is_wanted = offered is not None and f"places-{asset.pk}" in request.POST
        try:
            token = chooser.choose(
                actor=actor,
                asset=asset,
                alt_text=alt,
                is_decorative=is_decorative,
                others=others,
                placements=offered.keys if is_wanted else (),
            )
        except ActionRefused as refusal:
            return typed | {"refusal": refusal}
        return {"token": token, "alt": asset.alt_text, "is_taken": True}


class AltTextPages(Pages):
    """The page on which many images are described."""

    base_template = "imagegen_app/admin/alt_texts/page.html"
    sidebar_url_name = "imagegen_asset_changelist"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [Route("assets/alt-texts/", self.edit, "imagegen_alt_texts")]

    def edit(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show images with a field for the words of each; on POST save all."""
        if not alt_texts.may_describe_any(actor):
            raise Http404
        language = _language(request)
        if request.method == "POST":
            if "suggest_texts" in request.POST:
                refused = self._suggest(request, actor, language)
            else:
                refused = self._save(request, actor, language)
            if refused is None:
                return HttpResponseRedirect(request.get_full_path())
            return self._list(request, actor, language, refusal=refused)
        return self._list(request, actor, language)

    def _save(self, request: HttpRequest, actor: Person, language: str) -> ActionRefused | None:
        keys = [key for key in map(_uuid, request.POST.getlist("asset")) if key is not None]
        found = Asset.objects.select_related("job").filter(pk__in=keys[:ROWS])
        # What was not touched stays, also where somebody else has described it meanwhile.
        touched = [one for one in found if _is_touched(request, one)]
        wanted = [one for one in touched if f"places-{one.pk}" in request.POST]
        places = offered_places(self.site, request, actor, wanted)
        entries = [
            _entry(request, one, language)._replace(
                placements=places[one.pk].keys if one.pk in places else ()
            )
            for one in touched
        ]
        try:
            saved = alt_texts.set_each(actor=actor, entries=entries)
        except ActionRefused as refusal:
            return refusal
        text = ngettext("%(count)s text was saved.", "%(count)s texts were saved.", saved.images)
        text %= {"count": saved.images}
        if saved.places:
            also = ngettext(
                "It was changed in %(count)s place, too.",
                "They were changed in %(count)s places, too.",
                saved.places,
            )
            text = f"{text} {also % {'count': saved.places}}"
        messages.success(request, text)
        return None

    def _suggest(self, request: HttpRequest, actor: Person, language: str) -> ActionRefused | None:
        code = language or alt_texts.own_language()
        rows = alt_text_suggestions.without_words(_images(request, actor, language), language=code)
        keys = rows.order_by("-pk").values_list("pk", flat=True)
        return text_suggestions.ask(
            request,
            actor,
            keys=list(keys[: alt_text_suggestions.MAX_IMAGES]),
            languages=[code],
        )

    def _list(
        self,
        request: HttpRequest,
        actor: Person,
        language: str,
        *,
        refusal: ActionRefused | None = None,
    ) -> HttpResponse:
        show_all = request.GET.get("show") == "all"
        images = rows = _images(request, actor, language)
        after = _uuid(str(request.GET.get("after", "")))
        # Keys are made in the order of time.
        rows = (rows if after is None else rows.filter(pk__lt=after)).order_by("-pk")
        found = list(
            rows.select_related(
                "job__template_version", "job__root__template_version"
            ).prefetch_related("renditions", "alt_texts")[: ROWS + 1]
        )
        places = offered_places(self.site, request, actor, found[:ROWS])
        query = {k: str(request.GET[k]) for k in ("show", "language") if request.GET.get(k)}
        context = {
            "title": _("Alternative texts"),
            "refusal": refusal,
            "rows": [
                {
                    **_row(request, asset, language),
                    "places": places.get(asset.pk),
                    "are_places_checked": f"places-{asset.pk}" in request.POST,
                }
                for asset in found[:ROWS]
            ],
            "older": "?" + urlencode({**query, "after": str(found[ROWS - 1].pk)})
            if len(found) > ROWS
            else "",
            "is_later": after is not None,
            "is_chosen": "asset" in request.GET,
            "suggestions": text_suggestions.shown(
                actor, images, language=language or alt_texts.own_language()
            ),
            "show_all": show_all,
            "language": language,
            "languages": [
                {"code": "", "name": alt_texts.own_language_name()},
                *({"code": c, "name": n} for c, n in alt_texts.further_languages()),
            ],
            "max_chars": MAX_ALT_CHARS,
        }
        status = 200 if refusal is None else 422
        return self.page(request, "imagegen_app/admin/alt_texts/page.html", context, status=status)


def _images(request: HttpRequest, actor: Person, language: str) -> QuerySet[Asset]:
    """Return the images that the page is about, of all its parts."""
    chosen = [key for key in map(_uuid, request.GET.getlist("asset")) if key is not None]
    if chosen:
        rows = alt_texts.described().filter(pk__in=chosen[:ROWS])
    elif request.GET.get("show") == "all":
        rows = alt_texts.described()
    else:
        rows = alt_texts.needs_words(language)
    if access.has_permission(actor, "change_asset"):
        return rows
    return rows.filter(job__requester=actor.user)


def _row(request: HttpRequest, asset: Asset, language: str) -> dict[str, Any]:
    text = alt_texts.texts_of(asset).get(language, "") if language else asset.alt_text
    suggestion = None if text else alt_texts.suggested_text(asset, language)
    typed = request.POST.get(f"text-{asset.pk}") if request.method == "POST" else None
    return {
        "asset": asset,
        "picture": delivery.preview_url(asset, width=320),
        "text": text if typed is None else typed,
        "before": text,
        "own_text": asset.alt_text if language else "",
        "suggestion": suggestion.text if suggestion else "",
        "url": admin_url("imagegen_asset_change", asset.pk),
    }


def _entry(request: HttpRequest, asset: Asset, language: str) -> alt_texts.NewAltText:
    """Return what was sent for one image; a suggestion that was taken fills an empty field."""
    text = str(request.POST.get(f"text-{asset.pk}", ""))
    if not text.strip() and f"take-{asset.pk}" in request.POST:
        text = alt_texts.suggested_text(asset, language).text
    if language:
        return alt_texts.NewAltText(asset, asset.alt_text, asset.is_decorative, {language: text})
    return alt_texts.NewAltText(asset, text, f"decorative-{asset.pk}" in request.POST, {})


def _is_touched(request: HttpRequest, asset: Asset) -> bool:
    key = str(asset.pk)
    before = str(request.POST.get(f"was-{key}", ""))
    now = str(request.POST.get(f"text-{key}", "")).replace("\r\n", "\n")
    was_decorative = request.POST.get(f"was-decorative-{key}") == "1"
    return (
        now != before
        or (f"decorative-{key}" in request.POST) != was_decorative
        or f"take-{key}" in request.POST
    )


def _language(request: HttpRequest) -> str:
    """Return the further language that is edited; empty for the site's own."""
    wanted = str(request.GET.get("language", ""))
    return wanted if wanted in {code for code, _name in alt_texts.further_languages()} else ""


def _languages_from(request: HttpRequest) -> dict[str, str]:
    return {
        code: str(request.POST[f"alt-{code}"])
        for code, _name in alt_texts.further_languages()
        if f"alt-{code}" in request.POST
    }


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
