"""Check that scripts find the scripts they import where static files carry a hash in their names."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured


def import_problems() -> list[CheckMessage]:
    """Tell of a storage that hashes the names of our scripts and not the imports in them."""
    from django.contrib.staticfiles.storage import (  # noqa: PLC0415 - a starting site need not load it
        HashedFilesMixin,
        staticfiles_storage,
    )

    from imagegen_app.staticfiles import HashedModules  # noqa: PLC0415 - as above

    storage: Any = staticfiles_storage
    try:
        # A lazy object: asking for its class makes it, without touching any file.
        if not isinstance(storage, HashedFilesMixin) or isinstance(storage, HashedModules):
            return []
    except ImproperlyConfigured:  # Django tells of it where it is used
        return []
    if storage.support_js_module_import_aggregation:
        return []
    hint = (
        "Mix imagegen_app.staticfiles.HashedModules into the class of STORAGES['staticfiles']; "
        "see “Static files with hashes” in the how-to about adding the app to a site."
    )
    if getattr(storage, "keep_only_hashed_files", False):
        return [
            Error(
                "Static files are kept under their hashed names only, and our scripts import each other "
                "by their plain names: no script of our pages runs.",
                hint=hint,
                id="imagegen.E092",
            )
        ]
    return [
        CheckWarning(
            "Static files carry hashes in their names, and the imports in our scripts do not: after an "
            "upgrade a browser may run old scripts beside new ones.",
            hint=hint,
            id="imagegen.W091",
        )
    ]
