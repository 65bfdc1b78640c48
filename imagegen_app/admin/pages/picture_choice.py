"""Choose an image of the site's media library to start from, beside the chooser of our own library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.carried import carried_query, chosen_for, studio_url
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.gateways import picture_sources
from imagegen_app.services.gateways.picture_sources import MAX_SEARCH_CHARS

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.services.gateways.picture_sources import PictureSource, SitePicture

_HEADERS = {
    # What a person may read can be taken from them: a copy is kept for minutes, and by them alone.
    "Cache-Control": "private, max-age=300",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class PictureChoicePages(Pages):
    """The images of a media library of the site, and the one that was chosen."""

    base_template = "imagegen_app/admin/library/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        needed, at = "request_job", "studio/pictures/<slug:source>/"
        return [
            Route(at, self.listed, "imagegen_studio_pictures", needed, is_hidden=True),
            Route(
                f"{at}<str:key>/", self.chosen, "imagegen_studio_picture", needed, is_hidden=True
            ),
            Route(
                f"{at}<str:key>/thumbnail/",
                self.thumbnail,
                "imagegen_studio_picture_thumbnail",
                needed,
                is_hidden=True,
            ),
        ]

    def listed(self, request: HttpRequest, actor: Person, source: str) -> HttpResponse:
        """Show a page of images to choose from."""
        search = str(request.GET.get("q", "")).replace("\0", "").strip()[:MAX_SEARCH_CHARS]
        after = str(request.GET.get("after", ""))
        opened = _open_source(actor, source)
        page = opened.page(actor, search=search, after=after)
        carried = chosen_for(request)
        query = {**carried, "q": search} if search else carried
        context = {
            "title": _("Choose an image"),
            "source": source,
            "label": opened.label,
            "search": search,
            "is_later": bool(after),
            "older": page.older,
            "carried": carried,
            "carried_text": urlencode(carried),
            "joined": urlencode(query),
            "tiles": [
                {
                    "picture": picture,
                    "preview": preview_url(picture),
                    "address": admin_url("imagegen_studio_picture", source, picture.key),
                }
                for picture in page.pictures
            ],
        }
        return self.page(request, "imagegen_app/admin/studio/pictures.html", context)

    def chosen(self, request: HttpRequest, actor: Person, source: str, key: str) -> HttpResponse:
        """Show the chosen image; in the dialog, the studio's form takes it over by itself."""
        picture = _picture(actor, source, key)
        in_dialog = {"field": "", "embed": ""} if request.GET.get("field") == "reference" else {}
        context = {
            "title": _("Start from this image"),
            "chosen": {
                "key": picture.reference,
                "name": picture.name,
                "alt": picture.alt_text or picture.name,
                "width": picture.width,
                "height": picture.height,
            },
            "preview": preview_url(picture),
            "field": request.GET.get("field", ""),
            "carried": carried_query(request),
            "studio_url": studio_url(request, **in_dialog, take=picture.reference),
        }
        return self.page(request, "imagegen_app/admin/studio/reference.html", context)

    def thumbnail(
        self, _request: HttpRequest, actor: Person, source: str, key: str
    ) -> HttpResponse:
        """Send a small copy, for private images, too, to whoever may read the image."""
        small = _open_source(actor, source).thumbnail(_picture(actor, source, key))
        if small is None:
            raise Http404
        data, media_type = small
        return HttpResponse(data, content_type=media_type, headers=_HEADERS)


def preview_url(picture: SitePicture) -> str:
    """Return the address of a small copy."""
    return admin_url("imagegen_studio_picture_thumbnail", picture.source, picture.key)


def _open_source(actor: Person, name: str) -> PictureSource:
    source = picture_sources.open_sources(actor).get(name)
    if source is None:
        raise Http404
    return source


def _picture(actor: Person, source: str, key: str) -> SitePicture:
    reference = f"{source}:{key}"
    picture = picture_sources.find_pictures(actor, [reference]).get(reference)
    if picture is None:
        raise Http404
    return picture
