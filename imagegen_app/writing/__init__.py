"""Text models, which suggest and improve prompts; plain Python without Django."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.deferred_modules import deferred_modules

if not TYPE_CHECKING:
    __getattr__ = deferred_modules(__name__)
