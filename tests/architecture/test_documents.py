"""What the README and the documentation say agrees with the code."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management import get_commands

import imagegen_app
from imagegen_app import check_ids, conf
from imagegen_app.core import error_guide, errors, events, states
from imagegen_app.core.capability_overrides import NAMES
from imagegen_app.core.types import Operation
from imagegen_app.providers import registry
from imagegen_app.services.job_requests import argument_types
from imagegen_app.testing.contract import all_checks
from imagegen_app.testing.contract.planted import FAULTS
from tests.architecture.bare_site import fenced_blocks
from tests.architecture.tree import ROOT, kept_files, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

MAKE = 'python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e ".[{extras}]"'
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")
_SETTING = re.compile(r"IMAGEGEN\[\"(\w+)\"\]")
_COMMAND = re.compile(r"manage\.py (\w+)")
_FENCE = re.compile(r"^( *)```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def documents() -> list[Path]:
    """Return the pages that people read."""
    return [path for path in kept_files() if path.suffix == ".md"]


@functools.cache
def from_docs(name: str) -> Any:
    """Return a module that the documentation is built with."""
    folder = str(ROOT / "docs" / "_ext")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def reference_pages() -> Any:
    """Return the module that makes the reference pages."""
    return from_docs("reference_pages")


def readme() -> str:
    """Return the README."""
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_begins_with_its_two_commands() -> None:
    first, second, *_ = fenced_blocks(readme())

    assert first == MAKE.format(extras="demo") + " && .venv/bin/python manage.py demo"
    assert second == MAKE.format(extras="demo,dev") + " && .venv/bin/python -m pytest -q"


def test_the_quickstart_starts_as_the_readme_does() -> None:
    quickstart = (ROOT / "docs" / "tutorial" / "quickstart.md").read_text(encoding="utf-8")

    assert fenced_blocks(quickstart)[0] == fenced_blocks(readme())[0]


def faulty_pages(find: Callable[[Path, str], Collection[object]]) -> dict[str, list[object]]:
    """Return by page what is wrong in it: one test reads all pages, of which there are hundreds."""
    found = {name_of(path): find(path, path.read_text(encoding="utf-8")) for path in documents()}
    return {name: list(faults) for name, faults in found.items() if faults}


def test_links_lead_somewhere() -> None:
    assert (
        faulty_pages(
            lambda path, text: [to for to in _LINK.findall(text) if not (path.parent / to).exists()]
        )
        == {}
    )


def test_named_settings_exist() -> None:
    known = {field.name.upper() for field in dataclasses.fields(conf.Settings)}

    assert faulty_pages(lambda _path, text: set(_SETTING.findall(text)) - known) == {}


def test_named_commands_exist() -> None:
    known = set(get_commands())

    assert faulty_pages(lambda _path, text: set(_COMMAND.findall(text)) - known) == {}


def test_python_examples_hold() -> None:
    assert faulty_pages(lambda _path, text: _faults_of_examples(text)) == {}


def _faults_of_examples(text: str) -> list[str]:
    faults: list[str] = []
    for indent, source in _FENCE.findall(text):
        tree = ast.parse("\n".join(line.removeprefix(indent) for line in source.splitlines()))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("imagegen_app"):
                module = importlib.import_module(node.module or "")
                faults += [name.name for name in node.names if not hasattr(module, name.name)]
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "IMAGEGEN":
                conf.read(ast.literal_eval(node.value))
    return faults


def test_every_setting_is_in_the_reference_with_its_meaning() -> None:
    page = reference_pages().settings()

    for field in dataclasses.fields(conf.Settings):
        assert f"\n`{field.name.upper()}`\n: " in page
    assert "\n: - " not in page, "a setting has no `#:` line"


def test_every_event_is_in_the_reference() -> None:
    page = reference_pages().events()

    assert [name for name in events.EVENTS if f"| `{name}` |" not in page] == []


def test_every_error_is_in_the_reference() -> None:
    page = reference_pages().errors()

    assert [code for code in errors.all_errors() if f"`{code}`" not in page] == []
    guided = set(errors.all_errors()) & set(error_guide.GUIDES)
    assert [code for code in guided if f"| [`{code}`](../how-to/" not in page] == []


def test_every_check_and_every_planted_fault_of_the_contract_is_in_the_reference() -> None:
    pages = from_docs("contract_pages").PAGES

    checks, faults = pages["contract"](), pages["planted-faults"]()
    assert [check.name for check in all_checks() if f"| `{check.name}` |" not in checks] == []
    assert [fault.name for fault in FAULTS if f"| {fault.name} |" not in faults] == []


def test_every_provider_is_in_the_reference_with_each_operation() -> None:
    page = reference_pages().PAGES["providers"]()

    assert [name for name in registry.adapter_names() if f"| `{name}` |" not in page] == []
    assert [operation for operation in Operation if f"| `{operation}` |" not in page] == []


def test_every_option_and_every_correction_is_in_the_reference() -> None:
    pages = reference_pages().PAGES
    options, fields = pages["adapter-options"](), pages["capabilities"]()

    declared = {name for entry in registry.describe_all() for name in entry.options}
    assert declared
    assert [name for name in declared if f"`{name}`" not in options] == []
    assert [name for name in NAMES if f"`{name}`" not in fields] == []
    assert "| - |" not in fields


def test_every_check_is_in_the_reference_with_its_remedy() -> None:
    page = reference_pages().system_checks()
    found = reference_pages().found_checks()

    assert {identity for identity, *_ in found} == set(check_ids.CHECKS)
    assert [identity for identity, _, text, hint in found if not (text and hint)] == []
    assert [identity for identity in check_ids.CHECKS if f"| `{identity}` |" not in page] == []


def test_every_command_is_in_the_reference_and_says_what_it_does() -> None:
    page = reference_pages().commands()

    ours = reference_pages().our_commands()
    assert {"demo", "imagegen_audit", "imagegen_generate", "imagegen_worker"} <= set(ours)
    assert [name for name in ours if f"**`manage.py {name}`**: -\n" in page] == []


def test_every_transition_is_in_the_reference_and_in_the_drawing() -> None:
    page = reference_pages().job_states()
    drawing = from_docs("state_drawing")

    for source, targets in states.JOB_TRANSITIONS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{source}` |")]
        assert all(f"`{target}`" in row.split("|")[3] for target in targets)
    drawn = {(source, end) for source, _, words in drawing.edges() for end in _ends(words)}
    assert drawn == {
        (s.value, t.value) for s, targets in states.JOB_TRANSITIONS.items() for t in targets
    }


def _ends(words: str) -> list[str]:
    return words.partition(" to ")[2].split(", ")


def test_every_public_name_is_in_the_reference_with_what_it_raises() -> None:
    pages = from_docs("python_pages")
    functions, exceptions = pages.functions(), pages.exceptions()

    for name in imagegen_app.__all__:
        thing = getattr(imagegen_app, name)
        shown = (
            f"| `{name}` |" in exceptions if inspect.isclass(thing) else f"def {name}(" in functions
        )
        assert shown, name
    # A function that raises an exception of the package says so, and no exception stands alone.
    assert re.findall(r"\| - \|$", exceptions, re.MULTILINE) == []
    ast.parse("\n".join(block for _, block in _FENCE.findall(functions)))


def test_every_keyword_and_field_of_the_python_reference_has_its_meaning() -> None:
    pages = from_docs("python_pages")

    assert pages.MEANINGS.keys() == argument_types._EXPECTED.keys()
    for name in argument_types._EXPECTED:
        assert f"| `{name}` |" in pages.keywords()
    assert "| - |\n" not in pages.values(), "a field has no `#:` line"


def test_every_extra_is_on_the_page_about_installing_or_known_to_be_ours() -> None:
    pages = from_docs("install_pages")

    declared = set(pages.project()["optional-dependencies"])
    assert declared == pages.EXTRAS.keys() | pages.OURS
    assert [name for name in pages.EXTRAS if f"| `{name}` |" not in pages.extras()] == []
    for version in ("3.11", "5.2"):
        assert version in pages.requirements()


def test_every_generated_page_is_shown_somewhere() -> None:
    shown = {
        name
        for path in documents()
        for name in re.findall(r"{from-code} ([\w-]+)", path.read_text(encoding="utf-8"))
    }

    assert shown == from_docs("from_code").PAGES.keys()


def test_a_remedy_in_the_reference_is_no_name_of_the_codes() -> None:
    page = reference_pages().system_checks()

    assert re.findall(r"\| \{[^{}]*\} \|", page) == []
