"""Bring governed AI image generation to Django content platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.core.deferred_modules import deferred_modules

if TYPE_CHECKING:
    from imagegen_app.shortcuts import (
        ActionRefused,
        CannotPlace,
        IdempotencyConflict,
        ImageFileMissing,
        InvalidJobRequest,
        InvalidSetup,
        NoPrice,
        NotGranted,
        NotPermitted,
        OverBudget,
        PromptBlocked,
        StorageUnavailable,
        TemplateNotAllowed,
        attach,
        estimate,
        generate,
        set_up,
    )

__all__ = [
    "ActionRefused",
    "CannotPlace",
    "IdempotencyConflict",
    "ImageFileMissing",
    "InvalidJobRequest",
    "InvalidSetup",
    "NoPrice",
    "NotGranted",
    "NotPermitted",
    "OverBudget",
    "PromptBlocked",
    "StorageUnavailable",
    "TemplateNotAllowed",
    "attach",
    "estimate",
    "generate",
    "set_up",
]


def __getattr__(name: str) -> Any:
    # Imported on first use: models cannot be imported before Django's apps are ready.
    if name in __all__:
        from imagegen_app import shortcuts  # noqa: PLC0415 - see above

        return getattr(shortcuts, name)
    if name == "conf":
        # Its two dozen classes are of no use before the first setting is read.
        return deferred_modules(__name__)(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
