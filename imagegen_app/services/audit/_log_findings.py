"""Collect the findings of a log verification, readable in English and in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from django.utils.translation import gettext

from imagegen_app.core.i18n import gettext_noop

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal[
    "changed_body",
    "changed_column",
    "changed_leaf",
    "changed_text",
    "checkpoint",
    "deleted_event",
    "gap",
    "missing_leaf",
    "no_receipt",
    "missing_text",
    "published",
    "rollback",
    "tile_mismatch",
    "unrecorded_erasure",
]

#: Findings that a report lists; any beyond are only counted.
MAX_FINDINGS: Final = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between the log and what was sealed or signed."""

    kind: Kind
    #: The position in the log; None where the finding is not about one position.
    seq: int | None
    #: The event's primary key; None where there is no event or it is unknown.
    event_id: int | None
    #: The English sentence with named placeholders, and their values.
    template: str
    values: Mapping[str, object]

    @property
    def message(self) -> str:
        """The finding in English, for the command and its JSON."""
        return self.template % self.values

    @property
    def translated(self) -> str:
        """The finding in the reader's language."""
        return gettext(self.template) % self.values


@dataclass(slots=True)
class Findings:
    """The findings so far: all are counted, the first `MAX_FINDINGS` are kept."""

    named: list[Finding] = field(default_factory=list)
    count: int = 0

    def add(
        self,
        kind: Kind,
        template: str,
        *,
        seq: int | None = None,
        event_id: int | None = None,
        **values: object,
    ) -> None:
        """Add a finding; its values fill the template's placeholders."""
        self.count += 1
        if len(self.named) < MAX_FINDINGS:
            self.named.append(Finding(kind, seq, event_id, template, values))

    def add_gap(self, first: int, end: int, *, at_end: bool = False) -> None:
        """Add a finding for missing entries, from `first` until before `end`."""
        if at_end and end - first == 1:
            template = gettext_noop("Entry %(first)s is missing at the end of the log.")
        elif at_end:
            template = gettext_noop(
                "Entries %(first)s to %(last)s are missing at the end of the log."
            )
        elif end - first == 1:
            template = gettext_noop("Entry %(first)s is missing.")
        else:
            template = gettext_noop("Entries %(first)s to %(last)s are missing.")
        self.add("gap", template, seq=first, first=first, last=end - 1)
