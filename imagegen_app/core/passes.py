"""Describe follow-up passes: operations that are applied to each image of a job, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagegen_app.core import types
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.limits import MAX_INSTRUCTION_CHARS
from imagegen_app.core.operations import Operation

#: Operations on one image that nobody has to describe for each image anew.
FOLLOW_UP_OPERATIONS = (
    Operation.UPSCALE,
    Operation.REMOVE_BACKGROUND,
    Operation.RESTORE_FACES,
    Operation.EDIT,
)
#: How many times larger an upscale may make each side.
FACTORS = (2, 3, 4)
#: Where nobody says how many; and of a model that decides it itself.
USUAL_FACTOR = 2
#: Follow-up passes of one job.
MAX_PASSES = 3


class PassError(ValueError):
    """A follow-up pass is not valid; front ends translate `message` and fill in `values`."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message % values)
        self.message = message
        self.values = values
        #: Which of several passes it is, counted from 0.
        self.position: int | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """One further operation on an image."""

    operation: Operation
    #: Short name (slug) of the image model.
    model: str
    #: How many times larger each side becomes.
    factor: int = 1
    #: What an edit is to change, the same for each image; empty for other operations.
    instruction: str = ""

    def size_after(self, size: types.Size) -> types.Size:
        """Return the size of the resulting image for an input of the given size."""
        return types.Size(size.width * self.factor, size.height * self.factor)

    def as_dict(self) -> dict[str, Any]:
        """Return the form in which the pass is stored."""
        stored = {"operation": self.operation.value, "model": self.model, "factor": self.factor}
        return {**stored, "instruction": self.instruction} if self.instruction else stored

    def __str__(self) -> str:
        if self.instruction:
            return f"{self.operation}:{self.model}:{self.instruction}"
        if self.operation is Operation.UPSCALE:
            return f"{self.operation}:{self.factor}:{self.model}"
        return f"{self.operation}:{self.model}"


def parse(text: str) -> Pass:
    """Parse a pass from text such as `upscale:2:model` or `edit:model:Correct the spelling`.

    :raises PassError: if the text has another form, or a part of it is not valid.
    """
    operation, _colon, rest = text.strip().partition(":")
    if operation == Operation.EDIT:
        model, _colon, instruction = rest.partition(":")
        return _validated(operation, model, "1", instruction)
    factor, _colon, model = rest.rpartition(":")
    return _validated(
        operation, model, factor or str(USUAL_FACTOR if operation == Operation.UPSCALE else 1)
    )


def passes_from(rows: Sequence[Mapping[str, Any] | Pass | str]) -> tuple[Pass, ...]:
    """Return the passes of a list whose entries are in stored form, text, or passes already.

    :raises PassError: if one of them is not valid, or there are too many.
    """
    if len(rows) > MAX_PASSES:
        raise PassError(
            gettext_noop("At most %(most)s follow-up passes are possible."), most=MAX_PASSES
        )
    found = []
    for position, row in enumerate(rows):
        try:
            found.append(_pass_from(row))
        except PassError as error:
            error.position = position
            raise
    return tuple(found)


def _pass_from(row: Mapping[str, Any] | Pass | str) -> Pass:
    if isinstance(row, Pass):
        return row
    if isinstance(row, str):
        return parse(row)
    return _validated(
        str(row.get("operation", "")),
        str(row.get("model", "")),
        str(row.get("factor", 1)),
        str(row.get("instruction", "")),
    )


def _validated(operation: str, model: str, factor: str, instruction: str = "") -> Pass:
    if operation not in {o.value for o in FOLLOW_UP_OPERATIONS}:
        raise PassError(
            gettext_noop("“%(operation)s” is not a valid follow-up pass; available: %(known)s."),
            operation=operation[:40],
            known=", ".join(FOLLOW_UP_OPERATIONS),
        )
    if not model:
        raise PassError(
            gettext_noop("The follow-up pass “%(operation)s” needs a model."), operation=operation
        )
    allowed = FACTORS if operation == Operation.UPSCALE else (1,)
    if factor not in {str(f) for f in allowed}:
        raise PassError(
            gettext_noop("The follow-up pass “%(operation)s” supports these factors: %(known)s."),
            operation=operation,
            known=", ".join(str(f) for f in allowed),
        )
    # Control characters would say something else to a model than to who reads the template.
    words = "".join(c for c in instruction if c in "\n\t" or c >= " ").strip()
    if operation == Operation.EDIT and not words:
        raise PassError(gettext_noop("A follow-up edit needs an instruction: what to change."))
    if operation != Operation.EDIT and words:
        raise PassError(
            gettext_noop("The follow-up pass “%(operation)s” takes no instruction."),
            operation=operation,
        )
    if len(words) > MAX_INSTRUCTION_CHARS:
        raise PassError(
            gettext_noop("The instruction of a follow-up edit has more than %(most)s characters."),
            most=MAX_INSTRUCTION_CHARS,
        )
    return Pass(Operation(operation), model=model, factor=int(factor), instruction=words)
