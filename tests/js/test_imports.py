"""The form of our scripts' imports, which lets their names be hashed and their order be known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import imagegen_app

STATIC = Path(imagegen_app.__file__).parent / "static"
TEMPLATES = Path(imagegen_app.__file__).parent / "templates"
SCRIPTS = STATIC / "imagegen_app" / "js"
_ALL = sorted(SCRIPTS.rglob("*.js"))
_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
_STATEMENT = re.compile(r"""^(?:import|export)\b[^;'"]*?["']([^"']+)["'];$""", re.MULTILINE)
_DYNAMIC = re.compile(r"""\bimport\(["']([^"']+)["']\)""")
_NAMED = re.compile(r"""{% static ["'](imagegen_app/[^"']+\.(?:css|js))["'] %}""")
_EXTENDED = re.compile(r"""{% (?:extends|include) ["'](imagegen_app/[^"']+)["']""")
_STUDIO = "imagegen_app/admin/studio/form.html"
_BUDGET_BYTES = 250_000


def imports(source: str) -> list[str]:
    """Return what a module imports, in the form that is hashed."""
    return [*_STATEMENT.findall(source), *_DYNAMIC.findall(source)]


def faults(source: str) -> list[str]:
    """Return what of a module's imports would stay unhashed, or hide from whoever hashes them."""
    comments = "\n".join(_COMMENT.findall(source))
    code = _COMMENT.sub("", source)
    found = imports(code)
    told = [f"not relative: {one}" for one in found if not re.fullmatch(r"\.{1,2}/.+\.js", one)]
    # Statements of several lines included.
    begun = re.findall(r"""^(?:import\b(?!\()|export\b[^;]*?\bfrom\b)""", code, re.MULTILINE)
    if len(begun) != len(_STATEMENT.findall(code)):
        told.append("an import in another form")
    if len(re.findall(r"\bimport\(", code)) != len(_DYNAMIC.findall(code)):
        told.append("a dynamic import whose name is not written out")
    if "new URL(" in code and "import.meta" in code:
        told.append("an address made from the module's own")
    if re.search(r"""\bimport\(|\bfrom ["']""", comments):
        told.append("an import in a comment")
    return told


@pytest.mark.parametrize("path", _ALL, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_imports_are_written_in_the_form_that_is_hashed(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('import { a } from "lib/a.js";', "not relative: lib/a.js"),
        ('import { a } from "../lib/a.js"', "an import in another form"),
        ("const a = await import(name);", "a dynamic import whose name is not written out"),
        ('// as in import("./a.js")', "an import in a comment"),
        ('new URL("../a.css", import.meta.url)', "an address made from the module's own"),
    ],
)
def test_other_forms_are_found(source: str, fault: str) -> None:
    assert fault in faults(source)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        path: [(path.parent / one).resolve() for one in imports(path.read_text(encoding="utf-8"))]
        for path in _ALL
    }
    finished: set[Path] = set()

    def walk(path: Path, way: tuple[Path, ...]) -> None:
        assert path not in way, [one.name for one in (*way, path)]
        assert path in graph, f"{way[-1].name} imports {path.name}, which does not exist"
        if path not in finished:
            for one in graph[path]:
                walk(one, (*way, path))
            finished.add(path)

    for path in _ALL:
        walk(path, ())


def test_elements_are_short_and_pure_modules_touch_no_document() -> None:
    touching = {"define", "focus", "html", "morph"}
    long = [p.name for p in _ALL if len(p.read_text(encoding="utf-8").splitlines()) > 300]
    impure = [
        p.name
        for p in sorted((SCRIPTS / "lib").rglob("*.js"))
        if p.stem not in touching
        and re.search(r"\bdocument\b", _COMMENT.sub("", p.read_text(encoding="utf-8")))
    ]

    assert long == []
    assert impure == []


def named_files(template: Path, *, seen: set[Path]) -> set[Path]:
    """Return our scripts and styles that a template names, with those it extends and those they import."""
    source = template.read_text(encoding="utf-8")
    found = {STATIC / name for name in _NAMED.findall(source)}
    for name in _EXTENDED.findall(source):
        other = TEMPLATES / name
        if other.exists() and other not in seen:
            found |= named_files(other, seen={*seen, other})
    waiting = [path for path in found if path.suffix == ".js"]
    while waiting:
        path = waiting.pop()
        for name in imports(path.read_text(encoding="utf-8")):
            taken = (path.parent / name).resolve()
            if taken not in found:
                found.add(taken)
                waiting.append(taken)
    return found


@pytest.mark.parametrize(
    "template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES))
)
def test_the_scripts_and_styles_of_a_page_are_within_its_budget(template: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in named_files(template, seen={template})}

    assert sum(sizes.values()) <= _BUDGET_BYTES, sizes


def test_the_files_of_a_page_are_found() -> None:
    found = {path.name for path in named_files(TEMPLATES / _STUDIO, seen=set())}

    # Its own, its frame's, and what its scripts import.
    assert {"studio.css", "tokens.css", "studio.js", "define.js"} <= found
