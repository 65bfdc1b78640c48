"""Foreign keys that are followed and validated in the database where their constraint holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor

from imagegen_app import database

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

    _ForeignKey = models.ForeignKey[Any, Any]
    _Forward = ForwardManyToOneDescriptor[Any]
else:
    # Django's classes accept no type parameters at run time.
    _ForeignKey = models.ForeignKey
    _Forward = ForwardManyToOneDescriptor


class _InOurDatabase(_Forward):
    """Reads the row that a key names, such as a user, from the database of our rows."""

    def get_queryset(self, **hints: Any) -> QuerySet[Any]:
        return super().get_queryset(**hints).using(database.alias())


class _OurForeignKey(_ForeignKey):
    """A foreign key of our rows; in migrations it is Django's own.

    Django would look for the other row where the site's router has such rows read: a user who was
    created a moment ago is missing in a replica, and both a job and a form of ours would fail.
    """

    forward_related_accessor_class = _InOurDatabase

    def validate(self, value: Any, model_instance: Model | None) -> None:
        # As Django's own, but for the database.
        models.Field.validate(self, value, model_instance)
        if value is None:
            return
        rows = self.remote_field.model._base_manager.using(database.alias())  # noqa: SLF001 - Django's documented API
        rows = rows.filter(**{str(self.remote_field.field_name): value})
        if not rows.complex_filter(self.get_limit_choices_to()).exists():
            raise ValidationError(
                self.error_messages["invalid"],
                code="invalid",
                params={
                    "model": self.remote_field.model._meta.verbose_name,  # noqa: SLF001 - Django's documented API
                    "pk": value,
                    "field": self.remote_field.field_name,
                    "value": value,
                },
            )

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _path, positional, named = super().deconstruct()
        return name, "django.db.models.ForeignKey", list(positional), dict(named)


if TYPE_CHECKING:
    # The plugin of the type checker knows Django's own by its name.
    ForeignKey = models.ForeignKey
else:
    ForeignKey = _OurForeignKey
