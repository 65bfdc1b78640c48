"""Our pages hold under a strict content security policy: nothing inline."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, kept_files, name_of

_TEMPLATE_CODE = re.compile(r"{%.*?%}|{#.*?#}|{{.*?}}", re.DOTALL)


class _InlineCode(HTMLParser):
    """Collect inline scripts, styles and event attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        line = self.getpos()[0]
        data_only = given.get("type") in {"application/json", "application/ld+json"}
        if tag == "script" and "src" not in given and not data_only:
            self.found.append(f"line {line}: inline script")
        if tag == "style":
            self.found.append(f"line {line}: inline style sheet")
        for name, value in given.items():
            if name == "style" or name.startswith("on"):
                self.found.append(f"line {line}: {name} attribute")
            if (value or "").strip().lower().startswith("javascript:"):
                self.found.append(f"line {line}: javascript address")


def inline_code(source: str) -> list[str]:
    """Return what a strict policy would refuse in a template."""
    parser = _InlineCode()
    # Blank out template code but keep the lines, so that `{% if a > b %}` cannot confuse the parser.
    parser.feed(_TEMPLATE_CODE.sub(lambda match: "\n" * match.group().count("\n") + "x", source))
    return parser.found


def templates() -> list[Path]:
    """Return our templates and the pages that the project adds."""
    return [
        path
        for path in kept_files()
        if path.suffix == ".html" and "docs" not in name_of(path).split("/")
    ]


def test_templates_are_found() -> None:
    assert any(path.is_relative_to(PACKAGE / "templates") for path in templates())


@pytest.mark.parametrize("path", templates(), ids=name_of)
def test_a_template_carries_nothing_inline(path: Path) -> None:
    assert inline_code(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "breach",
    [
        "<script>alert(1)</script>",
        "<style>p { color: red }</style>",
        '<p style="color: red">',
        '<button {% if a > b %}disabled{% endif %} onclick="go()">',
        '<a href="javascript:go()">',
    ],
)
def test_a_breach_is_seen(breach: str) -> None:
    assert inline_code(breach)


def test_what_the_policy_allows_is_allowed() -> None:
    allowed = (
        '<script type="module" src="a.js"></script><script type="application/json">{}</script>'
    )

    assert inline_code(allowed) == []
