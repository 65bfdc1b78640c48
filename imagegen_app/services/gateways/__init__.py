"""Access to what lies outside the app: adapters, storage, screeners, the site's content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.deferred_modules import deferred_modules

if not TYPE_CHECKING:
    __getattr__ = deferred_modules(__name__)
