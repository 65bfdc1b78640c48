"""Define the base class of all our models, whose writes are guarded, and shared fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.db import models, router

from imagegen_app.models import bulk, guard
from imagegen_app.models.amounts import MoneyField

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Self

M = TypeVar("M", bound=models.Model)


class RecordQuerySet(models.QuerySet[M]):
    """A queryset that reads where rows are written, and writes only inside a use case."""

    @property
    def db(self) -> str:
        """The database of our rows, also for reading; a site's router may name a replica for that.

        An object by which rows are found (Django's hint) may have been read from a replica: it
        decides nothing here.
        """
        alias: str | None = self._db  # type: ignore[attr-defined]  # not in the stubs
        return alias or router.db_for_write(self.model)

    def using(self, alias: str | None) -> Self:
        """Read from a database; where the site's router has our rows read, from the writer.

        The foreign keys of a site's own models are validated in the database that Django names here:
        an image that was made a moment ago would be missing in a replica.
        """
        if alias == router.db_for_read(self.model):
            alias = router.db_for_write(self.model)
        return super().using(alias)

    def _require_use_case(self) -> None:
        guard.require_use_case(self.model._meta.db_table)  # noqa: SLF001 - Django's documented API

    def _record_change(self, count: int) -> None:
        if count and not getattr(self.model, "is_audit_table", False):
            guard.record_change(self.model._meta.db_table)  # noqa: SLF001 - Django's documented API

    def update(self, **kwargs: Any) -> int:
        if self._is_emptied_by_django(kwargs):
            return super().update(**kwargs)
        self._require_use_case()
        count = super().update(**kwargs)
        self._record_change(count)
        return count

    def _is_emptied_by_django(self, changes: Mapping[str, Any]) -> bool:
        """Return whether foreign keys are emptied, as Django does where a user is deleted."""
        if self._db is None or any(value is not None for value in changes.values()):  # type: ignore[attr-defined]  # as above
            return False
        fields = map(self.model._meta.get_field, changes)  # noqa: SLF001 - Django's documented API
        rules = {getattr(field.remote_field, "on_delete", None) for field in fields}
        return rules == {models.SET_NULL}

    def delete(self) -> tuple[int, dict[str, int]]:
        self._require_use_case()
        deleted = super().delete()
        self._record_change(deleted[0])
        return deleted

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        self._require_use_case()
        rows = list(objs)
        self._record_change(len(rows))
        other_options = kwargs.keys() - {"batch_size"}
        if not args and not other_options and bulk.can_copy(self.model, rows, using=self.db):
            bulk.copy_rows(self.model, rows, using=self.db)
            return rows
        return super().bulk_create(rows, *args, **kwargs)

    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> int:
        self._require_use_case()
        count = super().bulk_update(objs, fields, *args, **kwargs)
        self._record_change(count)
        return count


class Record(models.Model):
    """A row that only a use case may write."""

    #: Whether this is a table of the audit log itself, whose rows need no event about them.
    is_audit_table: ClassVar[bool] = False
    #: What people call the row, once a page has looked that up (`object_names`); no column.
    shown_name: str = ""

    objects: ClassVar[Any] = RecordQuerySet.as_manager()

    class Meta:
        abstract = True
        # Django follows relations with it, and reads a row anew.
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        guard.require_use_case(self._meta.db_table)
        super().save(*args, **kwargs)
        update_fields = kwargs.get("update_fields")
        # Django writes nothing if there is no field to update; otherwise it has written one row.
        if not self.is_audit_table and (update_fields is None or update_fields):
            guard.record_change(self._meta.db_table)

    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        guard.require_use_case(self._meta.db_table)
        deleted = super().delete(using=using, keep_parents=keep_parents)
        if deleted[0] and not self.is_audit_table:
            guard.record_change(self._meta.db_table)
        return deleted

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
