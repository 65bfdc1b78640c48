"""Form parts that several front ends use: widgets, fields, mixins for model admins, and navigation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.deferred_modules import deferred_modules

if not TYPE_CHECKING:
    __getattr__ = deferred_modules(__name__)
