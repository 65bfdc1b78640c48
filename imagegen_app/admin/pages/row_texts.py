"""Have texts written for the rows of a batch: ask, watch, read, change, and go on to the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.core import prompts
from imagegen_app.core.types import Cost
from imagegen_app.core.uploaded_tables import MAX_HEADER_CHARS
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.batches import (
    row_texts,
    selections,
    table_uploads,
    text_columns,
    text_commands,
)
from imagegen_app.services.batches.text_columns import MAX_INSTRUCTION_CHARS, TextRequest
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import budgets, template_access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.core.variables import Variable
    from imagegen_app.models import TemplateVersion, UploadedTable, WrittenColumn
    from imagegen_app.services.batches.row_texts import Progress
    from imagegen_app.services.batches.table_uploads import AddedTable

#: Rows of one page.
PAGE_ROWS: Final = 50
_MAX_DIGITS: Final = 6
#: Kinds of variables whose value may be any words.
_FREE_KINDS: Final = (prompts.VariableKind.TEXT, prompts.VariableKind.COLOUR)


class RowTextsForm(forms.Form):
    """Which column is written, from which ones, how and in which language."""

    column = forms.CharField(
        label=gettext_lazy("Name of the new column"),
        max_length=MAX_HEADER_CHARS,
        help_text=gettext_lazy(
            "With the name of a variable of the template, it becomes its value by itself."
        ),
    )
    sources = forms.MultipleChoiceField(
        label=gettext_lazy("Written from"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("What the text model reads of each row. Nothing else is sent."),
    )
    instruction = forms.CharField(
        label=gettext_lazy("What is to be written"),
        max_length=MAX_INSTRUCTION_CHARS,
        widget=forms.Textarea(
            attrs={
                "rows": 3,
                "placeholder": gettext_lazy("One sentence about a place where people use it."),
            }
        ),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language of the texts"))

    def __init__(
        self,
        data: Any,
        *,
        places: Sequence[tuple[str, str]],
        column: str,
        chosen: Sequence[str],
        variables: Sequence[Variable],
    ) -> None:
        super().__init__(data)
        self._variables = variables
        fields: Any = self.fields
        fields["sources"].choices = places
        fields["sources"].initial = chosen
        fields["column"].initial = column
        fields["language"].choices = conf.languages()
        fields["language"].initial = get_language()

    def clean_column(self) -> str:
        name = str(self.cleaned_data["column"])
        for one in self._variables:
            if one.name == name and one.kind not in _FREE_KINDS:
                # Each text would be paid for, and none of them would be a value of the variable.
                raise forms.ValidationError(
                    _("“%(variable)s” does not take free text. Choose another name.")
                    % {"variable": one.label}
                )
        return name

    def request(
        self, version: TemplateVersion | None, further: dict[str, str] | None = None
    ) -> TextRequest:
        """Return what is asked for; the form must be valid."""
        data = self.cleaned_data
        variables = prompts.variables_from(version.variables) if version else []
        lengths = {one.name: one.max_chars for one in variables}
        return TextRequest(
            column=data["column"],
            sources=data["sources"],
            instruction=data["instruction"],
            language=data["language"],
            template=version.template.slug if version else "",
            further=further or {},
            max_chars=lengths.get(data["column"]) or text_columns.MAX_TEXT_CHARS,
        )


class RowTextPages(Pages):
    """The pages that have texts written for rows."""

    base_template = "imagegen_app/admin/batch/base.html"
    has_sidebar = False

    def routes(self) -> list[Route]:
        return [
            Route("batches/new/texts/", self.for_objects, "imagegen_object_texts", "request_job"),
            Route(
                "batches/new/table/<uuid:pk>/texts/",
                self.for_table,
                "imagegen_table_texts",
                "request_job",
            ),
            Route("batches/texts/<uuid:pk>/", self.texts, "imagegen_row_texts", "request_job"),
            Route(
                "batches/texts/<uuid:pk>/status/",
                self.status,
                "imagegen_row_texts_status",
                "request_job",
            ),
        ]

    def for_objects(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Ask for a text for each of the objects that the person selected."""
        name = f"imagegen-selection-{request.GET.get('target', '')}"
        try:
            selection = selections.loads(actor=actor, token=str(request.session.get(name, "")))
        except ActionRefused as refusal:
            return self.refused(request, refusal, status=400)
        target = selection.target
        version = _version(request, actor, target.template)
        variables = prompts.variables_from(version.variables) if version else []
        mapping = content_fields.guess_mapping(target, variables)
        open_ones = [one for one in _free_texts(variables) if not mapping.get(one)]
        places = content_fields.mappable_fields(target.model)
        known = {path for path, _label in places}
        form = RowTextsForm(
            request.POST or None,
            places=places,
            column=open_ones[0] if open_ones else "",
            chosen=[path for path in target.texts if path in known],
            variables=variables,
        )
        further = {variable: path for variable, path in mapping.items() if path}

        def start() -> AddedTable:
            asked = form.request(version, further)
            return text_columns.start_for_objects(actor=actor, selection=selection, request=asked)

        return self._asked(request, actor, form, rows=len(selection.keys), start=start)

    def for_table(self, request: HttpRequest, actor: Person, pk: UUID) -> HttpResponse:
        """Ask for a text for each row of an uploaded table."""
        table = get_object_or_404(table_uploads.visible_tables(actor).exclude(columns=[]), pk=pk)
        version = _version(request, actor, "")
        columns = [str(column) for column in table.columns]
        variables = prompts.variables_from(version.variables) if version else []
        open_ones = [one for one in _free_texts(variables) if one not in columns]
        form = RowTextsForm(
            request.POST or None,
            places=[(column, column) for column in columns],
            column=open_ones[0] if open_ones else "",
            chosen=[],
            variables=variables,
        )

        def start() -> AddedTable:
            asked = form.request(version)
            return text_columns.start_for_table(actor=actor, table=table, request=asked)

        return self._asked(request, actor, form, rows=table.row_count, start=start)

    def texts(self, request: HttpRequest, actor: Person, pk: UUID) -> HttpResponse:
        """Show the rows with their texts, page by page; take what is changed and pressed."""
        table, column = _written(actor, pk)
        view = str(request.GET.get("view", ""))
        start = _number(request.GET.get("start", ""))
        if request.method == "POST":
            is_done = self._act(request, actor, table)
            if is_done and "use" in request.POST:
                return HttpResponseRedirect(admin_url("imagegen_table_batch", table.pk))
            return HttpResponseRedirect(request.get_full_path())
        counts = row_texts.progress(column)
        is_problems = view == "problems"
        total = counts.without if is_problems else counts.total
        shown = row_texts.shown_texts(
            column, start=start, most=PAGE_ROWS, problems_only=is_problems
        )
        end = start + len(shown)
        context = {
            "title": _("Texts for the rows"),
            "subtitle": table.name,
            "table": table,
            "rows": shown,
            "total": total,
            "problems_only": is_problems,
            "first_row": start + 1,
            "last_row": end,
            "previous": max(0, start - PAGE_ROWS) if start else None,
            "following": end if end < total else None,
            "is_own": table.owner_id == actor.user.pk,
            "most_chars": column.max_chars,
            "price": text_columns.price(1),
            **_status_context(column, counts),
        }
        return self.page(request, "imagegen_app/admin/batch/texts.html", context)

    def status(self, request: HttpRequest, actor: Person, pk: UUID) -> HttpResponse:
        """Answer a poll with the counts, or 304."""
        _table, column = _written(actor, pk)
        wakeups.wake_if_stale()
        counts = row_texts.progress(column)
        etag = f"{column.state}-{counts.waiting}-{counts.asked}-{counts.ready}-{counts.without}"
        return self.fragment(
            request,
            "imagegen_app/admin/batch/_texts_status.html",
            _status_context(column, counts),
            etag=etag,
        )

    def _asked(
        self,
        request: HttpRequest,
        actor: Person,
        form: RowTextsForm,
        *,
        rows: int,
        start: Callable[[], AddedTable],
    ) -> HttpResponse:
        if not text_columns.is_offered(actor):
            raise Http404
        refusal: ActionRefused | None = None
        if request.method == "POST" and form.is_valid():
            try:
                added = start()
            except ActionRefused as refused:
                refusal = refused
            else:
                if added.is_known:
                    messages.info(request, _("These texts were asked for before."))
                return HttpResponseRedirect(admin_url("imagegen_row_texts", added.table.pk))
        cost = text_columns.price(rows)
        allowance = budgets.allowance(actor, None)
        context = {
            "title": _("Have texts written for the rows"),
            "form": form,
            "refusal": refusal,
            "rows": rows,
            "cost": cost,
            "each": text_columns.price(1),
            "left": None if allowance is None else Cost(allowance.remaining, allowance.currency),
            "hindrance": budgets.refusal_for(cost, allowance),
        }
        return self.page(request, "imagegen_app/admin/batch/texts_ask.html", context)

    def _act(self, request: HttpRequest, actor: Person, table: UploadedTable) -> bool:
        """Do what was pressed; return whether it was not refused."""
        sent = request.POST
        try:
            if "pause" in sent:
                text_commands.pause(actor=actor, table=table)
            elif "resume" in sent:
                text_commands.resume(actor=actor, table=table)
            elif "cancel" in sent:
                text_commands.cancel(actor=actor, table=table)
            elif "again" in sent or "all_again" in sent:
                position = _number(sent["again"]) if "again" in sent else None
                _save(request, actor, table)
                text_commands.ask_again(actor=actor, table=table, position=position)
            elif "use" in sent:
                # What was typed and not kept yet is meant as well.
                _save(request, actor, table)
            else:
                number = _save(request, actor, table)
                text = ngettext("%(number)s text was kept.", "%(number)s texts were kept.", number)
                messages.success(request, text % {"number": number})
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return False
        return True


def _save(request: HttpRequest, actor: Person, table: UploadedTable) -> int:
    """Keep the texts of the page that a person changed; return how many.

    What came from the text model since the page was opened stays.
    """
    number = 0
    for name, typed in list(request.POST.items())[: 3 * PAGE_ROWS]:
        place = name.removeprefix("text_")
        if name == place or typed == request.POST.get(f"was_{place}"):
            continue
        text_commands.type_text(actor=actor, table=table, position=_number(place), text=str(typed))
        number += 1
    return number


def _written(actor: Person, key: UUID) -> tuple[UploadedTable, WrittenColumn]:
    table = get_object_or_404(table_uploads.visible_tables(actor).exclude(columns=[]), pk=key)
    column = row_texts.column_of(table)
    if column is None:
        raise Http404
    return table, column


def _status_context(column: WrittenColumn, counts: Progress) -> dict[str, Any]:
    return {
        "column": column,
        "counts": counts,
        "percent": 100 * (counts.total - counts.open) // max(1, counts.total),
        "reason": row_texts.said(column.reason),
        "is_over": not counts.open or column.state != "running",
    }


def _version(request: HttpRequest, actor: Person, default: str) -> TemplateVersion | None:
    slug = str(request.GET.get("template", default))
    return template_access.usable_version(actor, slug) if slug else None


def _free_texts(variables: Iterable[Variable]) -> list[str]:
    """Return the variables that take any text."""
    return [one.name for one in variables if one.kind is prompts.VariableKind.TEXT]


def _number(text: object) -> int:
    """Return the number that a request means; 0 for any other text."""
    plain = str(text)
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) <= _MAX_DIGITS else 0
