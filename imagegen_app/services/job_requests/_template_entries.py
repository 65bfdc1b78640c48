"""Turn entries of a file of templates into drafts of versions, and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from imagegen_app.core import passes, prompts, shots
from imagegen_app.core.description_reader import unknown_name
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.operations import Operation
from imagegen_app.core.template_document import TemplateEntry
from imagegen_app.core.types import ControlGuide, Lora
from imagegen_app.models import BrandKit, ImageModel, PromptTemplate, TemplateVersion
from imagegen_app.services.foundation.messages import sentence_of
from imagegen_app.services.job_requests import template_drafts
from imagegen_app.services.job_requests.fixed_guides import FixedGuide
from imagegen_app.services.job_requests.template_drafts import Draft
from imagegen_app.services.job_requests.templates import TemplateDetails
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The file's name of a part, where the draft of a version calls it otherwise.
_NAMES = {
    "body": "prompt",
    "negative": "negative_prompt",
    "image_model": "model",
    "count": "images",
}
#: What clean values of these columns are, the models say.
_TEMPLATE_COLUMNS = {"name", "slug", "purpose", "category"}
_VERSION_COLUMNS = {
    "operation",
    "width",
    "height",
    "count",
    "quality",
    "seed_strategy",
    "seed",
    "note",
}
#: What entries of a list must be.
_FORMS = {
    "loras": gettext_noop("each entry must be an object with “name” and “weight”"),
    "guides": gettext_noop(
        "each entry must be an object with “asset”, “kind”, “weight”, “start” and “end”"
    ),
}
_HALF_A_SIZE = gettext_noop(
    "a size needs “width” and “height”; leave both out for the model's own size"
)
_DEFAULT = Draft(body="")


def read_draft(
    entry: TemplateEntry, models: Mapping[str, ImageModel], kits: Mapping[str, BrandKit]
) -> tuple[Draft | None, list[tuple[str, str]]]:
    """Return the valid draft that an entry describes, or None and what is wrong with it.

    :param models: the image models that entries name, by their short names.
    :param kits: the brand kits that entries name, by their short names.
    """
    wrong = _value_problems(entry, models, kits)
    if wrong:
        return None, wrong
    try:
        draft = _draft_of(entry, models, kits)
        template_drafts.check(draft)
    except InvalidRecord as refusal:
        return None, [problem_of(entry, refusal)]
    except passes.PassError as error:
        text = sentence_of(Message(error.message, error.values))
        return None, [(f"{entry.place}.passes", text)]
    except shots.ShotError as error:
        text = sentence_of(Message(error.message, error.values))
        return None, [(f"{entry.place}.shots", text)]
    return draft, []


def entry_of(
    draft: Draft, *, slug: str, details: TemplateDetails, is_archived: bool | None
) -> TemplateEntry:
    """Return what a file says of a template with the content of a draft."""
    return TemplateEntry(
        place="",
        slug=slug,
        name=details.name,
        purpose=details.purpose,
        prompt=draft.body,
        negative_prompt=draft.negative,
        variables=tuple(one.as_dict() for one in prompts.variables_from(draft.variables)),
        operation=draft.operation.value,
        model=draft.image_model.slug if draft.image_model else None,
        width=draft.size.width if draft.size else None,
        height=draft.size.height if draft.size else None,
        images=draft.count,
        quality=draft.quality,
        seed_strategy=draft.seed_strategy,
        seed=draft.seed,
        passes=tuple(one.as_dict() for one in draft.passes),
        parameters=draft.parameters,
        loras=tuple(asdict(one) for one in draft.loras),
        guides=tuple(one.as_dict() for one in draft.guides),
        shots=tuple(one.as_dict() for one in draft.shots),
        alt_pattern=draft.alt_pattern,
        brand_kit=draft.brand_kit.slug if draft.brand_kit else None,
        note=draft.note,
        archived=is_archived or None,
        category=details.category.strip(),
        owner=details.owner.get_username() if details.owner is not None else None,
        groups=tuple(sorted(one.name for one in details.groups)),
    )


def read_details(
    entry: TemplateEntry, before: TemplateDetails | None, names: KnownNames
) -> tuple[TemplateDetails, tuple[str, ...]]:
    """Return the details that an entry describes, and sentences about names that this site does not have.

    :param before: those of the template that the site has; None for a new one.
    :raises InvalidRecord: if it is for groups of which the site has none.
    """
    notes = []
    owner = before.owner if before else None
    if entry.owner and entry.owner in names.people:
        owner = names.people[entry.owner]
    elif entry.owner:
        notes.append(
            _("This site has no active person “%(name)s”: the owner is not set from the file.")
            % {"name": entry.owner}
        )
    groups = tuple(before.groups) if before else ()
    if entry.groups is not None:
        missing = [one for one in entry.groups if one not in names.groups]
        found = tuple(names.groups[one] for one in entry.groups if one in names.groups)
        notes += [
            _("This site has no group “%(name)s”: it is left out.") % {"name": one}
            for one in missing
        ]
        if found or not missing:
            groups = found
        elif not groups:
            # Without any of them, everybody could use what was kept to some.
            raise InvalidRecord(
                _("This site has none of these groups: %(names)s. Make one of them first.")
                % {"names": ", ".join(missing)[:200]},
                field="groups",
            )
    details = TemplateDetails(
        name=entry.name,
        purpose=entry.purpose or "",
        category=(entry.category or "").strip(),
        owner=owner,
        groups=groups,
    )
    return details, tuple(notes)


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The people and groups that entries name and the site has, by their names."""

    people: Mapping[str, Any]
    groups: Mapping[str, Group]

    @classmethod
    def of_entries(cls, entries: Sequence[TemplateEntry]) -> KnownNames:
        """Look the names of all entries up, with two queries."""
        people = {one.owner for one in entries if one.owner}
        groups = {name for one in entries for name in one.groups or ()}
        users = get_user_model()
        named = {f"{users.USERNAME_FIELD}__in": people}
        return cls(
            {one.get_username(): one for one in users.objects.filter(is_active=True, **named)},
            {one.name: one for one in Group.objects.filter(name__in=groups)},
        )


def problem_of(entry: TemplateEntry, refusal: InvalidRecord) -> tuple[str, str]:
    """Return a refusal's place in the file, and its reason."""
    part = _NAMES.get(refusal.field, refusal.field)
    return (f"{entry.place}.{part}" if part else entry.place, refusal.reason)


def _value_problems(
    entry: TemplateEntry, models: Mapping[str, ImageModel], kits: Mapping[str, BrandKit]
) -> list[tuple[str, str]]:
    """Return what is wrong with the values that rows or a draft cannot hold."""
    wrong: list[tuple[str, str]] = []
    if entry.model and entry.model not in models:
        known = tuple(ImageModel.objects.values_list("slug", flat=True))
        wrong.append(("model", sentence_of(unknown_name(entry.model, known))))
    if entry.brand_kit and entry.brand_kit not in kits:
        known = tuple(BrandKit.objects.values_list("slug", flat=True))
        wrong.append(("brand_kit", sentence_of(unknown_name(entry.brand_kit, known))))
    template = PromptTemplate(
        name=entry.name,
        slug=entry.slug,
        purpose=entry.purpose or "",
        category=entry.category or "",
    )
    for row, columns in ((template, _TEMPLATE_COLUMNS), (_row_of(entry), _VERSION_COLUMNS)):
        every = {one.name for one in row._meta.fields}  # noqa: SLF001 - Django's documented API
        try:
            row.clean_fields(exclude=every - columns)
        except ValidationError as error:
            wrong += [
                (_NAMES.get(column, column), " ".join(messages))
                for column, messages in error.message_dict.items()
            ]
    if (entry.width is None) != (entry.height is None):
        part = "width" if entry.width is None else "height"
        wrong.append((part, sentence_of(Message(_HALF_A_SIZE))))
    for part, read in (("loras", _loras), ("guides", _guides)):
        try:
            read(entry)
        except (TypeError, ValueError):
            wrong.append((part, sentence_of(Message(_FORMS[part]))))
    return [(f"{entry.place}.{part}", text) for part, text in wrong]


def _row_of(entry: TemplateEntry) -> TemplateVersion:
    """Return a row with the entry's values that has no template: only to ask whether it can hold them."""
    return TemplateVersion(
        operation=entry.operation or Operation.GENERATE.value,
        width=entry.width,
        height=entry.height,
        count=1 if entry.images is None else entry.images,
        quality=entry.quality or "",
        seed_strategy=entry.seed_strategy or _DEFAULT.seed_strategy,
        seed=entry.seed,
        note=entry.note or "",
    )


def _draft_of(
    entry: TemplateEntry, models: Mapping[str, ImageModel], kits: Mapping[str, BrandKit]
) -> Draft:
    """Return what an entry says of a version.

    :raises PassError: if a follow-up pass is not valid.
    :raises ShotError: if a shot is not valid.
    """
    row = _row_of(entry)
    return Draft(
        body=entry.prompt,
        negative=entry.negative_prompt or "",
        variables=[dict(one) for one in entry.variables or ()],
        operation=Operation(row.operation),
        image_model=models[entry.model] if entry.model else None,
        size=row.size,
        count=row.count,
        quality=row.quality,
        seed_strategy=row.seed_strategy,
        seed=row.seed,
        passes=passes.passes_from(entry.passes or ()),
        parameters=dict(entry.parameters or {}),
        loras=_loras(entry),
        guides=_guides(entry),
        alt_pattern=entry.alt_pattern or "",
        brand_kit=kits[entry.brand_kit] if entry.brand_kit else None,
        shots=shots.shots_from(entry.shots or ()),
        note=row.note,
    )


def _loras(entry: TemplateEntry) -> tuple[Lora, ...]:
    return tuple(
        Lora(name=_text(one["name"]), weight=float(one.get("weight", 1)))
        for one in _complete(entry.loras, known={"name", "weight"}, needed="name")
    )


def _guides(entry: TemplateEntry) -> tuple[FixedGuide, ...]:
    known = {"asset", *(one.name for one in fields(ControlGuide))}
    found = []
    for one in _complete(entry.guides, known=known, needed="asset"):
        numbers = {name: float(one[name]) for name in ("weight", "start", "end") if name in one}
        guide = ControlGuide(kind=_text(one.get("kind", "")), **numbers)
        found.append(FixedGuide(UUID(_text(one["asset"])), guide))
    return tuple(found)


def _complete(
    rows: Sequence[Mapping[str, Any]] | None, *, known: set[str], needed: str
) -> Sequence[Mapping[str, Any]]:
    """Return rows that have the needed name and no unknown one.

    :raises ValueError: if one is not so.
    """
    if any(needed not in one or set(one) - known for one in rows or ()):
        raise ValueError(needed)
    return rows or ()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
