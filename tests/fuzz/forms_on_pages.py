"""Read what a page's forms would send, and record which parameters a view asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

#: Sent by every form, and about the session rather than about us.
IGNORED = frozenset({"csrfmiddlewaretoken", "_method"})
_SILENT = frozenset({"submit", "button", "reset", "file"})


class _Fields(HTMLParser):
    """Collects the fields of all forms with their present values."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self.buttons: set[str] = set()
        self._select, self._textarea = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "option" and self._select:
            if "selected" in given or not self.values[self._select]:
                self.values[self._select] = [given.get("value", "")]
        elif not name:
            return
        elif tag == "select":
            self._select = name
            self.values.setdefault(name, [])
        elif tag == "textarea":
            self._textarea = name
            self.values[name] = [""]
        elif tag == "button" or (tag == "input" and given.get("type") in _SILENT):
            self.buttons.add(name)
        elif tag == "input":
            is_box = given.get("type") in {"checkbox", "radio"}
            if not is_box or "checked" in given or name not in self.values:
                self.values[name] = [given.get("value", "on")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.values[self._textarea][0] += data


def fields_of(html: str) -> tuple[dict[str, list[str]], set[str]]:
    """Return the fields of a page's forms with their values, and the names of its buttons."""
    parser = _Fields()
    parser.feed(html)
    values = {name: value for name, value in parser.values.items() if name not in IGNORED}
    return values, parser.buttons - IGNORED


@contextmanager
def recorded_names() -> Iterator[set[str]]:
    """Record every name that is looked up in a request's parameters meanwhile."""
    names: set[str] = set()

    def recording(method: str) -> Any:
        original = getattr(MultiValueDict, method)

        def look_up(self: Any, key: Any, *arguments: Any) -> Any:
            if isinstance(self, QueryDict) and isinstance(key, str) and key not in IGNORED:
                names.add(key)
            return original(self, key, *arguments)

        return look_up

    with pytest.MonkeyPatch.context() as patch:
        for method in ("__getitem__", "get", "getlist", "__contains__"):
            patch.setattr(MultiValueDict, method, recording(method))
        yield names
