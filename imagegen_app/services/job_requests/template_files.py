"""Carry prompt templates from site to site, or from a version control system: written to and read from files.

A file that was written and is read again changes nothing. Templates are known by their short names: one that
the site has gets a new version where the file says something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from imagegen_app.core.description_files import parse_file
from imagegen_app.core.description_reader import InvalidDescription
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.template_document import TemplateEntry, read_templates, write_templates
from imagegen_app.models import BrandKit, ImageModel, PromptTemplate
from imagegen_app.services.foundation.messages import sentence_of
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import setup_reader
from imagegen_app.services.job_requests import (
    template_checks,
    template_drafts,
    template_publishing,
    templates,
)
from imagegen_app.services.job_requests._template_entries import (
    KnownNames,
    entry_of,
    problem_of,
    read_details,
    read_draft,
)
from imagegen_app.services.job_requests.template_drafts import Draft
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.job_requests.templates import TemplateDetails

#: Parts of a file that are no content of a version.
_OF_TEMPLATE = {"name", "purpose", "archived", "category", "owner", "groups"}


class FileAction(StrEnum):
    """What becomes of a template that a file holds."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class FileChange:
    """What becomes, or has become, of one template of a file."""

    slug: str
    name: str
    action: FileAction
    #: The parts that differ, as the file names them.
    parts: tuple[str, ...] = ()
    #: What to know of it, in sentences: names that the site does not have, and what looks wrong.
    notes: tuple[str, ...] = ()


class InvalidTemplateFile(ActionRefused):
    """A file of templates cannot be used; nothing of it was."""

    code = "invalid_template_file"

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        #: Each mistake: its place, such as `templates[2].model`, and a sentence with the remedy.
        self.problems = tuple(problems)
        told = (f"{place}: {text}" if place else text for place, text in self.problems)
        super().__init__(_("No template was imported."), reason=" ".join(told), remedy="")

    @classmethod
    def from_description(cls, error: InvalidDescription) -> InvalidTemplateFile:
        """Return the refusal for what was found, in the active language."""
        return cls((one.place, sentence_of(one.problem)) for one in error.problems)


@dataclass(frozen=True, slots=True)
class _Planned:
    entry: TemplateEntry
    draft: Draft
    details: TemplateDetails
    template: PromptTemplate | None
    change: FileChange


def export(*, actor: Actor, rows: Iterable[PromptTemplate]) -> dict[str, Any]:
    """Return the published versions of templates as a document; those without one are left out.

    :raises NotPermitted: if the actor may not view templates.
    """
    access.require_permission(actor, "view_prompttemplate")
    return write_templates(
        _entry_of(one, template_drafts.draft_of(one.current))
        for one in _with_details(rows)
        if one.current is not None
    )


def describe(version: TemplateVersion) -> dict[str, Any]:
    """Return what a file says of the content of a version; the parts of its template are left out."""
    entry = entry_of(
        template_drafts.draft_of(version),
        slug="",
        details=templates.TemplateDetails(""),
        is_archived=None,
    )
    (written,) = write_templates([entry])["templates"]
    return {name: value for name, value in written.items() if name not in {"slug", *_OF_TEMPLATE}}


def read(source: str | PathLike[str]) -> Any:
    """Return the document of a file, given by its path.

    :raises InvalidTemplateFile: if it cannot be read or is not of its format.
    """
    try:
        return setup_reader.read_file(source)
    except InvalidDescription as error:
        raise InvalidTemplateFile.from_description(error) from None


def parse(data: bytes, *, ending: str) -> Any:
    """Return the document of a file's bytes, whose name ends so, such as `.yaml`.

    :raises InvalidTemplateFile: if it is too large or not of its format.
    """
    try:
        return parse_file(data, ending=ending)
    except InvalidDescription as error:
        raise InvalidTemplateFile.from_description(error) from None


def plan(*, actor: Actor, document: object) -> tuple[FileChange, ...]:
    """Return what an import of a document would do; nothing is written.

    :raises InvalidTemplateFile: if it cannot be imported; names all that is wrong.
    :raises NotPermitted: if the actor may not do a part of it.
    """
    return tuple(one.change for one in _plan(actor, document))


@use_case()
def import_templates(*, actor: Actor, document: object) -> tuple[FileChange, ...]:
    """Create the templates of a document, or publish what it says of them: all of it, or nothing.

    :raises InvalidTemplateFile: if it cannot be imported; names all that is wrong.
    :raises NotPermitted: if the actor may not do a part of it.
    """
    planned = _plan(actor, document)
    for one in planned:
        try:
            _carry_out(actor, one)
        except InvalidRecord as refusal:
            raise InvalidTemplateFile([problem_of(one.entry, refusal)]) from None
    return tuple(one.change for one in planned)


def _carry_out(actor: Actor, planned: _Planned) -> None:
    entry, draft, template = planned.entry, planned.draft, planned.template
    if planned.change.action is FileAction.UNCHANGED:
        return
    if template is None:
        template = templates.create(
            actor=actor,
            name=entry.name,
            slug=entry.slug,
            draft=draft,
            details=planned.details,
        )
    else:
        templates.change_details(actor=actor, template=template, details=planned.details)
        template_publishing.publish(actor=actor, template=template, draft=draft)
    if template.is_archived != bool(entry.archived):
        templates.archive(actor=actor, template=template, archived=bool(entry.archived))


def _plan(actor: Actor, document: object) -> list[_Planned]:
    try:
        entries = read_templates(document)
    except InvalidDescription as error:
        raise InvalidTemplateFile.from_description(error) from None
    slugs = [one.slug for one in entries]
    known = {
        one.slug: one
        for one in PromptTemplate.objects.filter(slug__in=slugs)
        .select_related("current__image_model", "current__brand_kit")
        .prefetch_related(*templates.DETAILS)
    }
    models = {
        one.slug: one
        for one in ImageModel.objects.select_related("provider").filter(
            slug__in={one.model for one in entries if one.model}
        )
    }
    names = KnownNames.of_entries(entries)
    kits = {
        one.slug: one
        for one in BrandKit.objects.select_related("current").filter(
            slug__in={one.brand_kit for one in entries if one.brand_kit}
        )
    }
    found: list[_Planned] = []
    problems: list[tuple[str, str]] = []
    for number, entry in enumerate(entries):
        draft, wrong = read_draft(entry, models, kits)
        if entry.slug in slugs[:number]:
            text = gettext_noop("another entry is about the same; keep one of them")
            wrong.append((f"{entry.place}.slug", sentence_of(Message(text))))
        if draft is not None:
            try:
                found.append(_planned(entry, draft, known.get(entry.slug), names))
            except InvalidRecord as refusal:
                wrong.append(problem_of(entry, refusal))
        problems += wrong
    if problems:
        raise InvalidTemplateFile(problems)
    for action, permission in (
        (FileAction.CREATE, "add_prompttemplate"),
        (FileAction.UPDATE, "change_prompttemplate"),
    ):
        if any(one.change.action is action for one in found):
            access.require_permission(actor, permission)
    return found


def _planned(
    entry: TemplateEntry, draft: Draft, template: PromptTemplate | None, names: KnownNames
) -> _Planned:
    """Compare an entry with the template that the site has."""
    before_details = None if template is None else templates.details_of(template)
    details, notes = read_details(entry, before_details, names)
    notes += tuple(
        f"{one.part_label}: {one.placed_sentence}"
        for one in template_checks.report_on(draft).warnings
    )
    if template is None or template.current is None:
        change = FileChange(entry.slug, entry.name, FileAction.CREATE, notes=notes)
        return _Planned(entry, draft, details, template, change)
    published = template_drafts.draft_of(template.current)
    before = write_templates([_entry_of(template, published)])["templates"][0]
    told = entry_of(draft, slug=entry.slug, details=details, is_archived=entry.archived)
    after = write_templates([told])["templates"][0]
    # A note alone, or another line end, is no other content.
    is_same = template_drafts.is_same(published, draft)
    parts = tuple(
        name
        for name in {**before, **after}
        if before.get(name) != after.get(name) and (name in _OF_TEMPLATE or not is_same)
    )
    action = FileAction.UPDATE if parts else FileAction.UNCHANGED
    change = FileChange(entry.slug, entry.name, action, parts, notes)
    return _Planned(entry, draft, details, template, change)


def _with_details(rows: Iterable[PromptTemplate]) -> list[PromptTemplate]:
    """Return templates with what `details_of` reads, in two more queries for all of them."""
    found = list(rows)
    prefetch_related_objects(found, *templates.DETAILS)
    return found


def _entry_of(template: PromptTemplate, draft: Draft) -> TemplateEntry:
    return entry_of(
        draft,
        slug=template.slug,
        details=templates.details_of(template),
        is_archived=template.is_archived,
    )
