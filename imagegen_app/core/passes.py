"""Describe follow-up passes: what is done to each image of a job, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.types import Operation, Size

#: Operations that take one image and need no words.
FOLLOW_UP_OPERATIONS = (Operation.UPSCALE, Operation.REMOVE_BACKGROUND)
FACTORS = (2, 3, 4)
MAX_PASSES = 3


class PassError(ValueError):
    """A pass that cannot be; the message is to be translated, then filled with the values."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message % values)
        self.message = message
        self.values = values


@dataclass(frozen=True, slots=True)
class Pass:
    """One further operation on an image, by the short name of the model that does it."""

    operation: Operation
    model: str
    #: How many times larger each side becomes.
    factor: int = 1

    def size_after(self, size: Size) -> Size:
        """Return the size of the image that comes out."""
        return Size(size.width * self.factor, size.height * self.factor)

    def as_dict(self) -> dict[str, Any]:
        """Return the pass as it is stored."""
        return {"operation": self.operation.value, "model": self.model, "factor": self.factor}

    def __str__(self) -> str:
        if self.operation is Operation.UPSCALE:
            return f"{self.operation}:{self.factor}:{self.model}"
        return f"{self.operation}:{self.model}"


def parse(text: str) -> Pass:
    """Read a pass as people write it: `upscale:2:model` or `remove_background:model`.

    :raises PassError: if it is neither.
    """
    operation, _colon, rest = text.strip().partition(":")
    factor, _colon, model = rest.rpartition(":")
    return _checked(operation, model, factor or ("2" if operation == Operation.UPSCALE else "1"))


def passes_from(rows: Sequence[Mapping[str, Any] | Pass | str]) -> tuple[Pass, ...]:
    """Read several passes: stored ones, written ones, or values.

    :raises PassError: if one of them is none, or there are too many.
    """
    if len(rows) > MAX_PASSES:
        raise PassError(
            gettext_noop("At most %(most)s follow-up passes are possible."), most=MAX_PASSES
        )
    return tuple(_pass_from(row) for row in rows)


def _pass_from(row: Mapping[str, Any] | Pass | str) -> Pass:
    if isinstance(row, Pass):
        return row
    if isinstance(row, str):
        return parse(row)
    return _checked(
        str(row.get("operation", "")), str(row.get("model", "")), str(row.get("factor", 1))
    )


def _checked(operation: str, model: str, factor: str) -> Pass:
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
    return Pass(operation=Operation(operation), model=model, factor=int(factor))
