"""Find the images of django-filer that a person may read, by filer's own permissions."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db.models import Q
from django.utils.translation import gettext as _
from filer.models import File, FolderPermission
from filer.settings import FILER_IMAGE_MODEL

from imagegen_app.services.gateways import content_fields, picture_sources, storage
from imagegen_app.services.gateways.picture_sources import PAGE_SIZE, PicturePage, SitePicture

if TYPE_CHECKING:
    from collections.abc import Collection

    from imagegen_app.core.actors import Person

logger = logging.getLogger("imagegen.thumbnails")
NAME: Final = "filer"
#: What filer's own list of folders asks for.
LISTING: Final = "filer.can_use_directory_listing"
#: Drawings of lines: no model takes them.
_NO_PIXELS: Final = "image/svg+xml"
_THUMBNAIL: Final = {"size": (320, 320)}
_MEDIA_TYPES: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
}


def register() -> None:
    """Register filer as a source of images; calling it again changes nothing."""
    picture_sources.register_source(NAME, FilerPictures())


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who asks, as filer's permission methods take it: they look at a request's user alone."""

    user: Any


class FilerPictures:
    """The images of django-filer."""

    @property
    def label(self) -> str:
        """What people call it."""
        return _("Media library")

    def is_open_to(self, actor: Person) -> bool:
        """Return whether the person may use filer's own list."""
        return bool(actor.user.has_perm(LISTING))

    def page(self, actor: Person, *, search: str, after: str) -> PicturePage:
        """Return a page of the images that the person may read, the last uploaded first."""
        rows = _readable(actor)
        if search:
            rows = rows.filter(Q(name__icontains=search) | Q(original_filename__icontains=search))
        start = content_fields.parse_key(File, after)
        if start is not None:
            rows = rows.filter(pk__lt=start)
        read = list(rows.order_by("-pk")[: PAGE_SIZE + 1])
        shown = [_picture(row) for row in read[:PAGE_SIZE]]
        return PicturePage(shown, older=shown[-1].key if len(read) > PAGE_SIZE else "")

    def find(self, actor: Person, keys: Collection[str]) -> dict[str, SitePicture]:
        """Return images by their keys: filer itself is asked about each."""
        # An image's key is that of its file, whose column says how large a number can be.
        numbers = [content_fields.parse_key(File, key) for key in keys]
        rows = _pictures().filter(pk__in=[number for number in numbers if number is not None])
        asking = _Asking(actor.user)
        return {
            str(row.pk): _picture(row)
            for row in rows.select_related("owner", "folder__owner")
            if row.has_read_permission(asking)
        }

    def thumbnail(self, picture: SitePicture) -> tuple[bytes, str] | None:
        """Return the small copy that filer's own thumbnailer makes and keeps."""
        row: Any = picture.instance
        try:
            small = row.file.get_thumbnail({**_THUMBNAIL, "subject_location": row.subject_location})
            extension = str(small.name).rpartition(".")[2].lower()
            # One that was made earlier cannot be opened by itself.
            data = storage.GuardedStorage(small.storage).read(str(small.name))
        except Exception as error:  # noqa: BLE001 - storages and decoders raise whatever they like
            logger.info("No thumbnail of image %s: %s", row.pk, type(error).__name__)
            return None
        media_type = _MEDIA_TYPES.get(extension)
        return None if media_type is None else (data, media_type)


def _pictures() -> Any:
    # A site can swap filer's model of images.
    return (
        apps.get_model(FILER_IMAGE_MODEL)
        .objects.non_polymorphic()
        .exclude(mime_type=_NO_PIXELS)
        .exclude(file="")
    )


def _readable(actor: Person) -> Any:
    """Return what filer's `has_read_permission` allows of each image, as one query."""
    user, rows = actor.user, _pictures()
    if user.is_superuser:
        return rows
    folders = FolderPermission.objects.get_read_id_list(user)
    in_folders = Q(folder__isnull=False) if folders == "All" else Q(folder__in=folders)
    return rows.filter(Q(owner=user) | Q(folder__owner=user) | in_folders)


def _picture(row: Any) -> SitePicture:
    return SitePicture(
        source=NAME,
        key=str(row.pk),
        name=str(row.label),
        width=int(row.width),
        height=int(row.height),
        instance=row,
        alt_text=str(row.default_alt_text or ""),
    )
