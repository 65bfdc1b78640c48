"""The admin: one module per group of models, on a base that writes only through use cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.deferred_modules import deferred_modules

if not TYPE_CHECKING:
    # What only pages use is imported with the first of them; these lines stand before the tables.
    __getattr__ = deferred_modules(__name__)

import imagegen_app.admin.assets
import imagegen_app.admin.attempts
import imagegen_app.admin.audit
import imagegen_app.admin.brand_kits
import imagegen_app.admin.catalog
import imagegen_app.admin.jobs
import imagegen_app.admin.kept_answers
import imagegen_app.admin.money
import imagegen_app.admin.placements
import imagegen_app.admin.prompts
import imagegen_app.admin.workers
import imagegen_app.admin.workflows  # noqa: F401 - registers its tables
