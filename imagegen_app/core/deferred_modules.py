"""Import the modules of a package when they are first used, so that a site starts quickly.

`django.setup()` imports the whole admin, and the admin names nearly every module of ours. With

    if not TYPE_CHECKING:
        __getattr__ = deferred_modules(__name__)

in a package, `from package import module` imports nothing yet: the first attribute of the module that
is used does. `from package.module import name` imports at once, as ever.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class DeferredModule:
    """Stands for a module until it is used, and passes everything on to it."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        object.__setattr__(self, "_path", path)

    # All of it, also `__dict__` and `__class__`: whoever patches or inspects sees the module.
    def __getattribute__(self, name: str) -> Any:
        return getattr(_module(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_module(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_module(self), name)

    def __dir__(self) -> list[str]:
        return dir(_module(self))

    def __repr__(self) -> str:
        return f"<deferred module {object.__getattribute__(self, '_path')!r}>"


def deferred_modules(package: str) -> Callable[[str], object]:
    """Return the `__getattr__` of a package whose modules are imported when they are first used."""

    def get(name: str) -> object:
        path = f"{package}.{name}"
        # A name with underscores at both ends is asked for by Python itself.
        spec = None if name.startswith("__") else find_spec(path)
        if spec is None or spec.submodule_search_locations is not None:
            # No module, or a package: Python imports the latter at once, as if we were not here.
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # Python puts the module itself here as soon as it is imported.
        return sys.modules[package].__dict__.setdefault(name, DeferredModule(path))

    return get


def _module(deferred: DeferredModule) -> object:
    # Python's own lock of the module is held, so that no thread sees half of it.
    return import_module(object.__getattribute__(deferred, "_path"))
