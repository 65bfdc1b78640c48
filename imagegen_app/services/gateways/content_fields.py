"""List the site's image fields (targets), and fill template variables from an object's fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app import conf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imagegen_app.core.variables import Variable

#: How deep a path from an object to a value may go.
_MAX_STEPS = 3


@dataclass(frozen=True, slots=True)
class Target:
    """A model field for images, as configured in `IMAGEGEN['TARGETS']`."""

    model: type[models.Model]
    field: str
    #: Slug of the template that is preselected; empty for none.
    template: str
    #: Template variable → path from the object to a value, such as `category.name`.
    variables: Mapping[str, str]
    #: The field for the image's alternative text; empty if the objects have none.
    alt: str = ""
    #: Paths to the texts that a prompt may be suggested from; those of the variables by default.
    texts: Sequence[str] = ()

    @property
    def path(self) -> str:
        """`app_label.Model.field`."""
        return field_path(self.model, self.field)


def field_path(model: type[models.Model], name: str) -> str:
    """Return the dotted name of a model's field: `app_label.Model.field`."""
    return f"{model._meta.label}.{name}"  # noqa: SLF001 - Django's documented API


def field_label(target: Target) -> str:
    """Return what people call the field of a target."""
    return str(getattr(find_field(target.model, target.field), "verbose_name", target.field))


def all_targets() -> list[Target]:
    """Return the site's targets without invalid entries, which the system checks report."""
    targets = []
    for path, entry in conf.get().targets.items():
        label, _dot, name = path.rpartition(".")
        try:
            model = apps.get_model(label)
            model._meta.get_field(name)  # noqa: SLF001 - Django's documented API
        except (LookupError, ValueError, FieldDoesNotExist):
            continue
        targets.append(
            Target(
                model,
                name,
                str(entry.get("template", "")),
                dict(entry.get("variables", {})),
                alt=str(entry.get("alt", "")) if has_alt_field(model, entry) else "",
                texts=tuple(
                    entry.get("texts") or dict.fromkeys(entry.get("variables", {}).values())
                ),
            )
        )
    return targets


def has_alt_field(model: type[models.Model], entry: Mapping[str, Any]) -> bool:
    """Return whether the entry of a target names a text field of the model for the alternative text."""
    try:
        field = model._meta.get_field(str(entry.get("alt", "")))  # noqa: SLF001 - Django's documented API
    except FieldDoesNotExist:
        return False
    return isinstance(field, models.CharField | models.TextField)


def alt_field_of(instance: models.Model, name: str) -> str:
    """Return the field for the alternative text of the image in the field `name`; empty for none."""
    target = target_for_field(type(instance), name)
    return "" if target is None else target.alt


def set_alt_text(instance: models.Model, name: str, *, text: str, is_replacing: bool) -> str:
    """Set an alternative text, cut to the field's length; an empty one only if it replaces another.

    Returns the text that the field held before.
    """
    before = str(getattr(instance, name) or "")
    if text or is_replacing:
        setattr(instance, name, fitting_text(instance, name, text))
    return before


def restore_alt_text(instance: models.Model, name: str, *, text: str, before: str) -> None:
    """Give the field the text that it held before, if it still holds the alternative text `text`.

    What a person wrote since then stays.
    """
    if str(getattr(instance, name) or "") == fitting_text(instance, name, text):
        setattr(instance, name, fitting_text(instance, name, before))


def fitting_text(instance: models.Model, name: str, text: str) -> str:
    """Return a text as long as a field of the object can hold it."""
    column: Any = instance._meta.get_field(name)  # noqa: SLF001 - Django's documented API
    return text[: column.max_length] if column.max_length else text


def target_for_field(model: type[models.Model], name: str = "") -> Target | None:
    """Return the target of a model's field, or the model's first target if no field is named."""
    for target in all_targets():
        if target.model is model._meta.concrete_model and name in ("", target.field):  # noqa: SLF001 - Django's documented API
            return target
    return None


def target_by_path(path: str) -> Target | None:
    """Return the target with this path, ignoring case, or None."""
    return next((t for t in all_targets() if t.path.lower() == path.lower()), None)


def parse_key(model: type[models.Model], text: str) -> Any:
    """Return the primary key that a text from a request means; None if it is none of this model."""
    column: Any = model._meta.pk  # noqa: SLF001 - Django's documented API
    try:
        key = column.to_python(text) or None
        column.run_validators(key)
    except Exception:  # noqa: BLE001 - the edge: a key field of the site's own may raise anything
        return None
    return key


def values_for(target: Target, instance: models.Model) -> dict[str, str]:
    """Return the values of the target's variables for one object, as text."""
    return {name: value_at(instance, path) for name, path in target.variables.items()}


def texts_for(target: Target, instance: models.Model) -> dict[str, str]:
    """Return the texts of an object that a prompt may be suggested from, by the names of their fields.

    Empty ones are left out.
    """
    found = {_label_of(target.model, path): value_at(instance, path) for path in target.texts}
    return {label: text for label, text in found.items() if text.strip()}


def _label_of(model: type[models.Model], path: str) -> str:
    """Return the name of the field that a path leads to, for people; of an unknown one the path."""
    current: Any = model
    names = []
    for step in path.split(".")[:_MAX_STEPS]:
        try:
            column = current._meta.get_field(step)  # noqa: SLF001 - Django's documented API
        except (AttributeError, FieldDoesNotExist):
            return path
        names.append(str(getattr(column, "verbose_name", step)))
        current = column.related_model
    return capfirst(" ".join(names))


def value_at(instance: models.Model, path: str) -> str:
    """Follow a path over fields and relations and return the value as text.

    Only fields of models are followed, never methods or private attributes, since a path may come
    from a form. Returns an empty text if the path does not lead to a value.
    """
    current: Any = instance
    for step in path.split(".")[:_MAX_STEPS]:
        if not isinstance(current, models.Model):
            return ""
        try:
            current._meta.get_field(step)  # noqa: SLF001 - Django's documented API
        except FieldDoesNotExist:
            return ""
        current = getattr(current, step, "")
    if current is None or isinstance(current, bytes):
        return ""
    return str(current)


def object_at(instance: models.Model, path: str) -> models.Model | None:
    """Follow a path over relations and return the object that it leads to; None if it leads to none.

    An empty path leads to the object itself.
    """
    current: Any = instance
    for step in path.split(".")[:_MAX_STEPS] if path else ():
        if not isinstance(current, models.Model) or find_field(type(current), step) is None:
            return None
        current = getattr(current, step, None)
    return current if isinstance(current, models.Model) else None


class FieldGone(LookupError):
    """The model no longer has a field of this name; the text says so to people."""


def find_field(model: type[models.Model], name: str) -> Any:
    """Return a model's field, or None if it has none of that name."""
    try:
        return model._meta.get_field(name)  # noqa: SLF001 - Django's documented API
    except FieldDoesNotExist:
        return None


def require_field(model: type[models.Model], name: str) -> None:
    """Require that a model has a field, since a migration may have removed it.

    :raises FieldGone: if it has none.
    """
    if find_field(model, name) is None:
        raise FieldGone(
            _("The %(objects)s no longer have a field “%(field)s”.")
            % {"objects": model._meta.verbose_name_plural, "field": name}  # noqa: SLF001 - as above
        )


def key_fields(model: type[models.Model]) -> list[tuple[str, str]]:
    """Return the fields by which an object can be found: (name, label), unique ones first."""
    kinds = (models.CharField, models.IntegerField, models.UUIDField)
    meta = model._meta  # noqa: SLF001 - Django's documented API
    found = [
        column
        for column in meta.concrete_fields
        if isinstance(column, kinds)
        and not isinstance(column, models.FileField)
        and not column.choices
    ]
    found.sort(key=lambda column: not column.unique or column.primary_key)
    return [(column.name, capfirst(str(column.verbose_name))) for column in found]


def relations_in(model: type[models.Model], paths: Iterable[str]) -> set[str]:
    """Return the relations that paths such as `category.name` lead over, to be read with the objects."""
    found = set()
    for path in paths:
        at: Any = model
        steps: list[str] = []
        for step in path.split(".")[:_MAX_STEPS]:
            column = find_field(at, step)
            if not isinstance(column, models.ForeignKey):
                break
            steps.append(step)
            at = column.related_model
        if steps:
            found.add("__".join(steps))
    return found


def mappable_fields(model: type[models.Model]) -> list[tuple[str, str]]:
    """Return the fields that a variable may be mapped to: (path, label)."""
    kinds = (
        models.CharField,
        models.TextField,
        models.IntegerField,
        models.DecimalField,
        models.FloatField,
        models.BooleanField,
        models.DateField,
        models.ForeignKey,
    )
    return [
        (f.name, capfirst(str(f.verbose_name)))
        for f in model._meta.get_fields()  # noqa: SLF001 - Django's documented API
        if isinstance(f, kinds) and not f.primary_key and not isinstance(f, models.FileField)
    ]


def image_fields(model: type[models.Model]) -> list[tuple[str, str]]:
    """Return the fields that hold an image, also of related objects such as filer's: (path, label)."""
    found = [(one.name, capfirst(str(one.verbose_name))) for one in _own_images(model)]
    for relation in model._meta.get_fields():  # noqa: SLF001 - Django's documented API
        if not isinstance(relation, models.ForeignKey) or relation.related_model is model:
            continue
        related: Any = relation.related_model
        name = capfirst(str(relation.verbose_name))
        if getattr(related._meta, "label", "") == "imagegen.Asset":  # noqa: SLF001 - as above
            found.append((relation.name, name))
            continue
        found += [
            (f"{relation.name}.{one.name}", f"{name}: {one.verbose_name}")
            for one in _own_images(related)
        ]
    return found


def _own_images(model: type[models.Model]) -> list[models.FileField]:
    """Return the image fields of a model; of one that is an image itself, such as filer's, its file."""
    files = [
        one
        for one in model._meta.get_fields()  # noqa: SLF001 - Django's documented API
        if isinstance(one, models.FileField)
    ]
    images: list[models.FileField] = [one for one in files if isinstance(one, models.ImageField)]
    return images or (files if "image" in model.__name__.lower() else [])


def guess_mapping(target: Target, variables: Sequence[Variable]) -> dict[str, str]:
    """Map each template variable to the path in the settings, or to a field of the same name."""
    fields = dict(mappable_fields(target.model))
    return {
        variable.name: target.variables.get(
            variable.name, variable.name if variable.name in fields else ""
        )
        for variable in variables
    }
