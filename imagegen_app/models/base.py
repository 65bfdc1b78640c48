"""Give all our tables one base: guarded writes, and the pieces that several share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.db import models

from imagegen_app.models import bulk, guard
from imagegen_app.models.amounts import MoneyField

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

M = TypeVar("M", bound=models.Model)


class RecordQuerySet(models.QuerySet[M]):
    """A queryset whose bulk writes need a use case, like the model's own."""

    def _report(self) -> None:
        is_audit_table = bool(getattr(self.model, "is_audit_table", False))
        guard.record_write(self.model._meta.db_table, is_audit_table=is_audit_table)  # noqa: SLF001 - Django's documented API

    def update(self, **kwargs: Any) -> int:
        self._report()
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        self._report()
        return super().delete()

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        self._report()
        rows = list(objs)
        asked = kwargs.keys() - {"batch_size"}
        # As Django's own does: a router may read elsewhere than it writes.
        self._for_write = True
        if not args and not asked and bulk.can_copy(self.model, rows, using=self.db):
            bulk.copy_rows(self.model, rows, using=self.db)
            return rows
        return super().bulk_create(rows, *args, **kwargs)

    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> int:
        self._report()
        return super().bulk_update(objs, fields, *args, **kwargs)


class Record(models.Model):
    """A row that only a use case may write."""

    #: Tables of the audit log itself need no event about their own rows.
    is_audit_table: ClassVar[bool] = False

    objects: ClassVar[Any] = RecordQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        guard.record_write(self._meta.db_table, is_audit_table=self.is_audit_table)
        super().save(*args, **kwargs)

    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        guard.record_write(self._meta.db_table, is_audit_table=self.is_audit_table)
        return super().delete(using=using, keep_parents=keep_parents)

    def changes_since(self, stored: Record, names: Collection[str]) -> dict[str, tuple[Any, Any]]:
        """Return the named fields whose values differ from a stored row, as (before, after)."""
        found = {}
        for name in names:
            before, after = getattr(stored, name), getattr(self, name)
            if before != after:
                found[name] = (before, after)
        return found


def money(**options: Any) -> MoneyField:
    """Return a column for money, to a hundredth of a cent."""
    return MoneyField(**options)
