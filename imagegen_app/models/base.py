"""Define the base class of all our models, whose writes are guarded, and shared fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.db import models

from imagegen_app.models import bulk, guard
from imagegen_app.models.amounts import MoneyField

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

M = TypeVar("M", bound=models.Model)


class RecordQuerySet(models.QuerySet[M]):
    """A queryset whose bulk writes are allowed only inside a use case, as `save()` is."""

    def _record_write(self) -> None:
        is_audit_table = bool(getattr(self.model, "is_audit_table", False))
        guard.record_write(self.model._meta.db_table, is_audit_table=is_audit_table)  # noqa: SLF001 - Django's documented API

    def update(self, **kwargs: Any) -> int:
        self._record_write()
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        self._record_write()
        return super().delete()

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        self._record_write()
        rows = list(objs)
        other_options = kwargs.keys() - {"batch_size"}
        # As in Django's own `bulk_create`: a database router may use another database for writes.
        self._for_write = True
        if not args and not other_options and bulk.can_copy(self.model, rows, using=self.db):
            bulk.copy_rows(self.model, rows, using=self.db)
            return rows
        return super().bulk_create(rows, *args, **kwargs)

    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> int:
        self._record_write()
        return super().bulk_update(objs, fields, *args, **kwargs)


class Record(models.Model):
    """A row that only a use case may write."""

    #: Whether this is a table of the audit log itself, whose rows need no event about them.
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
        changes = {}
        for name in names:
            before, after = getattr(stored, name), getattr(self, name)
            if before != after:
                changes[name] = (before, after)
        return changes


def money(**options: Any) -> MoneyField:
    """Return a field for an amount of money, exact to a hundredth of a cent."""
    return MoneyField(**options)
