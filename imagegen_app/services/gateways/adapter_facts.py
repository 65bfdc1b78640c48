"""Tell what adapters declare about themselves, without building one."""

from __future__ import annotations

from imagegen_app import conf
from imagegen_app.providers import registry
from imagegen_app.providers.registry import Adapter

__all__ = ["Adapter", "declared", "is_free"]


def declared(name: str) -> Adapter | None:
    """Return what an adapter declares, by the name that a provider has; None if there is none."""
    try:
        return registry.describe(conf.get().adapters.get(name, name))
    except registry.UnknownAdapter:
        return None


def is_free(name: str) -> bool:
    """Return whether nobody bills the calls of an adapter: it makes none, or asks the site's own server."""
    adapter = declared(name)
    return adapter is not None and adapter.is_free
