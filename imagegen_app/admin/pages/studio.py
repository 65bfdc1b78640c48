"""The studio: an editor requests images, watches the progress, and selects one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from imagegen_app.admin.pages import model_list, prompt_help
from imagegen_app.admin.pages.asked_values import asked_values
from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.admin.pages.carried import carried_query, studio_url
from imagegen_app.admin.pages.content_source import content_source
from imagegen_app.admin.pages.form_sections import FormSections
from imagegen_app.admin.pages.stage import sessions_context, stage_context
from imagegen_app.admin.pages.studio_form import StudioForm
from imagegen_app.admin.pages.studio_offer import offer_context
from imagegen_app.admin.pages.studio_starts import (
    earlier_recipe,
    object_values,
    shown_start,
)
from imagegen_app.admin.pages.studio_version import chosen_version, is_tried_out
from imagegen_app.core import alternatives
from imagegen_app.core.states import JobState
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset, Job
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import (
    from_job,
    job_actions,
    pass_planning,
    request_sets,
)
from imagegen_app.services.jobs import job_previews, pass_chain
from imagegen_app.services.library import delivery, session_turns
from imagegen_app.services.monitoring import progress, uncertain_jobs
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

_PREVIEW_HEADERS = {
    "Cache-Control": "no-store, private",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class StudioPages(Pages):
    """The pages of the studio."""

    base_template = "imagegen_app/admin/studio/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        needed = "request_job"
        return [
            Route("studio/", self.recipe, "imagegen_studio", needed),
            Route("studio/quote/", self.quote, "imagegen_studio_quote", needed, is_hidden=True),
            Route(
                "studio/options/", self.options, "imagegen_studio_options", needed, is_hidden=True
            ),
            Route("studio/prompt/", self.prompt, "imagegen_studio_prompt", needed, is_hidden=True),
            Route("studio/<uuid:pk>/", self.job, "imagegen_studio_job"),
            Route("studio/<uuid:pk>/status/", self.status, "imagegen_studio_status"),
            Route("studio/<uuid:pk>/preview/", self.preview, "imagegen_studio_preview"),
            Route("studio/<uuid:pk>/cancel/", self.cancel, "imagegen_studio_cancel"),
        ]

    def shared_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().shared_context(request),
            "carried": carried_query(request),
            "field": request.GET.get("field", ""),
        }

    def recipe(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Choose a template, fill its variables, see the price, generate."""
        wanted = request.method == "POST" and "generate" in request.POST
        kept = sessions_context(request, actor)
        form = self._form(request, actor, is_kept=not wanted)
        refusal_shown = _template_changed(request, form) if wanted else None
        if wanted and refusal_shown is None and form.is_for_this_template and form.is_valid():
            try:
                asked = form.request_set(actor)
                requests = [replace(one, session=kept["session"]) for one in asked.requests]
                asked = replace(asked, requests=tuple(requests))
                job = request_sets.request_set(actor=actor, planned=asked)[0]
            except ActionRefused as refusal:
                refusal_shown = refusal
                form.show_refusal(refusal)
            else:
                # The form stays as it was sent, for the next request; the stage shows this one.
                tried = is_tried_out(form.version)
                lock = "lock" if form.cleaned_data.get("seed_lock") else "new"
                address = studio_url(
                    request,
                    session=str(kept["session"]),
                    version=str(form.version.number) if form.version and tried else "",
                    again=str(job.pk),
                    seed=lock,
                    sent="1" if asked.is_single else "set",
                )
                return HttpResponseRedirect(f"{address}#stage")
        context = {
            "title": _("Studio"),
            "form": form,
            "sections": FormSections(form),
            "refusal": refusal_shown,
            "is_kept": request.method == "POST",
            "is_fragment": False,
            "start": shown_start(form),
            "is_tried_out": is_tried_out(form.version),
            **model_list.refused_context(request, actor, form),
            **offer_context(actor, form),
            **stage_context(request, actor, kept["session"]),
            **kept,
            "prompt_help": prompt_help.prompt_help(request, actor, form),
        }
        status = 200 if refusal_shown is None else 422
        return self.page(request, "imagegen_app/admin/studio/form.html", context, status=status)

    def quote(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Return the price and the prompt preview for the form's current values."""
        if request.method != "POST":
            raise Http404
        form = self._form(request, actor)
        context = {
            "form": form,
            "is_fragment": True,
            **model_list.refused_context(request, actor, form),
            **offer_context(actor, form),
        }
        return TemplateResponse(request, "imagegen_app/admin/studio/_quote.html", context)

    def options(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Return what the chosen model offers, with the values so far, and the price."""
        if request.method != "POST":
            raise Http404
        form = self._form(request, actor, is_kept=True)
        context = {
            "form": form,
            "sections": FormSections(form),
            "start": shown_start(form),
            "carried": carried_query(request),
            "is_fragment": True,
            "refused_models": None,
            **offer_context(actor, form),
        }
        return TemplateResponse(
            request, "imagegen_app/admin/studio/_options_and_quote.html", context
        )

    def prompt(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Return the prompt that is suggested for the form's current values, or why there is none."""
        if request.method != "POST":
            raise Http404
        form = self._form(request, actor, is_kept=True)
        context = {"form": form, "prompt_help": prompt_help.prompt_help(request, actor, form)}
        return TemplateResponse(request, "imagegen_app/admin/studio/_prompt_help.html", context)

    def job(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Show a job's progress, and its images to select from."""
        job = _own_job(actor, pk)
        heading = session_turns.title_of(actor, job)
        context = {"title": _("Studio"), "heading": heading, **self._status(request, actor, job)}
        return self.page(request, "imagegen_app/admin/studio/job.html", context)

    def status(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Answer a poll with the part of the page that changes, or 304."""
        job = _own_job(actor, pk)
        wakeups.wake_if_stale()
        context = self._status(request, actor, job)
        etag = context["progress"].etag
        return self.fragment(request, "imagegen_app/admin/studio/_status.html", context, etag=etag)

    def preview(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Send the unfinished image of a job's call; nothing may keep it."""
        image = job_previews.preview_of(actor, _own_job(actor, pk))
        if image is None:
            raise Http404
        return HttpResponse(image, content_type=job_previews.MEDIA_TYPE, headers=_PREVIEW_HEADERS)

    def cancel(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Cancel a job on POST, then return to its page."""
        job = _own_job(actor, pk)
        if request.method == "POST":
            try:
                ended = job_actions.cancel(actor=actor, job=job)
            except ActionRefused as refusal:
                show_refusal(request, refusal)
            else:
                text = (
                    _("Cancelled at no cost.")
                    if ended
                    else _("Cancelling. The provider may still bill it.")
                )
                messages.info(request, text)
        if request.POST.get("to") == "stage":
            return HttpResponseRedirect(f"{studio_url(request)}#stage")
        address = admin_url("imagegen_studio_job", pk)
        return HttpResponseRedirect(f"{address}?{carried_query(request)}")

    def _form(self, request: HttpRequest, actor: Person, *, is_kept: bool = False) -> StudioForm:
        source = request.POST if request.method == "POST" else request.GET
        content, lost = content_source(self.site, request, actor)
        target = content_fields.target_by_path(str(request.GET.get("target", "")))
        recipe = earlier_recipe(request, actor)
        slug = source.get("template")
        if slug is None and (recipe is not None or content is not None):
            slug = recipe.version.template.slug if recipe is not None and recipe.version else ""
        if slug is None:
            slug = target.template if target else ""
        version, told = chosen_version(request, actor, str(slug))
        initial = object_values(request)
        if recipe is not None:
            earlier = {**recipe.variables, "prompt": recipe.prompt}
            initial |= {name: alternatives.escape(text) for name, text in earlier.items()}
        initial |= {
            k.removeprefix("v_"): str(v) for k, v in request.GET.items() if k.startswith("v_")
        }
        # What was typed for one template is offered to the next one that has the same variable.
        initial |= {
            k.removeprefix("v_"): str(v) for k, v in request.POST.items() if k.startswith("v_")
        }
        return StudioForm(
            prompt_help.sent_values(request) if request.method == "POST" else None,
            actor=actor,
            version=version,
            values=initial,
            files=request.FILES if request.method == "POST" else None,
            asset=str(request.GET.get("from", "")),
            taken=str(request.GET.get("take", "")),
            recipe=recipe,
            asked=asked_values(request),
            is_kept=is_kept and request.method == "POST",
            content=content,
            told=[*([lost] if lost else ()), *told],
        )

    def _status(self, request: HttpRequest, actor: Person, job: Job) -> dict[str, Any]:
        job_progress = progress.job_progress(job)
        assets = (
            list(Asset.objects.results_of(job).prefetch_related("renditions"))
            if job_progress.is_final
            else []
        )
        passes = from_job.requested_passes(job)
        numbers = pass_chain.pass_numbers(job) if assets and passes else {}
        return {
            "job": job,
            "progress": job_progress,
            "uncertain": uncertain_jobs.describe_uncertain_job(actor, job_progress.current),
            "numbers": range(job.count),
            "preview": _preview_url(job_progress) if job.count == 1 else "",
            "carried": carried_query(request),
            "again": _again(request, job),
            "passes": pass_planning.pass_labels(passes),
            "steps": 1 + len(passes),
            "tiles": [
                {
                    "asset": a,
                    "url": delivery.preview_url(a, width=640),
                    "step": numbers.get(a.job_id, 1),
                }
                for a in assets
            ],
            "missing": _missing_count(job, job_progress, assets),
        }


def _missing_count(job: Job, shown: progress.Progress, assets: Sequence[Asset]) -> int:
    """Return how many of the requested images there are not, once all passes have ended."""
    is_over = shown.is_final and job.state == JobState.SUCCEEDED
    return job.count - len(assets) if is_over else 0


def _template_changed(request: HttpRequest, form: StudioForm) -> ActionRefused | None:
    """Return a refusal if the template was withdrawn or changed since the page was opened."""
    shown = str(request.POST.get("shown_template", ""))
    if shown and form.version is None:
        return ActionRefused(
            _("Nothing was requested."),
            reason=_("The template “%(name)s” was withdrawn meanwhile.") % {"name": shown[:60]},
            remedy=_("Choose another template, or write a free prompt."),
        )
    number = str(request.POST.get("shown_version", ""))
    if form.version is not None and number and number != str(form.version.number):
        return ActionRefused(
            _("Nothing was requested yet."),
            reason=_("The template was changed meanwhile; this is its new version."),
            remedy=_("Check the final prompt, then press Generate again."),
        )
    return None


def _own_job(actor: Person, pk: uuid.UUID) -> Job:
    """Return a job that the actor requested or may view, else raise 404."""
    job = get_object_or_404(
        Job.objects.select_related(
            "image_model", "template_version__template", "cached_from", "live_attempt"
        ),
        pk=pk,
    )
    if job.requester_id != actor.user.pk and not access.has_permission(actor, "view_job"):
        raise Http404
    return job


def _preview_url(job_progress: progress.Progress) -> str:
    """Return the URL of the newest preview, which another one follows; empty for none."""
    if not job_progress.preview_number:
        return ""
    address = admin_url("imagegen_studio_preview", job_progress.current.pk)
    return f"{address}?{urlencode({'n': job_progress.preview_number})}"


def _again(request: HttpRequest, job: Job) -> str:
    """Return the URL of the studio's form, filled in with this job's recipe.

    The job is named and not its values: prompts must not reach the logs of web servers.
    """
    return studio_url(request, again=str(job.pk))
