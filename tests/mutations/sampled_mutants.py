"""Draw a seeded sample from all mutants of a package, made by the operators of mutmut.

All code is mutated, decorated functions and module constants too, except what no test should pin:
docstrings, log messages, texts for translation, types (annotations, `if TYPE_CHECKING:`, names of
`Literal`), imports, decorators and `__all__`. As mutmut does, arguments of `len` and `isinstance` and
defaults that are calls are left alone.
"""

from __future__ import annotations

import ast
import difflib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRANSLATIONS = ("_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "pgettext")
_LOGGERS = ("logger", "_logger", "_log")
_LEFT_ALONE = (*_TRANSLATIONS, "ngettext_lazy", "npgettext", "len", "isinstance")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one expression or statement."""

    #: The module, its line and a number among the module's mutants.
    name: str
    #: Path relative to the root.
    module: str
    #: First and last line of the statement that is changed.
    lines: tuple[int, int]
    #: Qualified name of the outermost function around it; empty where it is run at import.
    function: str
    #: What goes, and what stands there instead.
    change: str
    #: The whole module with the change.
    source: str


@dataclass(frozen=True, slots=True)
class _Site:
    """A place that an operator changes, before the change is written out."""

    module: cst.Module
    path: str
    node: cst.CSTNode
    mutated: cst.CSTNode
    lines: tuple[int, int]
    line: int
    function: str
    number: int


def draw_sample(package: str, *, seed: int, count: int) -> tuple[list[Mutant], int]:
    """Return `count` mutants of a package of `imagegen_app`, and among how many they were drawn."""
    paths = sorted((ROOT / "imagegen_app" / package).rglob("*.py"))
    sites = [site for path in paths for site in _sites(path)]
    # The package is part of the seed, so that packages of equal size are drawn differently.
    random.Random(f"{package}:{seed}").shuffle(sites)  # noqa: S311 - no secret
    drawn: dict[str, Mutant] = {}
    for site in sites:
        if len(drawn) == count:
            break
        mutant = _written(site)
        # An operator may leave the text as it was, or break it.
        if mutant is not None:
            drawn.setdefault(mutant.source, mutant)
    return sorted(drawn.values(), key=lambda mutant: (mutant.module, mutant.lines, mutant.name)), (
        len(sites)
    )


def _sites(path: Path) -> Iterator[_Site]:
    wrapper = MetadataWrapper(
        cst.parse_module(path.read_text(encoding="utf-8")), unsafe_skip_copy=True
    )
    positions = wrapper.resolve(PositionProvider)
    number = 0
    for node, statement, function in _walk(wrapper.module, None, (), in_class=True):
        for kind, operator in mutation_operators:
            for mutated in operator(node) if isinstance(node, kind) else ():
                number += 1
                place = positions.get(node) or positions[statement or wrapper.module]
                whole = place
                if statement is not None and not isinstance(statement, cst.BaseCompoundStatement):
                    whole = positions[statement]
                yield _Site(
                    module=wrapper.module,
                    path=str(path.relative_to(ROOT)),
                    node=node,
                    mutated=mutated,
                    lines=(whole.start.line, whole.end.line),
                    line=place.start.line,
                    function=function,
                    number=number,
                )


def _written(site: _Site) -> Mutant | None:
    changed: Any = site.module.deep_replace(site.node, site.mutated)
    source = str(changed.code)
    if source == site.module.code or not _compiles(source):
        return None
    return Mutant(
        name=f"{site.path.removeprefix('imagegen_app/')}:{site.line}#{site.number}",
        module=site.path,
        lines=site.lines,
        function=site.function,
        change=_change(site.module.code, source),
        source=source,
    )


def _walk(
    node: cst.CSTNode, statement: cst.CSTNode | None, names: tuple[str, ...], *, in_class: bool
) -> Iterator[tuple[cst.CSTNode, cst.CSTNode | None, str]]:
    """Yield nodes with their statement and their outermost function."""
    if _is_left_alone(node):
        return
    if isinstance(node, cst.BaseSmallStatement | cst.BaseCompoundStatement):
        statement = node
    yield node, statement, "" if in_class else ".".join(names)
    for child in node.children:
        if isinstance(child, cst.ClassDef) and in_class:
            yield from _walk(child, statement, (*names, child.name.value), in_class=True)
        elif isinstance(child, cst.FunctionDef) and in_class:
            inner = (*names, child.name.value)
            # Its defaults are made when it is defined.
            yield from _walk(child.params, child, names, in_class=True)
            yield from _walk(child.body, child, inner, in_class=False)
        else:
            yield from _walk(child, statement, names, in_class=in_class)


def _is_left_alone(node: cst.CSTNode) -> bool:
    match node:
        case (
            cst.Annotation()
            | cst.Decorator()
            | cst.Import()
            | cst.ImportFrom()
            | cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString())  # a docstring
            | cst.If(test=cst.Name(value="TYPE_CHECKING"))
            | cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value="__all__")), *_])
            | cst.Assign(value=cst.Subscript(value=cst.Name(value="Literal")))  # a type
        ):
            return True
        case cst.Call(func=cst.Name(value=name)):
            return name in _LEFT_ALONE
        case cst.Call(func=cst.Attribute(value=cst.Name(value=name))):
            return name in _LOGGERS
        case cst.Param(default=default) if default is not None:
            return not isinstance(default, cst.Name | cst.BaseNumber | cst.BaseString)
        case _:
            return False


def _compiles(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _change(before: str, after: str) -> str:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0))[2:]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines if line[0] in "-+")
