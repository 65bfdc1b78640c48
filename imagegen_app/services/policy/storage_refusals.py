"""Refuse what a person asks for while the storage of images fails, with what, why and what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.services.gateways.storage import FileMissing, StorageFailed
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator


class StorageUnavailable(ActionRefused):
    """The storage fails at present; the same request works later."""

    code = "storage_unavailable"


class ImageFileMissing(ActionRefused):
    """The storage no longer holds the file of an image."""

    code = "file_missing"


@contextmanager
def refuse_on_storage_failure(message: str = "") -> Iterator[None]:
    """Refuse what the block does if it needs a file that cannot be read or written.

    `message` says what did not happen.

    :raises ImageFileMissing: if the storage does not hold a file.
    :raises StorageUnavailable: if the storage fails.
    """
    what = message or _("Nothing was done.")
    try:
        yield
    except FileMissing:
        raise ImageFileMissing(
            what,
            reason=_("The file of the image is missing from the storage."),
            remedy=_("Choose another image. %(contact)s") % {"contact": contact_sentence()},
        ) from None
    except StorageFailed:
        raise StorageUnavailable(
            what,
            reason=_("The storage of the images does not work at present."),
            remedy=_("Try again in a few minutes; if it goes on: %(contact)s")
            % {"contact": contact_sentence()},
        ) from None
