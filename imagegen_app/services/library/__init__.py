"""Existing assets: choose, review, place, deliver, export and take down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.deferred_modules import deferred_modules

if not TYPE_CHECKING:
    __getattr__ = deferred_modules(__name__)
