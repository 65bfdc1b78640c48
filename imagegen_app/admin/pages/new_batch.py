"""Plan a batch and start it: map variables, see every row with its prompt and price, start."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.batch_rows import SelectedRows
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.batches import (
    lifecycle,
    planning,
    row_checks,
    row_images,
    row_sources,
    selections,
    text_columns,
)
from imagegen_app.services.batches.row_checks import RowCheck
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.policy import access, setup_progress, template_access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.http import HttpRequest

    from imagegen_app.admin.pages.batch_form import BatchForm
    from imagegen_app.admin.pages.batch_rows import BatchRows
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Batch, TemplateVersion
    from imagegen_app.services.batches.planning import BatchPlan, PlannedRow
    from imagegen_app.services.batches.row_sources import RowSource

#: Rows of one page of the preview.
PAGE_ROWS = 50


@dataclass(frozen=True, slots=True)
class _View:
    """Which rows of the preview are shown: all from a place on, or those with a problem."""

    problems_only: bool = False
    start: int = 0

    @classmethod
    def from_text(cls, text: str, total: int) -> _View:
        name, _colon, place = text.partition(":")
        start = int(place) if place.isascii() and place.isdigit() and len(place) < 8 else 0  # noqa: PLR2004 - more than any batch has
        return cls(name == "problems", start if start < total else 0)

    def __str__(self) -> str:
        return f"{'problems' if self.problems_only else 'all'}:{self.start}"


class PlanPages(Pages):
    """Pages on which a batch is planned and started, wherever its rows come from."""

    base_template = "imagegen_app/admin/batch/base.html"
    has_sidebar = False

    def plan_page(
        self,
        request: HttpRequest,
        actor: Person,
        rows: BatchRows,
        *,
        on_start: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """Show the form and the preview; start the batch if that was pressed and shown before."""
        sent = request.POST if request.method == "POST" else None
        slug = str(request.POST.get("template") or request.GET.get("template") or rows.template)
        version = template_access.usable_version(actor, slug)
        refusal = _withdrawn(sent is not None and slug, version)
        same_template = sent is not None and sent.get("shown_template") == (
            version.template.slug if version else ""
        )
        form = rows.form(sent if same_template else None, version)
        if sent is not None and not same_template:
            form.keep_choices(sent)
        context: dict[str, Any] = {"plan": None, "earlier": []}
        is_complete = not form.is_bound or form.is_valid()
        if version is not None and is_complete and not form.image_problem:
            preview = _Preview(actor, form, rows, version)
            if sent is not None and "part" in sent and same_template:
                return self._checked_part(request, preview)
            if sent is not None and "start" in sent and same_template:
                try:
                    preview.agreed.require_shown(str(sent.get("shown_plan", "")))
                    batch = self._start(request, actor, preview)
                except ActionRefused as refused:
                    refusal = refused
                else:
                    if on_start is not None:
                        on_start()
                    return HttpResponseRedirect(admin_url("imagegen_batch_run", batch.pk))
            context = preview.context(request)
        context |= {
            "title": _("Generate images"),
            "subtitle": rows.subtitle,
            "kind": rows.kind,
            "form": form,
            "version": version,
            "missing": setup_progress.missing_step(actor),
            "whom_to_ask": access.contact_sentence(),
            "may_set_up": access.has_permission(actor, setup_progress.PERMISSION),
            "key": request.POST.get("key") or uuid.uuid4().hex,
            "refusal": refusal,
            "total": rows.row_count * max(1, len(form.chosen_shots())),
            "is_pause_set": form.is_pause_set,
            "texts_url": _texts_url(actor, rows, version),
            **rows.context(form),
        }
        return self.page(request, "imagegen_app/admin/batch/new.html", context)

    def started(self, request: HttpRequest, actor: Person) -> HttpResponse | None:
        """Return the way to the batch that this form has started before: start was pressed twice."""
        if "start" not in request.POST:
            return None
        batch = lifecycle.batch_with_key(actor, str(request.POST.get("key", "")))
        return (
            None
            if batch is None
            else HttpResponseRedirect(admin_url("imagegen_batch_run", batch.pk))
        )

    def _checked_part(self, request: HttpRequest, preview: _Preview) -> HttpResponse:
        """Answer with the counts alone, after some more rows were checked."""
        return TemplateResponse(
            request,
            "imagegen_app/admin/batch/_row_check.html",
            preview.check_context(request, agreed=str(request.POST.get("shown_plan", ""))[:64]),
        )

    def _start(self, request: HttpRequest, actor: Person, preview: _Preview) -> Batch:
        form, version = preview.form, preview.version
        mapping, fixed = form.mapping()
        return lifecycle.start(
            actor=actor,
            version=version,
            title=f"{version.template.name}: {preview.rows.subtitle}",
            keys=preview.source.keys,
            mapping=mapping,
            fixed=fixed,
            images=form.images(),
            image_model=form.cleaned_data.get("image_model"),
            limits=form.limits(),
            shots=form.chosen_shots() or None,
            key=str(request.POST.get("key", ""))[:64] or uuid.uuid4().hex,
            **preview.rows.start_arguments(form),
        )


class NewBatchPages(PlanPages):
    """The page for the objects that a person selected in a list."""

    def routes(self) -> list[Route]:
        return [Route("batches/new/", self.new, "imagegen_batch_new", permission="request_job")]

    def new(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Map variables, preview and start a batch for the selected objects."""
        name = f"imagegen-selection-{request.GET.get('target', '')}"
        # The selection is gone since the first time.
        started = self.started(request, actor)
        if started is not None:
            return started
        try:
            selection = selections.loads(actor=actor, token=str(request.session.get(name, "")))
        except ActionRefused as refusal:
            return self.refused(request, refusal, status=400)
        return self.plan_page(
            request,
            actor,
            SelectedRows(actor, selection),
            on_start=partial(request.session.pop, name, None),
        )


class _Preview:
    """The rows of a planned batch, with their prompts and prices."""

    def __init__(
        self, actor: Person, form: BatchForm, rows: BatchRows, version: TemplateVersion
    ) -> None:
        self.form, self.rows, self.version = form, rows, version
        self.shots = [one.shot for one in form.chosen_shots()]
        #: How many images of each row are planned together.
        self.each = max(1, len(self.shots))
        self.total = rows.row_count * self.each
        self.source: RowSource = rows.source(form)
        self._actor = actor
        self._model = form.cleaned_data.get("image_model") if form.is_bound else None

    @cached_property
    def first(self) -> BatchPlan:
        """The first rows."""
        return self.part(0, PAGE_ROWS)

    @cached_property
    def agreed(self) -> BatchPlan:
        """The first rows with a hash of all of them, to which a person agrees."""
        digest = ":".join([self.source.digest(), *self.shots])
        return replace(self.first, digest=digest)

    def part(self, start: int, stop: int) -> BatchPlan:
        """Plan the rows from one place to another; with shots, each is as many places long."""
        return planning.plan_rows(
            actor=self._actor,
            version=self.version,
            rows=row_sources.rows_with_shots(self.source, start, stop, shots=self.shots),
            image_model=self._model,
        )

    def context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the template shows of the preview."""
        view = _View.from_text(str(request.POST.get("view", "")), self.total)
        following: int | None
        if view.problems_only:
            found = row_checks.find_problems(
                start=view.start, total=self.total, most=PAGE_ROWS, plan_part=self.part
            )
            shown, following = found.rows, found.following
        else:
            plan = self.part(view.start, view.start + PAGE_ROWS) if view.start else self.first
            shown = plan.rows
            end = view.start + len(shown)
            following = end if end < self.total else None
        names = self.source.names([row.key for row in shown])
        shots = {one.key: one.label for one in self.form.shots}
        return {
            "rows": _with_images(
                self._actor,
                [
                    replace(
                        row,
                        label=f"{names[row.key]}, {row.label}" if row.key in names else row.label,
                        shot=shots.get(row.shot, ""),
                    )
                    for row in shown
                ],
            ),
            "has_images": bool(self.form.images()),
            "view": str(view),
            "problems_only": view.problems_only,
            "first_row": view.start + 1,
            "last_row": view.start + len(shown),
            "following": following,
            "previous": max(0, view.start - PAGE_ROWS) if view.start else None,
            "last_page": (self.total - 1) // PAGE_ROWS * PAGE_ROWS,
            "earlier": self.rows.earlier(self.form, self.source),
            **self.check_context(
                request,
                agreed=self.agreed.fingerprint,
                # One of both takes its time: the search for problems, or the counting.
                seconds=0 if view.problems_only else None,
            ),
        }

    def check_context(
        self, request: HttpRequest, *, agreed: str, seconds: float | None = None
    ) -> dict[str, Any]:
        """Check some more rows; return the counts, the price and what hinders the start.

        `agreed` is the fingerprint of the plan that is shown; `seconds` are for the check.
        """
        sample, total = self.first, self.total
        before = row_checks.from_token(str(request.POST.get("check", "")), agreed)
        check: RowCheck = row_checks.continue_check(
            before, total=total, plan_part=self.part, seconds=seconds
        )
        each = sample.valid_rows[0].cost if sample.valid_rows else check.cost
        cost = check.estimated_cost(total, each=each)
        return {
            "plan": sample,
            "shown_plan": agreed,
            "check": check,
            "check_token": check.as_token(agreed),
            "is_checked": check.is_complete(total),
            "total": total,
            "row_count": self.rows.row_count,
            "shot_count": len(self.shots),
            "wanted": total - check.problems,
            # A pilot is counted in rows, all shots of each.
            "pilot": self.form.pilot if self.form.pilot * self.each < total - check.problems else 0,
            "cost": cost,
            "hindrance": sample.refusal(total, cost=cost),
            "missing": setup_progress.missing_step(self._actor),
            "refusal": None,
        }


def _with_images(actor: Person, rows: Sequence[PlannedRow]) -> list[dict[str, Any]]:
    """Return what the template shows of the rows, with their input images."""
    images = row_images.shown_images(actor, [row.images for row in rows])
    return [
        {
            "label": row.label,
            "shot": row.shot,
            "error": row.error,
            "job_request": row.job_request,
            "cost": row.cost,
            "currency": row.currency,
            "is_cached": row.is_cached,
            "shown_images": shown,
        }
        for row, shown in zip(rows, images, strict=True)
    ]


def _texts_url(actor: Person, rows: BatchRows, version: TemplateVersion | None) -> str:
    """Return where texts for the rows can be asked for; empty where that is not offered."""
    url = rows.texts_url() if text_columns.is_offered(actor) else ""
    if not url or version is None:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'template': version.template.slug})}"


def _withdrawn(slug: str | bool, version: TemplateVersion | None) -> ActionRefused | None:
    """Return that the chosen template is no longer offered; None if it is, or none was chosen."""
    if not slug or version is not None:
        return None
    return InvalidJobRequest(
        _("The template “%(name)s” is not published.") % {"name": str(slug)[:60]},
        field="template",
        remedy=_("Choose another template."),
    )
