"""Remember the input images that arrived, so that tests can see what really left the site."""

from __future__ import annotations

import base64
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagegen_app.core.types import InputRole
from imagegen_app.testing.simulator.mask_areas import changed_area

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.testing.simulator.mask_areas import Polarity

#: The last ones: a demo runs for days.
_MAX_IMAGES = 16


@dataclass(frozen=True, slots=True)
class ReceivedImage:
    """One input image as it arrived."""

    operation: str
    model: str
    #: `image`, `mask` or `reference`; a protocol that does not name references calls them images.
    role: str
    #: As the caller named it.
    media_type: str
    data: bytes = field(repr=False)
    #: For a mask, a grey PNG, 255 where its provider changes the image; empty otherwise.
    area: bytes = field(default=b"", repr=False)


class Received:
    """The input images of the last calls, those of refused calls included."""

    def __init__(self) -> None:
        self._images: deque[ReceivedImage] = deque(maxlen=_MAX_IMAGES)

    def add(self, request: GenerationRequest, *, polarity: Polarity = "white") -> None:
        """Remember the input images of a call; `polarity` is what its provider's masks mean.

        :raises ValueError: if a mask cannot be read.
        """
        for image in request.inputs:
            is_mask = image.role is InputRole.MASK
            self._images.append(
                ReceivedImage(
                    operation=request.operation.value,
                    model=request.model,
                    role=image.role.value,
                    media_type=image.media_type,
                    data=image.data,
                    area=changed_area(image.data, polarity) if is_mask else b"",
                )
            )

    def clear(self) -> None:
        """Forget all images."""
        self._images.clear()

    def document(self) -> dict[str, Any]:
        """Return the images as a JSON document, oldest first."""
        return {
            "images": [
                {
                    "operation": image.operation,
                    "model": image.model,
                    "role": image.role,
                    "media_type": image.media_type,
                    "b64": base64.b64encode(image.data).decode("ascii"),
                    "area": base64.b64encode(image.area).decode("ascii"),
                }
                for image in self._images
            ]
        }


def read(document: Mapping[str, Any]) -> list[ReceivedImage]:
    """Return the images of such a document."""
    return [
        ReceivedImage(
            operation=entry["operation"],
            model=entry["model"],
            role=entry["role"],
            media_type=entry["media_type"],
            data=base64.b64decode(entry["b64"]),
            area=base64.b64decode(entry["area"]),
        )
        for entry in document["images"]
    ]
