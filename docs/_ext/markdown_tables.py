"""Write Markdown tables from values, and find what the code says of its names."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NONE = "-"


def cell(value: object) -> str:
    """Return a value as one table cell."""
    return " ".join(str(value).split()).replace("|", "\\|") or NONE


def code(value: object) -> str:
    """Return a value as code in a table cell."""
    return f"`{cell(value)}`"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; cells are escaped already where they are code."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(str(value) for value in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def notes(thing: Any) -> dict[str, str]:
    """Return the `#:` lines above the names assigned in a class or module."""
    source = textwrap.dedent(inspect.getsource(thing))
    lines = source.splitlines()
    tree = ast.parse(source)
    body = tree.body
    if inspect.isclass(thing) and isinstance(body[0], ast.ClassDef):
        body = body[0].body
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.AnnAssign):
            target: ast.expr = node.target
        elif isinstance(node, ast.Assign):
            target = node.targets[0]
        else:
            continue
        if not isinstance(target, ast.Name):
            continue
        above: list[str] = []
        for line in reversed(lines[: node.lineno - 1]):
            if not line.strip().startswith("#:"):
                break
            above.insert(0, line.strip().removeprefix("#:").strip())
        found[target.id] = " ".join(above)
    return found


def first_line(thing: Any) -> str:
    """Return the first sentence of a docstring."""
    return cell((inspect.getdoc(thing) or "").split("\n\n", maxsplit=1)[0])
