"""A storage that refuses every fourth write."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage

_writes = itertools.count()


class Flaky(FileSystemStorage):
    """Fails as a full disk does."""

    def _save(self, name: str, content: Any) -> str:
        number = next(_writes)
        if number % 4 == 1:
            with Path(settings.BASE_DIR / "refused").open("a", encoding="ascii") as log:
                log.write("x")
            raise OSError(28, "No space left on device")
        saved: str = super()._save(name, content)  # type: ignore[misc]  # the stubs leave it out
        return saved
