"""Find the service functions that write and that buttons, forms, commands and views call."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import textwrap
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from imagegen_app.services.foundation import unit

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "imagegen_app"
#: What a person or another program acts through; the worker's tasks are repeated by design.
FRONT_ENDS = (
    "admin",
    "contrib",
    "forms",
    "management",
    "serving",
    "shortcuts.py",
    "templatetags",
    "webhooks",
)
_SERVICES = "imagegen_app.services."


def commands() -> set[str]:
    """Return the writing service functions that front ends call, such as `library.review.approve`."""
    found: set[str] = set()
    for module in _front_end_modules():
        tree = ast.parse(inspect.getsource(module))
        found |= {
            _name(function) for function in _called(tree, vars(module)) if _is_writing(function)
        }
    return found


def _front_end_modules() -> Iterator[ModuleType]:
    for part in FRONT_ENDS:
        top = PACKAGE / part
        for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if "migrations" not in name:
                yield importlib.import_module(name.removesuffix(".__init__"))


def _called(tree: ast.AST, names: dict[str, Any]) -> Iterator[FunctionType]:
    """Yield the service functions that a piece of code names, by themselves or of their module."""
    for node in ast.walk(tree):
        thing: Any = None
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = names.get(node.value.id)
            if isinstance(owner, ModuleType):
                thing = vars(owner).get(node.attr)
        elif isinstance(node, ast.Name):
            thing = names.get(node.id)
        if isinstance(thing, FunctionType) and thing.__module__.startswith(_SERVICES):
            yield thing


@functools.cache
def _is_writing(function: FunctionType) -> bool:
    """Return whether a function is a use case, or calls one."""
    pending, seen = [function], set()
    while pending:
        one = pending.pop()
        if one in seen:
            continue
        seen.add(one)
        if _is_use_case(one):
            return True
        plain = inspect.unwrap(one)
        tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
        pending += list(_called(tree, plain.__globals__))
    return False


def _is_use_case(function: FunctionType) -> bool:
    return function.__code__.co_filename == unit.__file__ and hasattr(function, "__wrapped__")


def _name(function: FunctionType) -> str:
    return f"{function.__module__}.{function.__name__}".removeprefix(_SERVICES)
