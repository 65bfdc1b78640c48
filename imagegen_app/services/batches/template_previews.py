"""Show what a draft of a template says of real objects, or of example values, as a batch would."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.variable_kinds import VariableKind
from imagegen_app.models import TemplateVersion
from imagegen_app.services.batches import row_sources
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import kit_effects, request_texts
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.library import alt_texts
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import Model

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.prompts import RenderedPrompt
    from imagegen_app.core.shots import Shot
    from imagegen_app.core.variables import Variable
    from imagegen_app.services.gateways.content_fields import Target
    from imagegen_app.services.job_requests.template_drafts import Draft

#: Objects whose prompts are shown.
MAX_OBJECTS = 3


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """The texts of one object, or why it has none."""

    label: str
    #: The prompt in pieces: (text, the variable that it is from, or empty).
    pieces: tuple[tuple[str, str], ...] = ()
    #: What the brand kit adds to the prompt.
    added: str = ""
    negative: str = ""
    alt_text: str = ""
    error: str = ""


def viewable_targets(actor: Actor) -> list[Target]:
    """Return the image fields of the site, one for each model whose objects the actor may see."""
    found: dict[type[Model], Target] = {}
    for target in content_fields.all_targets():
        if target.model not in found and access.may_view_content(actor, target.model):
            found[target.model] = target
    return list(found.values())


def preview_objects(
    draft: Draft,
    variables: Sequence[Variable],
    target: Target,
    objects: Iterable[Model],
    *,
    shot: Shot | None = None,
) -> list[PreviewRow]:
    """Return the texts of objects that the reader may see, each variable from its usual field."""
    mapping = content_fields.guess_mapping(target, variables)
    return [
        _row(
            draft,
            variables,
            str(one),
            row_sources.values_for(one, mapping=mapping, fixed={}),
            shot=shot,
        )
        for one in objects
    ]


def preview_examples(
    draft: Draft, variables: Sequence[Variable], *, shot: Shot | None = None
) -> list[PreviewRow]:
    """Return the texts with example values: of all variables, and of those alone that are required."""
    rows = [_row(draft, variables, _("With all values"), _examples(variables), shot=shot)]
    if any(not one.required or one.kind is VariableKind.SWITCH for one in variables):
        least = {
            name: value
            for name, value in _examples(variables, is_least=True).items()
            if value is not None
        }
        label = _("With the required values alone")
        rows.append(_row(draft, variables, label, least, shot=shot))
    return rows


def _row(
    draft: Draft,
    variables: Sequence[Variable],
    label: str,
    values: Mapping[str, object],
    *,
    shot: Shot | None,
) -> PreviewRow:
    version = TemplateVersion(
        body=draft.body,
        negative=draft.negative,
        variables=[one.as_dict() for one in variables],
        alt_pattern=draft.alt_pattern,
        shots=[one.as_dict() for one in draft.shots],
    )
    kit = None if draft.brand_kit is None else draft.brand_kit.current
    try:
        rendered, negative = request_texts.render_version(version, values, shot=shot)
        words = kit_effects.with_words(kit, rendered, negative)
    except InvalidJobRequest as refusal:
        return PreviewRow(label, error=refusal.reason)
    return PreviewRow(
        label,
        pieces=tuple(_pieces(rendered)),
        added=words.added,
        negative=words.negative,
        alt_text=alt_texts.text_of_pattern(version, values, shot=shot.label if shot else ""),
    )


def _pieces(rendered: RenderedPrompt) -> Iterable[tuple[str, str]]:
    at = 0
    for start, end, name in rendered.spans:
        if start > at:
            yield rendered.text[at:start], ""
        yield rendered.text[start:end], name
        at = end
    if at < len(rendered.text):
        yield rendered.text[at:], ""


def _examples(
    variables: Sequence[Variable], *, is_least: bool = False
) -> dict[str, str | bool | None]:
    found: dict[str, str | bool | None] = {}
    for one in variables:
        if is_least and not one.required:
            found[one.name] = None
        elif one.kind is VariableKind.SWITCH:
            found[one.name] = not is_least
        else:
            found[one.name] = _example(one)
    return found


def _example(variable: Variable) -> str:
    if variable.default:
        return variable.default
    match variable.kind:
        case VariableKind.CHOICE:
            return variable.choices[0] if variable.choices else ""
        case VariableKind.COLOUR:
            return "teal"
        case VariableKind.NUMBER:
            bounds = [one for one in (variable.minimum, variable.maximum) if one is not None]
            return str(bounds[0] if bounds else Decimal(1))
        case _:
            return variable.label[: variable.max_chars]
