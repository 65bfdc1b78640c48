"""Write into each cell of a list what its column is called, so that a row can be shown as a card.

Themes draw the table themselves, with Django's own cells; those name their field in their class.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

if TYPE_CHECKING:
    from collections.abc import Iterable

_COLUMN: Final = re.compile(r"\bcolumn-([\w.-]+)")
_CELL: Final = re.compile(r'<(td|th) class="([^"]*\bfield-([\w.-]+)[^"]*)"')
#: Shown as blocks, a table loses its roles: they are written out.
_ROLES: Final = (
    (re.compile(r'<table id="result_list"'), '<table id="result_list" role="table"'),
    (re.compile(r"<(thead|tbody)>"), r'<\1 role="rowgroup">'),
    (re.compile(r"<tr>"), '<tr role="row">'),
    (re.compile(r'<th scope="col"'), '<th scope="col" role="columnheader"'),
    (re.compile(r'<td class="action-checkbox"'), '<td role="cell" class="action-checkbox"'),
)


def label_cells(table: str, headers: Iterable[dict[str, Any]]) -> SafeString:
    """Return a list's table with a label in each cell; what is no such table comes back as it is."""
    labels = {}
    for header in headers:
        found = _COLUMN.search(str(header.get("class_attrib", "")))
        if found is not None:
            labels[found[1]] = capfirst(str(header["text"]))

    def labelled(match: re.Match[str]) -> str:
        tag, classes, name = match.groups()
        role = "rowheader" if tag == "th" else "cell"
        label = format_html(' data-label="{}"', labels[name]) if name in labels else ""
        return f'<{tag} role="{role}"{label} class="{classes}"'

    text = _CELL.sub(labelled, table)
    for pattern, replacement in _ROLES:
        text = pattern.sub(replacement, text)
    # The table was safe; what was added is escaped.
    return SafeString(text)
