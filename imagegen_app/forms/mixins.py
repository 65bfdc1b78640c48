"""Add a "Generate" button beside the image fields of any model admin."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from imagegen_app.forms.widgets import GeneratedImageWidget, GeneratedUpload, RejectedUpload
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import placement
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

#: The attribute of a request that names the fields whose files could not be stored.
_NOT_STORED = "imagegen_fields_not_stored"

logger = logging.getLogger("imagegen.forms")


class FileNotStored(Exception):
    """The field's storage, which is the site's own, did not take the file of a form."""

    def __init__(self, fields: list[models.FileField]) -> None:
        super().__init__(", ".join(map(str, fields)))
        self.fields = fields


class GenerateImageMixin:
    """For a ModelAdmin or an inline: the fields are those in `IMAGEGEN["TARGETS"]`.

    The model admin's form, `upload_to`, storage and change log stay as they are; after saving, the
    placement is recorded.
    """

    model: Any
    admin_site: Any

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
            site=self.admin_site.name,
        )
        field.validators = [*field.validators, require_usable]
        if db_field in getattr(request, _NOT_STORED, ()):
            field.validators.append(refuse_not_stored)
        clean = field.clean
        # A rejected image must not reach Pillow, whose error would hide the reason.
        field.clean = lambda data, initial=None: _clean(clean, data, initial)  # type: ignore[method-assign]  # one field of one form
        return field

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the form again, with all that was filled in, if a file could not be stored."""
        show = partial(
            super().changeform_view,  # type: ignore[misc]  # a mixin
            request,
            object_id,
            form_url,
            extra_context,
        )
        try:
            return show()
        except FileNotStored as error:
            # What the form would have saved was rolled back.
            logger.exception("The file of a form could not be stored.")
            setattr(request, _NOT_STORED, error.fields)
            return show()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save as the model admin does, then record the placements."""
        replaced = take_alt_texts(form)
        with _noticing_files([form]):
            super().save_model(request, obj, form, change)  # type: ignore[misc]  # a mixin
        record_placements(access.actor_for(request.user), form, replaced)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save the inlines as the model admin does, then record their placements."""
        replaced = {
            inner: take_alt_texts(inner)
            for inner in formset.forms
            if hasattr(inner, "cleaned_data")
        }
        with _noticing_files(formset.forms):
            super().save_formset(request, form, formset, change)  # type: ignore[misc]  # a mixin
        for inner in formset.forms:
            if inner.instance.pk is not None and inner in replaced:
                record_placements(access.actor_for(request.user), inner, replaced[inner])


def require_usable(value: Any) -> None:
    """Reject a selected image that may not be used.

    :raises ValidationError: with the reason.
    """
    if isinstance(value, RejectedUpload):
        raise ValidationError(value.reason, code="not_usable")


def refuse_not_stored(_value: Any) -> None:
    """Reject a file that the site's storage did not take.

    :raises ValidationError: always.
    """
    raise ValidationError(
        _(
            "The file could not be stored, because the storage of the website does not work at the "
            "moment. Nothing was saved: save again later."
        ),
        code="not_stored",
    )


@contextmanager
def _noticing_files(saved_forms: Iterable[Any]) -> Iterator[None]:
    """Tell an error of a storage, which may be of any class, from the other errors of saving.

    :raises FileNotStored: if a file with our widget was not stored when the error came.
    """
    try:
        yield
    except Exception as error:
        missing = [
            file.field
            for form in saved_forms
            for name, field in form.fields.items()
            if isinstance(field.widget, GeneratedImageWidget)
            and isinstance(file := getattr(form.instance, name), FieldFile)
            and file
            and not getattr(file, "_committed")  # noqa: B009 - nothing public says whether it was stored
        ]
        if missing:
            raise FileNotStored(missing) from error
        raise


def take_alt_texts(form: Any) -> dict[str, str]:
    """Give the form's object the alternative texts of its new images; what was typed wins.

    Returns the texts that were replaced, by the field of the image.
    """
    replaced = {}
    for name, value in form.cleaned_data.items():
        alt = content_fields.alt_field_of(form.instance, name)
        if alt and alt not in form.changed_data and isinstance(value, GeneratedUpload):
            replaced[name] = content_fields.set_alt_text(
                form.instance,
                alt,
                text=value.asset.alt_text,
                is_replacing=bool(form.initial.get(name)) or value.asset.is_decorative,
            )
    return replaced


def record_placements(actor: Person, form: Any, replaced: Mapping[str, str]) -> None:
    """Record a placement for each generated upload of a saved form.

    `replaced` holds the alternative texts that the uploads' own have replaced.
    """
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
                previous_alt_text=replaced.get(name, ""),
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
