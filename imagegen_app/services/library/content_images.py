"""Take the image of an object of the site, which was not made here, as the start of a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from imagegen_app.core.limits import MAX_INPUT_BYTES
from imagegen_app.core.types import InputRole
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.gateways import decoding, storage
from imagegen_app.services.job_requests.values import ContentOrigin, InputSource
from imagegen_app.services.library import pictures
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from django.db.models import Model

    from imagegen_app.core.actors import Person
    from imagegen_app.services.gateways.content_fields import Target


class NotAStart(ActionRefused):
    """The field holds no image that a request can start from."""

    code = "no_content_image"


@dataclass(frozen=True, slots=True)
class ContentImage:
    """The image in a field of an object of the site."""

    origin: ContentOrigin
    #: The object's name for people.
    label: str
    url: str
    width: int
    height: int
    data: bytes = field(repr=False)

    @property
    def reference(self) -> str:
        """What names it in a form: `app_label.Model.field:key`."""
        return f"{self.origin.field}:{self.origin.object_id}"

    @property
    def source(self) -> InputSource:
        """It as an input image, which is screened and recorded as uploads are."""
        return InputSource(role=InputRole.IMAGE, data=self.data, content=self.origin)


def content_image(actor: Person, instance: Model, target: Target) -> ContentImage:
    """Return the image of an object's field; nothing is written before it is requested.

    The caller checks that the person may see this object.

    :raises NotPermitted: if the actor may not change such objects.
    :raises NotAStart: if there is none, it is one of ours, or it cannot be read as an image.
    :raises StorageUnavailable: if it cannot be read at present.
    :raises ImageFileMissing: if its file is missing.
    """
    access.require_content_change(actor, instance)
    file = held_file(instance, target)
    if file is None:
        raise _not_a_start(_("The field holds no image that was uploaded."))
    store = storage.GuardedStorage(file.storage)
    with refuse_on_storage_failure():
        if store.size(str(file.name)) > MAX_INPUT_BYTES:
            raise _not_a_start(_("An input image is too large."))
        data = store.read(str(file.name))
        url = store.url(str(file.name))
    try:
        width, height = decoding.upright_size(data)
    except InvalidImage as error:
        raise _not_a_start(stored_messages.translate_stored(str(error))) from None
    return ContentImage(
        origin=ContentOrigin(target.path, str(instance.pk)),
        label=str(instance),
        url=url,
        width=width,
        height=height,
        data=data,
    )


def held_file(instance: Model, target: Target) -> FieldFile | None:
    """Return the file that a field holds; None for none, and for one that shows an image of ours."""
    file = getattr(instance, target.field, None)
    if instance.pk is None or not isinstance(file, FieldFile) or not file:
        return None
    return file if pictures.placed_asset(instance, target.field) is None else None


def _not_a_start(reason: str) -> NotAStart:
    return NotAStart(
        _("This image cannot be the start of a new one."),
        reason=reason,
        remedy=_("Upload another image, or choose one of the library."),
    )
