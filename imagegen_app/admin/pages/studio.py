"""The studio: an editor makes an image, watches it come, and takes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.sites import AdminSite, site
from django.http import Http404, HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin

from imagegen_app.admin.pages.recipe import RecipeForm
from imagegen_app.core.states import JobState, ReviewState
from imagegen_app.models import Asset, Job
from imagegen_app.models.amounts import shown
from imagegen_app.services import (
    access,
    chooser,
    control,
    delivery,
    progress,
    pulse,
    requests,
    review,
    targets,
    wishes,
)
from imagegen_app.services.access import NotPermitted, Refused

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

RECENT = 24
#: Kept from page to page: how the studio was opened, and for which field.
_CARRIED = ("embed", "field", "target", "object")


class StudioPages:
    """The studio's pages, hung into an admin site."""

    def __init__(self, admin_site: AdminSite = site) -> None:
        self.site = admin_site

    def urls(self) -> list[URLPattern]:
        """Return the pages' addresses."""
        wrap = self.site.admin_view
        return [
            path("studio/", wrap(self.recipe), name="imagegen_studio"),
            path("studio/quote/", wrap(self.quote), name="imagegen_studio_quote"),
            path("studio/<uuid:pk>/", wrap(self.job), name="imagegen_studio_job"),
            path("studio/<uuid:pk>/status/", wrap(self.status), name="imagegen_studio_status"),
            path("studio/<uuid:pk>/cancel/", wrap(self.cancel), name="imagegen_studio_cancel"),
            path("studio/choose/<uuid:pk>/", wrap(self.choose), name="imagegen_studio_choose"),
        ]

    @method_decorator(never_cache)
    @method_decorator(xframe_options_sameorigin)
    def recipe(self, request: HttpRequest) -> HttpResponse:
        """Choose a template, fill its variables, see the price, generate."""
        actor = access.person(request.user)
        try:
            access.demand(actor, "request_job")
        except NotPermitted as refusal:
            return self._refused(request, refusal)
        form = self._form(request, actor)
        wanted = request.method == "POST" and "generate" in request.POST
        refusal_shown = _moved_on(request, form) if wanted else None
        if wanted and refusal_shown is None and form.is_for_this_template and form.is_valid():
            try:
                job = requests.request_images(actor=actor, wish=form.wish(actor))
            except Refused as refusal:
                refusal_shown = refusal
            else:
                address = reverse("admin:imagegen_studio_job", args=[job.pk])
                return HttpResponseRedirect(f"{address}?{_carried(request)}")
        context = {
            "title": _("Studio"),
            "form": form,
            "refusal": refusal_shown,
            "is_kept": request.method == "POST",
            "start": _start(form),
            **self._quote(actor, form),
            "recent": self._recent(actor),
        }
        status = 200 if refusal_shown is None else 422
        return self._show(request, "imagegen_app/admin/studio/recipe.html", context, status=status)

    @method_decorator(never_cache)
    @method_decorator(xframe_options_sameorigin)
    def quote(self, request: HttpRequest) -> HttpResponse:
        """Answer with the price and the preview for what the form holds now."""
        actor = access.person(request.user)
        if request.method != "POST" or not access.may(actor, "request_job"):
            raise Http404
        form = self._form(request, actor)
        context = {"form": form, **self._quote(actor, form)}
        return TemplateResponse(request, "imagegen_app/admin/studio/_promise.html", context)

    @method_decorator(never_cache)
    @method_decorator(xframe_options_sameorigin)
    def job(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Watch a request, and take one of its images."""
        actor = access.person(request.user)
        job = _own_job(actor, pk)
        context = {"title": _("Studio"), **self._status(request, actor, job)}
        return self._show(request, "imagegen_app/admin/studio/job.html", context)

    @method_decorator(never_cache)
    @method_decorator(xframe_options_sameorigin)
    def status(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Answer a poll with the part of the page that changes, or 304."""
        actor = access.person(request.user)
        job = _own_job(actor, pk)
        pulse.ring_if_stale()
        context = self._status(request, actor, job)
        etag = f'"{context["progress"].etag}"'
        if request.headers.get("If-None-Match") == etag:
            return HttpResponseNotModified(headers={"ETag": etag})
        response = TemplateResponse(request, "imagegen_app/admin/studio/_status.html", context)
        response.headers["ETag"] = etag
        return response

    @method_decorator(never_cache)
    @method_decorator(xframe_options_sameorigin)
    def cancel(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Ask for a request's end."""
        actor = access.person(request.user)
        job = _own_job(actor, pk)
        if request.method == "POST":
            try:
                ended = control.cancel(actor=actor, job=job)
            except Refused as refusal:
                messages.error(request, str(refusal))
            else:
                text = (
                    _("Cancelled at no cost.")
                    if ended
                    else _("Cancelling. The provider may still bill it.")
                )
                messages.info(request, text)
        address = reverse("admin:imagegen_studio_job", args=[pk])
        return HttpResponseRedirect(f"{address}?{_carried(request)}")

    @method_decorator(never_cache)
    @method_decorator(xframe_options_sameorigin)
    def choose(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Write or accept the alternative text of one image, and take it."""
        actor = access.person(request.user)
        asset = get_object_or_404(
            Asset.objects.select_related("job__template_version__template").prefetch_related(
                "renditions"
            ),
            pk=pk,
        )
        try:
            chooser.demand_visible(actor, asset)
        except NotPermitted:
            raise Http404 from None
        context: dict[str, Any] = {
            "title": _("Use this image"),
            "asset": asset,
            "address": delivery.preview_address(asset, width=960),
            "alt": asset.alt_text or _suggestion(asset),
            "waits": bool(review.why_not(actor, asset, ReviewState.APPROVED))
            and asset.review == ReviewState.PENDING,
        }
        if request.method == "POST":
            decorative = "decorative" in request.POST
            alt = str(request.POST.get("alt", "")).strip()
            if not alt and not decorative:
                context["problem"] = _("Describe the image, or mark it as decorative.")
            else:
                try:
                    token = chooser.choose(
                        actor=actor, asset=asset, alt_text=alt, is_decorative=decorative
                    )
                except Refused as refusal:
                    context["refusal"] = refusal
                else:
                    context |= {"token": token, "alt": asset.alt_text, "is_taken": True}
        return self._show(request, "imagegen_app/admin/studio/choose.html", context)

    def _form(self, request: HttpRequest, actor: Person) -> RecipeForm:
        source = request.POST if request.method == "POST" else request.GET
        target = targets.by_path(str(request.GET.get("target", "")))
        slug = source.get("template")
        if slug is None:
            slug = target.template if target else ""
        version = targets.published_version(str(slug)) if slug else None
        initial: dict[str, str] = {}
        if target is not None and request.GET.get("object"):
            initial = _object_values(request, target)
        initial |= {
            k.removeprefix("v_"): str(v) for k, v in request.GET.items() if k.startswith("v_")
        }
        # What was typed for one template is offered to the next one that has the same variable.
        initial |= {
            k.removeprefix("v_"): str(v) for k, v in request.POST.items() if k.startswith("v_")
        }
        return RecipeForm(
            request.POST if request.method == "POST" else None,
            actor=actor,
            version=version,
            values=initial,
            files=request.FILES if request.method == "POST" else None,
            asset=str(request.GET.get("from", "")),
        )

    def _quote(self, actor: Person, form: RecipeForm) -> dict[str, Any]:
        """Price what the form holds, or say in a sentence why it cannot be made yet."""
        try:
            wish = form.draft_wish(actor)
            found = requests.quote(actor=actor, wish=wish)
            decision = access.decide(
                actor,
                image_model=wish.image_model,
                operation=wish.request.operation,
                size=wish.request.size,
                count=wish.request.count,
            )
        except Refused as refusal:
            return {"hindrance": refusal.why, "remedy": refusal.remedy}
        left = found.allowance.left if found.allowance else None
        if not decision.allowed:
            return {"hindrance": decision.why, "remedy": access.whom_to_ask(), "wish": wish}
        if left is not None and left < found.cost.amount and not found.is_cached:
            return {
                "hindrance": _("It would cost %(cost)s, and %(left)s are left.")
                % {"cost": shown(found.cost.amount), "left": shown(left)},
                "remedy": access.whom_to_ask(),
                "wish": wish,
            }
        return {
            "wish": wish,
            "spans": _spans(wish),
            "quote": found,
            "left": left,
            "seconds": progress.typical_seconds(wish.image_model.pk),
        }

    def _status(self, request: HttpRequest, actor: Person, job: Job) -> dict[str, Any]:
        found = progress.of(job)
        assets = list(job.results().prefetch_related("renditions")) if found.is_final else []
        return {
            "job": job,
            "progress": found,
            "numbers": range(job.count),
            "carried": _carried(request),
            "again": _again(request, job),
            "tiles": [
                {"asset": a, "address": delivery.preview_address(a, width=640)} for a in assets
            ],
            "missing": job.count - len(assets) if job.state == JobState.SUCCEEDED else 0,
        }

    def _recent(self, actor: Person) -> list[dict[str, Any]]:
        assets = (
            Asset.objects.filter(
                job__requester=actor.account,
                is_step=False,
                review__in=[ReviewState.PENDING.value, ReviewState.APPROVED.value],
            )
            .prefetch_related("renditions")
            .order_by("-created_at")[:RECENT]
        )
        return [{"asset": a, "address": delivery.preview_address(a, width=320)} for a in assets]

    def _show(
        self, request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
    ) -> HttpResponse:
        embedded = request.GET.get("embed") == "1"
        merged = {
            **self.site.each_context(request),
            "is_nav_sidebar_enabled": False,
            "embedded": embedded,
            "frame": "imagegen_app/admin/studio/embed.html" if embedded else "admin/base_site.html",
            "carried": _carried(request),
            "field": request.GET.get("field", ""),
            **context,
        }
        return TemplateResponse(request, template, merged, status=status)

    def _refused(self, request: HttpRequest, refusal: Refused) -> HttpResponse:
        context = {"title": refusal.what, "refusal": refusal}
        return self._show(request, "imagegen_app/admin/studio/refused.html", context, status=403)


def _moved_on(request: HttpRequest, form: RecipeForm) -> Refused | None:
    """Say so if the template was withdrawn or changed since the page was opened."""
    shown = str(request.POST.get("shown_template", ""))
    if shown and form.version is None:
        return Refused(
            _("Nothing was requested."),
            why=_("The template “%(name)s” was withdrawn meanwhile.") % {"name": shown[:60]},
            remedy=_("Choose another template, or write a free prompt."),
        )
    number = str(request.POST.get("shown_version", ""))
    if form.version is not None and number and number != str(form.version.number):
        return Refused(
            _("Nothing was requested yet."),
            why=_("The template was changed meanwhile; this is its new version."),
            remedy=_("Check the final prompt, then press Generate again."),
        )
    return None


def _start(form: RecipeForm) -> dict[str, Any] | None:
    """Return the image that the request starts from, for the page."""
    asset = form.started_from
    if asset is None:
        return None
    return {"asset": asset, "address": delivery.preview_address(asset, width=320)}


def _own_job(actor: Person, pk: uuid.UUID) -> Job:
    """Return a job of the actor's, or one that they may view; others are not there for them."""
    job = get_object_or_404(
        Job.objects.select_related("image_model", "template_version__template", "cached_from"),
        pk=pk,
    )
    if job.requester_id != actor.account.pk and not access.may(actor, "view_job"):
        raise Http404
    return job


def _carried(request: HttpRequest) -> str:
    return urlencode({k: request.GET[k] for k in _CARRIED if request.GET.get(k)})


def _again(request: HttpRequest, job: Job) -> str:
    """Return the address of the recipe that this request came from, filled in again."""
    values: dict[str, str] = {}
    if job.template_version is not None:
        values["template"] = job.template_version.template.slug
        values |= {f"v_{name}": str(value) for name, value in job.variables.items()}
    carried = _carried(request)
    query = urlencode(values)
    return f"{reverse('admin:imagegen_studio')}?{'&'.join(p for p in (carried, query) if p)}"


def _object_values(request: HttpRequest, target: targets.Target) -> dict[str, str]:
    meta = target.model._meta  # noqa: SLF001 - Django's documented API
    may_see = any(
        request.user.has_perm(f"{meta.app_label}.{verb}_{meta.model_name}")
        for verb in ("view", "change")
    )
    instance = (
        target.model._default_manager.filter(pk=request.GET["object"]).first()  # noqa: SLF001 - as above
        if may_see and request.GET["object"].isalnum()
        else None
    )
    return {} if instance is None else targets.values_for(target, instance)


def _spans(wish: wishes.Wish) -> list[tuple[str, str]]:
    """Cut the rendered prompt into (text, variable) so that a page can mark the variables."""
    if wish.rendered is None:
        return [(wish.request.prompt, "")]
    parts, at = [], 0
    for start, end, name in wish.rendered.spans:
        parts += [(wish.rendered.text[at:start], ""), (wish.rendered.text[start:end], name)]
        at = end
    return [*parts, (wish.rendered.text[at:], "")]


def _suggestion(asset: Asset) -> str:
    """Suggest an alternative text: the captioner's, or what the image was asked for."""
    if asset.alt_suggestion:
        return asset.alt_suggestion
    values = [str(v) for v in asset.job.variables.values() if v]
    return ", ".join(values[:3])
