"""What the parts of a set-up's plan have in common: steps, their differences and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from imagegen_app.core.description_reader import unknown_name
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.services.foundation.messages import sentence_of
from imagegen_app.services.policy import model_catalog
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.description_reader import DescriptionProblem
    from imagegen_app.models import Record


class SetupAction(StrEnum):
    """What a set-up does with one thing."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class SetupDifference:
    """One value of a thing: as it is, None for a new thing, and as it shall be."""

    field: str
    current: Any
    wanted: Any


@dataclass(frozen=True, slots=True)
class SetupChange:
    """What becomes, or has become, of one thing of a set-up."""

    #: `provider`, `model`, `group`, `grant` or `budget`.
    kind: str
    name: str
    action: SetupAction
    differences: tuple[SetupDifference, ...] = ()


class InvalidSetup(ActionRefused):
    """A set-up cannot be carried out; nothing of it was."""

    code = "invalid_setup"

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        #: Each mistake: its place, such as `models[2].lifecycle`, and a sentence with the remedy.
        self.problems = tuple(problems)
        super().__init__(
            _("Nothing was set up."),
            reason=" ".join(_line(place, sentence) for place, sentence in self.problems),
            remedy="",
        )

    @classmethod
    def from_problems(cls, problems: Sequence[DescriptionProblem]) -> InvalidSetup:
        """Return the refusal for what was found, in the active language."""
        return cls([(one.place, sentence_of(one.problem)) for one in problems])


def _line(place: str, sentence: str) -> str:
    return f"{place}: {sentence}" if place else sentence


@dataclass(frozen=True)
class Step:
    """One change that is planned, and how it is carried out."""

    place: str
    change: SetupChange
    #: What a person needs who carries it out.
    permissions: tuple[str, ...]
    carry_out: Callable[[Actor], object]


@dataclass
class Notes:
    """What the planning has found so far."""

    steps: list[Step] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    #: The kinds and names of the entries so far.
    seen: set[tuple[str, ...]] = field(default_factory=set)

    def note(self, place: str, text: str, **values: str) -> None:
        """Note what is wrong."""
        self.problems.append((place, sentence_of(Message(text, values))))

    def note_unknown(self, place: str, name: str, known: Collection[str]) -> None:
        """Note that a name does not exist, with the nearest one."""
        self.problems.append((place, sentence_of(unknown_name(name, known))))

    def is_repeated(self, place: str, *key: str) -> bool:
        """Return whether another entry was about the same, and note it then."""
        if key in self.seen:
            self.note(place, gettext_noop("another entry is about the same; keep one of them"))
            return True
        self.seen.add(key)
        return False

    def plan_row(
        self,
        row: Record,
        wanted: Mapping[str, Any],
        *,
        kind: str,
        name: str,
        place: str,
        related: Sequence[str] = (),
        told: Sequence[str] = (),
    ) -> None:
        """Plan to store a new row, or one that differs from what is wanted; None wants nothing.

        `related` are its fields that point to rows which may be stored only by earlier steps; `told`
        are those of a new row that people hear of also where they did not say them.
        """
        is_new = row._state.adding  # noqa: SLF001 - Django's documented API
        differences = []
        for field_name, value in wanted.items():
            if value is None:
                continue
            current = None if is_new else getattr(row, field_name)
            if current != value:
                setattr(row, field_name, value)
                differences.append(SetupDifference(field_name, current, value))
        if is_new:
            said = {one.field for one in differences}
            differences += [
                SetupDifference(field_name, None, getattr(row, field_name))
                for field_name in told
                if field_name not in said
            ]
        action = SetupAction.CREATE if is_new else SetupAction.UPDATE
        if not is_new and not differences:
            action = SetupAction.UNCHANGED
        elif not self._is_valid(row, place, related):
            return

        def carry_out(actor: Actor) -> object:
            for pointing in related:
                # Its key is known by now.
                setattr(row, pointing, getattr(row, pointing))
            return model_catalog.save(actor=actor, record=row)

        verb = "add" if is_new else "change"
        self.steps.append(
            Step(
                place=place,
                change=SetupChange(kind, name, action, tuple(differences)),
                permissions=(f"{verb}_{type(row).__name__.lower()}",),
                carry_out=carry_out,
            )
        )

    def _is_valid(self, row: Record, place: str, related: Sequence[str]) -> bool:
        try:
            row.clean_fields(exclude={*related})
            model_catalog.require_valid(row)
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                self.problems.append((f"{place}.{name}", " ".join(messages)))
        except model_catalog.InvalidRecord as refusal:
            where = f"{place}.{refusal.field}" if refusal.field else place
            self.problems.append((where, refusal.reason))
        else:
            return True
        return False
