"""List what batches hold of erased texts: values of all their rows, titles, and rows without a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imagegen_app.services.erasure._rows import ERASED_VALUES, OWN_KEY, Blanking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.services.erasure.scopes import ErasureScope

#: A skipped row of which only the reason is left that there is nothing to say.
_ERASED_ROW: Final[dict[str, str]] = {"row": "–", "reason": ERASED_VALUES}  # noqa: RUF001 - a dash stands for no name


def batch_blankings(scope: ErasureScope) -> Iterator[Blanking]:
    """Yield what is blanked of a person's batches and of those of erased jobs.

    That is: the values that all rows share, the title, in which the name of a file may stand, and
    which rows were skipped why; their number stays. So do the keys of rows: jobs have them, too.
    """
    batches = scope.batches()
    yield Blanking(batches.exclude(title=OWN_KEY), {"title": OWN_KEY})
    for key, mapping, skipped in batches.values_list("pk", "mapping", "invalid_rows"):
        changed: dict[str, object] = {}
        if mapping.get("fixed"):
            changed["mapping"] = {**mapping, "fixed": {}}
        if any(row != _ERASED_ROW for row in skipped):
            changed["invalid_rows"] = [_ERASED_ROW] * len(skipped)
        if changed:
            yield Blanking(batches.filter(pk=key), changed)
