"""Say why code that a site names in its settings cannot be imported, or cannot be called as it will be."""

from __future__ import annotations

import importlib
import inspect
from typing import Any


class CodeUnusable(Exception):
    """The named code cannot be used; the message says why and holds no value of a setting."""


def load(path: str) -> Any:
    """Import what a dotted path (`package.module.name` or `package.module:name`) names.

    :raises CodeUnusable: if there is no such thing, or its module fails while it is imported.
    """
    module, separator, name = path.partition(":")
    if not separator:
        module, _, name = path.rpartition(".")
    if not module or not name:
        raise CodeUnusable("it is not a dotted path")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise CodeUnusable(f"its module cannot be imported ({error})") from None
    except Exception as error:  # noqa: BLE001 - a site's own module may raise anything
        raise CodeUnusable(f"its module fails when imported ({type(error).__name__})") from None
    try:
        return getattr(found, name)
    except AttributeError:
        raise CodeUnusable(f"the module {module} has no {name}") from None


def require_source(path: str) -> None:
    """Require that a path names a function without arguments that returns a key, not a coroutine.

    :raises CodeUnusable: if it does not.
    """
    function = load(path)
    if not callable(function):
        raise CodeUnusable("it is not callable")
    if inspect.iscoroutinefunction(function):
        raise CodeUnusable("it is asynchronous")
    _require_call(function, (), {})


def require_arguments(function: Any, count: int) -> None:
    """Require that a function can be called with so many positional arguments.

    :raises CodeUnusable: if it cannot.
    """
    _require_call(function, (None,) * count, {})


def require_class(path: str, *, protocol: type, arguments: tuple[str, ...]) -> None:
    """Require that a path names a class that takes these arguments and has a protocol's methods.

    :raises CodeUnusable: if it does not; the message names the first thing that is wrong.
    """
    kind = load(path)
    if not callable(kind):
        raise CodeUnusable("it is not callable")
    _require_call(kind, (), dict.fromkeys(arguments))
    if inspect.isclass(kind):
        # What a function would return is not known before it is called.
        require_methods(kind, protocol=protocol)


def require_methods(kind: type, *, protocol: type) -> None:
    """Require that a class has the methods of a protocol, and that they take the same arguments.

    :raises CodeUnusable: if it does not; the message names the first thing that is wrong.
    """
    for name, wanted in inspect.getmembers(protocol, inspect.isfunction):
        if name.startswith("_"):
            continue
        method = inspect.getattr_static(kind, name, None)
        if method is None:
            raise CodeUnusable(f"it has no method {name}")
        function = getattr(kind, name)
        if inspect.iscoroutinefunction(wanted) != inspect.iscoroutinefunction(function):
            how = "asynchronous" if inspect.iscoroutinefunction(wanted) else "an ordinary method"
            raise CodeUnusable(f"its method {name} must be {how}")
        positional, named = _arguments_of(wanted)
        if isinstance(method, staticmethod | classmethod):
            positional = positional[1:]
        try:
            _require_call(function, positional, named)
        except CodeUnusable as error:
            raise CodeUnusable(f"its method {name} cannot be called: {error}") from None


def _arguments_of(function: Any) -> tuple[tuple[None, ...], dict[str, None]]:
    parameters = inspect.signature(function).parameters.values()
    named = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY}
    return (None,) * (len(parameters) - len(named)), named


def _require_call(function: Any, positional: tuple[None, ...], named: dict[str, None]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Written in C, without a description.
        return
    try:
        signature.bind(*positional, **named)
    except TypeError as error:
        raise CodeUnusable(str(error)) from None
