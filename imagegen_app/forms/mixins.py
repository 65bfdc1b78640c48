"""Add a "Generate" button beside the image fields of any model admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.fields.files import FieldFile

from imagegen_app.forms.widgets import GeneratedImageWidget, GeneratedUpload, RejectedUpload
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import placement
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person


class GenerateImageMixin:
    """For a ModelAdmin or an inline: the fields are those in `IMAGEGEN["TARGETS"]`.

    The model admin's form, `upload_to`, storage and change log stay as they are; after saving, the
    placement is recorded.
    """

    model: Any

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Use our widget for a target, where the person may request or place images."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]  # a mixin
        target = (
            content_fields.target_for_field(self.model, db_field.name)
            if isinstance(db_field, models.FileField)
            else None
        )
        if target is None or not isinstance(field, forms.FileField):
            return field
        actor = access.actor_for(request.user)
        if not access.has_permission(actor, "place_asset"):
            return field
        match = request.resolver_match
        field.widget = GeneratedImageWidget(
            actor=actor,
            target=target.path,
            object_id=str(match.kwargs.get("object_id", "")) if match else "",
            variables=target.variables,
        )
        field.validators = [*field.validators, require_usable]
        clean = field.clean
        # A rejected image must not reach Pillow, whose error would hide the reason.
        field.clean = lambda data, initial=None: _clean(clean, data, initial)  # type: ignore[method-assign]  # one field of one form
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save as the model admin does, then record the placements."""
        take_alt_texts(form)
        super().save_model(request, obj, form, change)  # type: ignore[misc]  # a mixin
        record_placements(access.actor_for(request.user), form)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save the inlines as the model admin does, then record their placements."""
        for inner in formset.forms:
            if hasattr(inner, "cleaned_data"):
                take_alt_texts(inner)
        super().save_formset(request, form, formset, change)  # type: ignore[misc]  # a mixin
        for inner in formset.forms:
            if inner.instance.pk is not None and hasattr(inner, "cleaned_data"):
                record_placements(access.actor_for(request.user), inner)


def require_usable(value: Any) -> None:
    """Reject a selected image that may not be used.

    :raises ValidationError: with the reason.
    """
    if isinstance(value, RejectedUpload):
        raise ValidationError(value.reason, code="not_usable")


def take_alt_texts(form: Any) -> None:
    """Give the form's object the alternative texts of its new images; what was typed wins."""
    for name, value in form.cleaned_data.items():
        alt = content_fields.alt_field_of(form.instance, name)
        if alt and alt not in form.changed_data and isinstance(value, GeneratedUpload):
            content_fields.set_alt_text(
                form.instance,
                alt,
                text=value.asset.alt_text,
                is_replacing=bool(form.initial.get(name)) or value.asset.is_decorative,
            )


def record_placements(actor: Person, form: Any) -> None:
    """Record a placement for each generated upload of a saved form."""
    for name, value in form.cleaned_data.items():
        if isinstance(value, FieldFile):
            # Unchanged; its file must not be opened.
            continue
        file = getattr(value, "file", value)
        upload = value if isinstance(value, GeneratedUpload) else file
        if isinstance(upload, GeneratedUpload) and not isinstance(upload, RejectedUpload):
            previous = form.initial.get(name)
            placement.record_placement(
                actor=actor,
                asset=upload.asset,
                target=form.instance,
                field=name,
                previous=str(getattr(previous, "name", previous) or ""),
            )


def _clean(clean: Any, data: Any, initial: Any) -> Any:
    require_usable(data)
    if isinstance(data, GeneratedUpload) and _holds_already(initial, data):
        # Saved twice: another copy of the file would be the same picture under another name.
        return clean(None, initial)
    return clean(data, initial)


def _holds_already(initial: Any, upload: GeneratedUpload) -> bool:
    return isinstance(initial, FieldFile) and placement.is_placed(
        asset=upload.asset, target=initial.instance, field=initial.field.name
    )
