"""Every error has a remedy in the admin and a section in the documentation."""

from __future__ import annotations

import ast
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import override

import imagegen_app
from imagegen_app.core.error_guide import GUIDES, Cause, ErrorGuide, guide_to
from imagegen_app.core.errors import ProviderError, all_errors
from imagegen_app.services.foundation import error_help

PACKAGE = Path(imagegen_app.__file__).parent
PAGE = PACKAGE.parent / "docs" / "how-to" / "troubleshooting.md"
BILLED = {"no": "no", "yes": "yes", "unknown": "perhaps"}
TERMS = ("Whose matter", "Billed", "The editor", "The administrator")
each_code = pytest.mark.parametrize("code", sorted(GUIDES))


def our_errors() -> dict[str, type[ProviderError]]:
    """Return every error class of the package by its code."""
    for name in ("core", "providers", "imaging", "moderation", "services"):
        package = import_module(f"imagegen_app.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    return {
        code: kind
        for code, kind in all_errors().items()
        if kind.__module__.startswith("imagegen_app.")
    }


def stored_codes() -> set[str]:
    """Return the error codes that services store as literals, without a class."""
    return {
        keyword.value.value
        for path in (PACKAGE / "services").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "error_code"
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
        and keyword.value.value
    }


def sections() -> dict[str, dict[str, str]]:
    """Return the documentation's sections by code, each as its terms with their texts."""
    found = {}
    for part in re.split(r"^\(error-", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        anchor, code = re.match(r"([a-z-]+)\)=\n### `(\w+)`\n", part).groups()  # type: ignore[union-attr]
        assert f"error-{anchor}" == error_help.section_id(code)
        found[code] = dict(re.findall(r"^([A-Z][a-z ]+)\n: (.+)$", part, flags=re.MULTILINE))
    return found


def test_every_error_that_can_be_stored_has_a_guide_and_a_section() -> None:
    codes = set(our_errors()) | stored_codes() | {"step_missing"}

    assert set(GUIDES) == codes
    assert set(sections()) == codes


@each_code
def test_a_section_tells_all_that_people_ask_as_the_code_has_it(code: str) -> None:
    section, guide = sections()[code], GUIDES[code]

    assert tuple(section) == TERMS
    assert section["Whose matter"] == guide.cause.value
    assert section["Billed"] == BILLED[guide.billed]


@each_code
def test_a_guide_says_what_the_class_of_the_error_says(code: str) -> None:
    kind = our_errors().get(code)

    assert kind is None or (GUIDES[code].remedy, GUIDES[code].billed) == (kind.remedy, kind.billed)


@each_code
def test_both_remedies_are_one_line_and_translated(code: str) -> None:
    english = error_help.error_help(code)

    for text in (english.remedy, english.administrator):
        assert re.fullmatch(r"[A-Z][^\n]{10,150}\.", text)
    for language in ("de", "fr"):
        with override(language):
            translated = error_help.error_help(code)
        assert translated.remedy != english.remedy
        assert translated.administrator != english.administrator


def test_only_what_the_request_caused_asks_for_another_request() -> None:
    asks = re.compile(r"\b(prompt|input image|parameters)\b")

    blamed = {code for code, guide in GUIDES.items() if asks.search(guide.remedy)}

    assert blamed
    assert {GUIDES[code].cause for code in blamed} == {Cause.REQUEST}
    account = {code for code, guide in GUIDES.items() if guide.cause is Cause.ACCOUNT}
    assert account == {
        "authentication_failed",
        "permission_denied",
        "quota_exhausted",
        "rate_limited",
    }


def test_without_a_documentation_url_there_is_no_link(settings: Any) -> None:
    assert error_help.docs_url("rate_limited") == ""

    settings.IMAGEGEN = {**settings.IMAGEGEN, "DOCS_URL": "https://docs.example/imagegen/"}

    assert error_help.docs_url("rate_limited") == (
        "https://docs.example/imagegen/how-to/troubleshooting.html#error-rate-limited"
    )


def test_an_unknown_code_has_no_help_and_an_adapters_own_has_that_of_its_class() -> None:
    class Overheated(ProviderError):
        """The provider is overheated."""

        code = "overheated_for_the_guide"
        billed = "yes"
        remedy = "Let it cool down."

    assert error_help.error_help("never_heard_of") == error_help.ErrorHelp("", "", "")
    assert guide_to(Overheated.code) == ErrorGuide(Cause.UNKNOWN, "yes", "Let it cool down.")


def quoted_messages() -> list[str]:
    """Return what the page's tables say that people read, up to what stands in braces there."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", PAGE.read_text(), flags=re.MULTILINE)
    quotes = re.compile(r"[A-Z“]|… (jobs|does|has)|asset …|there is no|the value is")
    return [row for row in rows if quotes.match(row) and not row.startswith("`")]


def test_a_message_that_the_page_quotes_is_one_of_ours() -> None:
    catalogue = (PACKAGE / "locale/en/LC_MESSAGES/django.po").read_text(encoding="utf-8")
    source = (PACKAGE / "services/library/pictures.py").read_text(encoding="utf-8")
    ours = re.sub(r"%\(\w+\)\w|{[^}]+}", "…", re.sub(r'"\n"', "", catalogue) + source)

    messages = quoted_messages()

    assert len(messages) >= 20
    for message in messages:
        for piece in re.split(r"“?…”?|\(.*?\)", message):
            assert piece.strip(" ,:") in ours, message
