"""Generate images for many selected objects: map variables, preview, see the price, start."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.batch_form import BatchForm
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.batches import earlier_results, lifecycle, planning, selections
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import access, setup_progress
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Batch, TemplateVersion
    from imagegen_app.services.batches.selections import Selection

#: Rows rendered for the preview; the price of larger batches is estimated from these.
PLANNED_ROWS = 200
#: Rows of the preview table; those with errors come first.
PREVIEW_ROWS = 12


class NewBatchPages(Pages):
    """The pages that plan and start batches."""

    base_template = "imagegen_app/admin/batch/base.html"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [Route("batches/new/", self.new, "imagegen_batch_new", permission="request_job")]

    def new(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Map variables, preview and start a batch for the selected objects."""
        name = f"imagegen-selection-{request.GET.get('target', '')}"
        key = str(request.POST.get("key", ""))
        started = lifecycle.batch_with_key(actor, key) if "start" in request.POST else None
        if started is not None:
            # Start was pressed twice; the selection is gone since the first time.
            return HttpResponseRedirect(admin_url("imagegen_batch_run", started.pk))
        try:
            selection = selections.loads(actor=actor, token=str(request.session.get(name, "")))
        except ActionRefused as refusal:
            return self.refused(request, refusal, status=400)
        version = _version(request, selection)
        sent = request.POST if request.method == "POST" else None
        same_template = sent is not None and sent.get("shown_template") == (
            version.template.slug if version else ""
        )
        form = BatchForm(
            sent if same_template else None, actor=actor, selection=selection, version=version
        )
        plan = None
        refusal_shown: ActionRefused | None = None
        if version is not None and (not form.is_bound or form.is_valid()):
            plan = _plan(actor, form, selection, version)
            if sent is not None and "start" in sent and same_template:
                try:
                    plan.require_shown(str(sent.get("shown_plan", "")))
                    batch = self._start(
                        request,
                        actor=actor,
                        selection=selection,
                        form=form,
                        version=version,
                    )
                except ActionRefused as refusal:
                    refusal_shown = refusal
                else:
                    request.session.pop(name, None)
                    return HttpResponseRedirect(admin_url("imagegen_batch_run", batch.pk))
        rows = [] if plan is None else sorted(plan.rows, key=lambda r: not r.error)[:PREVIEW_ROWS]
        context = {
            "title": _("Generate images"),
            "subtitle": _subtitle(selection),
            "form": form,
            "version": version,
            "plan": plan,
            "rows": rows,
            "invalid_rows": 0 if plan is None else len(plan.rows) - len(plan.valid_rows),
            "cached": 0 if plan is None else sum(r.is_cached for r in plan.valid_rows),
            "more": 0 if plan is None else len(selection.keys) - len(rows),
            "rows_in_all": len(selection.keys),
            "wanted": 0
            if plan is None
            else len(selection.keys) - len(plan.rows) + len(plan.valid_rows),
            "unseen": 0 if plan is None else len(selection.keys) - len(plan.rows),
            "cost": None if plan is None else plan.cost_of_all(len(selection.keys)),
            "hindrance": None if plan is None else plan.refusal(len(selection.keys)),
            "missing": setup_progress.missing_step(actor),
            "whom_to_ask": access.contact_sentence(),
            "may_set_up": access.has_permission(actor, setup_progress.PERMISSION),
            "key": request.POST.get("key") or uuid.uuid4().hex,
            "refusal": refusal_shown,
            "selection": selection,
            "earlier": earlier_results.earlier_results(actor=actor, selection=selection),
        }
        return self.page(request, "imagegen_app/admin/batch/new.html", context)

    def _start(
        self,
        request: HttpRequest,
        *,
        actor: Person,
        selection: Selection,
        form: BatchForm,
        version: TemplateVersion,
    ) -> Batch:
        mapping, fixed = form.mapping()
        return lifecycle.start(
            actor=actor,
            version=version,
            title=f"{version.template.name}: {_subtitle(selection)}",
            keys=selection.keys,
            target=selection.target,
            mapping=mapping,
            fixed=fixed,
            image_model=form.cleaned_data.get("image_model"),
            limits=form.limits(),
            key=str(request.POST.get("key", ""))[:64] or uuid.uuid4().hex,
        )


def _version(request: HttpRequest, selection: Selection) -> TemplateVersion | None:
    slug = request.POST.get("template") or request.GET.get("template") or selection.target.template
    return content_fields.published_version(str(slug))


def _plan(
    actor: Person, form: BatchForm, selection: Selection, version: TemplateVersion
) -> planning.BatchPlan:
    mapping, fixed = form.mapping()
    model = form.cleaned_data.get("image_model") if form.is_bound else None
    return planning.plan(
        actor=actor,
        version=version,
        objects=selection.objects()[:PLANNED_ROWS],
        mapping=mapping,
        fixed=fixed,
        image_model=model,
    )


def _subtitle(selection: Selection) -> str:
    meta = selection.target.model._meta  # noqa: SLF001 - Django's documented API
    number = len(selection.keys)
    name = meta.verbose_name if number == 1 else meta.verbose_name_plural
    return f"{number} {name}"
