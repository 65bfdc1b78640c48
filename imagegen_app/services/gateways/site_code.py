"""Find code named in the settings that cannot be imported, or not called as a worker will call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.captioning.base import Captioner
from imagegen_app.engines.base import SettingsIssue
from imagegen_app.moderation.base import Screener
from imagegen_app.providers import configured_code
from imagegen_app.providers.base import ProviderAdapter
from imagegen_app.providers.configured_code import CodeUnusable
from imagegen_app.providers.credentials import looks_like_secret
from imagegen_app.secret_stores import stores
from imagegen_app.services.gateways import cache_purge
from imagegen_app.writing.base import TextModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app import conf

#: The named argument with which `providers.registry` builds every adapter.
ADAPTER_ARGUMENTS = ("account",)


def issues(settings: conf.Settings) -> Iterator[SettingsIssue]:
    """Yield what is wrong with sources of keys, adapters, content checks, captioner and text model."""
    yield from _sources(settings)
    yield from _adapters(settings)
    yield from _backends(settings)
    yield from _purge(settings)


def _purge(settings: conf.Settings) -> Iterator[SettingsIssue]:
    if not settings.purge:
        return
    try:
        cache_purge.require_callable(settings.purge)
    except CodeUnusable as problem:
        yield SettingsIssue(
            "E070",
            f"IMAGEGEN['PURGE'] cannot be used: {problem}.",
            "Name a function that takes a list of URLs and removes them from the site's caches.",
        )


def _sources(settings: conf.Settings) -> Iterator[SettingsIssue]:
    for name, entry in settings.credentials.items():
        for key, value in (("SOURCE", entry.source), ("WEBHOOK_SOURCE", entry.webhook_source)):
            for source in (value,) if isinstance(value, str) else value:
                if problem := _source_problem(source):
                    yield SettingsIssue(
                        "E005",
                        f"IMAGEGEN['CREDENTIALS'][{name!r}][{key!r}] cannot be used: {problem}.",
                        "Name env:NAME, file:/path, a place in a store of keys, or a function that "
                        "takes no arguments and returns the key as text.",
                    )


def _source_problem(source: str) -> str:
    """Return why a source cannot be used, as far as can be told without asking it."""
    try:
        if stores.is_stored(source):
            stores.reader(source)
            return stores.package_problem(source)
        is_path = "." in source and not source.startswith(("env:", "file:"))
        if is_path and not looks_like_secret(source):
            configured_code.require_source(source)
    except (CodeUnusable, ValueError) as problem:
        return str(problem)
    return ""


def _adapters(settings: conf.Settings) -> Iterator[SettingsIssue]:
    for name, path in settings.adapters.items():
        try:
            configured_code.require_class(
                path, protocol=ProviderAdapter, arguments=ADAPTER_ARGUMENTS
            )
            _require_recovery(path)
        except CodeUnusable as problem:
            yield SettingsIssue(
                "E043",
                f"IMAGEGEN['ADAPTERS'][{name!r}] cannot be used: {problem}.",
                "Name a class with the methods of imagegen_app.providers.base.ProviderAdapter, "
                f"which is built with one argument, {ADAPTER_ARGUMENTS[0]}.",
            )


def _require_recovery(path: str) -> None:
    if not hasattr(configured_code.load(path), "recovery"):
        raise CodeUnusable("it does not say by `recovery` how a lost answer is found")


def _backends(settings: conf.Settings) -> Iterator[SettingsIssue]:
    for entry in settings.screeners:
        if problem := _why_unusable(entry.backend, protocol=Screener):
            yield SettingsIssue(
                "E008",
                f"The content check {entry.name!r} cannot be used: {problem}.",
                f"Give {entry.backend} the methods of imagegen_app.moderation.base.Screener.",
            )
    backend = settings.captioner.backend
    if backend and (problem := _why_unusable(backend, protocol=Captioner)):
        yield SettingsIssue(
            "E038",
            f"The captioner cannot be used: {problem}.",
            f"Give {backend} the methods of imagegen_app.captioning.base.Captioner.",
        )
    backend = settings.text_model.backend
    if backend and (problem := _why_unusable(backend, protocol=TextModel)):
        yield SettingsIssue(
            "E040",
            f"The text model cannot be used: {problem}.",
            f"Give {backend} the methods of imagegen_app.writing.base.TextModel.",
        )


def _why_unusable(path: str, *, protocol: type) -> str:
    """Return why a class lacks what a protocol asks for; empty if it does not.

    That it cannot be imported is reported where it is built with its options.
    """
    try:
        kind = configured_code.load(path)
    except CodeUnusable:
        return ""
    try:
        if isinstance(kind, type):
            configured_code.require_methods(kind, protocol=protocol)
    except CodeUnusable as problem:
        return str(problem)
    return ""
