"""Fill django-filer's media library through its own upload."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from tests.browser.site import Site

_SIZES = ((900, 600), (500, 800), (1200, 400))
_COLOURS = ("peru", "slategray", "darkseagreen")


def upload_photographs(page: Any, site: Site) -> None:
    """Upload some photographs as the person whose page it is, who then owns them."""
    page.goto(f"{site.url}/en/admin/imagegen/job/studio/")
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    for number, (size, colour) in enumerate(zip(_SIZES, _COLOURS, strict=True), start=1):
        file = io.BytesIO()
        Image.new("RGB", size, colour).save(file, "PNG")
        answer = page.request.post(
            f"{site.url}/en/admin/filer/clipboard/operations/upload/no_folder/",
            multipart={
                "file": {
                    "name": f"Photograph of the oak lounge chair {number}.png",
                    "mimeType": "image/png",
                    "buffer": file.getvalue(),
                }
            },
            headers={"X-CSRFToken": token, "Referer": site.url},
        )
        assert answer.ok, answer.text()
