"""List what batches hold of erased texts: values of all their rows, titles, and rows without a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imagegen_app.services.erasure._rows import ERASED_VALUES, OWN_KEY, Blanking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.services.erasure.scopes import ErasureScope

#: What a batch of a table says of its columns, and an emptied one.
_COLUMNS: Final[dict[str, object]] = {"variables": {}, "images": {}, "key_column": ""}
#: A skipped row of which only the reason is left that there is nothing to say.
_ERASED_ROW: Final[dict[str, str]] = {"row": "–", "reason": ERASED_VALUES}  # noqa: RUF001 - a dash stands for no name


def batch_blankings(scope: ErasureScope) -> Iterator[Blanking]:
    """Yield what is blanked of a person's batches and of those of erased jobs.

    That is: the values that all rows share, the title, in which the name of a file may stand, the
    names of a table's columns, and which rows were skipped why; their number stays. So do the keys of rows: jobs have them, too.
    """
    batches = scope.batches()
    yield Blanking(batches.exclude(title=OWN_KEY), {"title": OWN_KEY})
    # The tables of the person are erased with their columns; one prompt leaves its table as it is.
    own = batches.filter(scope.of_person()) if scope.is_person else batches.none()
    without_table = set(own.values_list("pk", flat=True))
    for key, mapping, skipped in batches.values_list("pk", "mapping", "invalid_rows"):
        changed: dict[str, object] = {}
        has_columns = "key_column" in mapping and key in without_table
        blank: dict[str, object] = {"fixed": {}, **(_COLUMNS if has_columns else {})}
        blank = {name: empty for name, empty in blank.items() if mapping.get(name)}
        if blank:
            changed["mapping"] = {**mapping, **blank}
        if any(row != _ERASED_ROW for row in skipped):
            changed["invalid_rows"] = [_ERASED_ROW] * len(skipped)
        if changed:
            yield Blanking(batches.filter(pk=key), changed)
