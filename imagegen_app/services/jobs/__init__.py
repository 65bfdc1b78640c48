"""The life of a job and of a call for a text: transitions, leases, rate limits and circuit breakers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.deferred_modules import deferred_modules

if not TYPE_CHECKING:
    __getattr__ = deferred_modules(__name__)
