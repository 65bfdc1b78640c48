"""The studio's fields for follow-up passes: what is done to each image once it is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.input_fields import FieldRow
from imagegen_app.core import passes
from imagegen_app.core.limits import MAX_INSTRUCTION_CHARS
from imagegen_app.core.types import Operation
from imagegen_app.forms.fields import OfferedChoiceField
from imagegen_app.models.labels import LABELS
from imagegen_app.services.job_requests import pass_planning
from imagegen_app.services.policy import template_access

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagegen_app.core.actors import Person
    from imagegen_app.models import ImageModel, TemplateVersion

_EDIT = f"{Operation.EDIT}:"


class PassField(OfferedChoiceField):
    """A choice of a pass with its model; the service refuses one that is none, or not granted."""

    max_chars = 120


def pass_fields(
    actor: Person, version: TemplateVersion | None, *, granted: Sequence[ImageModel]
) -> dict[str, forms.Field]:
    """Return the fields of as many passes as a request can have, with those of the template.

    On offer is what the models can do that the actor has grants for (`granted`), and what the
    template has.
    """
    given = passes.passes_from(version.passes) if version is not None else ()
    choices = [
        ("", _("No follow-up pass")),
        *_grouped(pass_planning.available_passes(actor, among=granted)),
    ]
    fields: dict[str, forms.Field] = {}
    for number in range(passes.MAX_PASSES):
        fields[f"pass_{number}"] = PassField(
            label=_("What to do"), required=False, choices=list(choices)
        )
        fields[f"pass_text_{number}"] = forms.CharField(
            label=_("Instruction"),
            required=False,
            max_length=MAX_INSTRUCTION_CHARS,
            widget=forms.Textarea(
                attrs={
                    "rows": 2,
                    "dir": "auto",
                    "placeholder": _("For example: Correct the spelling on the label"),
                }
            ),
        )
    offer(fields, given)
    return fields


def offer(fields: Mapping[str, forms.Field], given: Sequence[passes.Pass]) -> None:
    """Let the fields begin with these passes, also with those that are not on offer otherwise."""
    for name, value in pass_values(given).items():
        fields[name].initial = value
    known = {value for value, _label in _flat(fields["pass_0"])}
    missing = [one for one in given if _value(one) not in known]
    if not missing:
        return
    more = dict(zip(map(_value, missing), pass_planning.pass_labels(missing), strict=True))
    for number in range(passes.MAX_PASSES):
        field: Any = fields[f"pass_{number}"]
        field.choices = [*field.choices, *more.items()]


def pass_values(given: Sequence[passes.Pass]) -> dict[str, str]:
    """Return what the fields show of passes; empty for those beyond them."""
    found = {}
    for number in range(passes.MAX_PASSES):
        one = given[number] if number < len(given) else None
        found[f"pass_{number}"] = "" if one is None else _value(one)
        found[f"pass_text_{number}"] = "" if one is None else one.instruction
    return found


def kept_values(
    data: Mapping[str, Any], *, version: TemplateVersion | None, actor: Person
) -> dict[str, str]:
    """Return the values that go on to another template: its own passes, unless others were chosen."""
    shown = str(data.get("shown_template") or "")
    if "pass_0" not in data or (version is not None and shown == version.template.slug):
        return {}
    before = template_access.usable_version(actor, shown) if shown else None
    own = passes.passes_from(before.passes) if before is not None else ()
    if given_passes(data) != [str(one) for one in own]:
        return {}
    return pass_values(passes.passes_from(version.passes) if version is not None else ())


def is_on_offer(fields: Mapping[str, forms.Field], one: passes.Pass) -> bool:
    """Return whether the fields offer a pass, whatever its instruction."""
    return any(value == _value(one) for value, _label in _flat(fields["pass_0"]))


def given_passes(data: Mapping[str, Any]) -> list[str]:
    """Return the chosen passes, in order; none if none is chosen."""
    return [_text(data, number) for number in _numbers(data)]


def field_of(data: Mapping[str, Any], position: int) -> str:
    """Return the field of the pass at a position among the chosen ones, counted from 0."""
    return f"pass_{[*_numbers(data), 0][position]}"


def pass_problems(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the fields whose values do not belong together, each with the reason."""
    for number in range(passes.MAX_PASSES):
        chosen = str(data.get(f"pass_{number}") or "")
        words = str(data.get(f"pass_text_{number}") or "").strip()
        if words and not chosen.startswith(_EDIT):
            yield f"pass_text_{number}", _("Only an edit takes an instruction.")
        elif chosen:
            try:
                passes.parse(_text(data, number))
            except passes.PassError as error:
                part = "pass_text" if chosen.startswith(_EDIT) else "pass"
                yield f"{part}_{number}", _(error.message) % error.values


def pass_rows(form: forms.Form) -> list[FieldRow]:
    """Return the fields as the page shows them, one row a pass."""
    return [
        FieldRow(
            # The request itself is the first pass, on the job's page, too.
            _("Pass %(number)s") % {"number": number + 2},
            (form[f"pass_{number}"], form[f"pass_text_{number}"]),
        )
        for number in range(passes.MAX_PASSES)
    ]


def _numbers(data: Mapping[str, Any]) -> list[int]:
    return [number for number in range(passes.MAX_PASSES) if data.get(f"pass_{number}")]


def _text(data: Mapping[str, Any], number: int) -> str:
    chosen = str(data.get(f"pass_{number}") or "")
    words = str(data.get(f"pass_text_{number}") or "").strip()
    return f"{chosen}:{words}" if words and chosen.startswith(_EDIT) else chosen


def _value(one: passes.Pass) -> str:
    return str(replace(one, instruction=""))


def _grouped(offered: Sequence[tuple[str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for value, label in offered:
        operation = Operation(value.partition(":")[0])
        groups.setdefault(str(LABELS[Operation][operation]), []).append((value, label))
    return list(groups.items())


def _flat(field: Any) -> Iterator[tuple[str, str]]:
    for value, label in field.choices:
        if isinstance(label, list | tuple):
            yield from label
        else:
            yield value, label
