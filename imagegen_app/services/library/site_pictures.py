"""Take an image of the site's media library as an input of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core.limits import MAX_INPUT_BYTES
from imagegen_app.services.gateways import content_fields, picture_sources, storage
from imagegen_app.services.job_requests.values import ContentOrigin, InputSource, InvalidJobRequest
from imagegen_app.services.library import pictures
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.core.types import ControlGuide, InputRole


def input_source(
    actor: Person, reference: str, *, role: InputRole, guide: ControlGuide | None = None
) -> InputSource:
    """Return an image of the site with its bytes, which are screened and recorded as uploads are.

    One that was made here is used as the image of our own library that it is.

    :raises InvalidJobRequest: if it is gone, the actor may not see it, or its file is too large.
    :raises StorageUnavailable: if it cannot be read at present.
    :raises ImageFileMissing: if its file is missing.
    """
    picture = picture_sources.find_pictures(actor, [reference]).get(reference)
    file: Any = None if picture is None else getattr(picture.instance, picture.file_field)
    if picture is None or not file:
        raise InvalidJobRequest(
            _("An image of the site is not there any more, or you may not see it."), field="inputs"
        )
    asset = pictures.placed_asset(picture.instance, picture.file_field)
    if asset is not None:
        return InputSource(role=role, asset=asset, guide=guide)
    name = str(file.name)
    store = storage.GuardedStorage(file.storage)
    with refuse_on_storage_failure(_("The images were not requested.")):
        if store.size(name) > MAX_INPUT_BYTES:
            raise InvalidJobRequest(_("An input image is too large."), field="inputs")
        data = store.read(name)
    path = content_fields.field_path(type(picture.instance), picture.file_field)
    origin = ContentOrigin(path, str(picture.instance.pk))
    return InputSource(role=role, data=data, guide=guide, content=origin, found_at=name)


def planned_source(
    reference: str, *, role: InputRole, guide: ControlGuide | None = None
) -> InputSource:
    """Return what stands for an image of the site where only a price is wanted: nothing is read."""
    return InputSource(role=role, guide=guide, planned=f"{role.value}:{reference}")
