"""Know the stores by the first word of a source, such as `vault:`."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.secret_stores import aws, azure, google, vault
from imagegen_app.secret_stores.base import PackageMissing

if TYPE_CHECKING:
    from collections.abc import Callable

_STORES: Final[dict[str, Any]] = {"aws": aws, "azure": azure, "google": google, "vault": vault}
PREFIXES: Final = tuple(f"{kind}:" for kind in _STORES)


def title(source: str) -> str:
    """Return what people call the store of a source."""
    return str(_STORES[source.partition(":")[0]].TITLE)


def is_stored(source: str) -> bool:
    """Tell whether a source names a place in a store."""
    return source.startswith(PREFIXES)


def reader(source: str) -> Callable[[], object]:
    """Return the function that reads a source of a store; it may raise what the store's client raises.

    :raises ValueError: if the place is spelled otherwise; the message says how, and repeats nothing.
    """
    kind, _, location = source.partition(":")
    store = _STORES[kind]
    try:
        read: Callable[[], object] = store.reader(location)
    except ValueError as spelling:
        raise ValueError(f"write {spelling}") from None

    def read_with_package() -> object:
        if problem := package_problem(source):
            raise PackageMissing(problem)
        return read()

    return read_with_package


def package_of(source: str) -> tuple[str, str]:
    """Return the package that a stored source needs, and the extra that brings it."""
    store = _STORES[source.partition(":")[0]]
    return str(store.PACKAGE), str(store.EXTRA)


def package_problem(source: str) -> str:
    """Return which package a source lacks, with how to install it; empty if it lacks none."""
    if not is_stored(source):
        return ""
    store = _STORES[source.partition(":")[0]]
    try:
        is_installed = importlib.util.find_spec(store.PACKAGE) is not None
    except ModuleNotFoundError:
        is_installed = False
    if is_installed:
        return ""
    return (
        f"the package {store.PACKAGE} is not installed: pip install 'imagegen-app[{store.EXTRA}]'"
    )
