"""The sandbox as it would be with a fault that an upgrade mends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from imagegen_app.core.errors import BadResponse
from imagegen_app.providers.sandbox import Sandbox

if TYPE_CHECKING:
    from imagegen_app.core.types import ProviderResult
    from imagegen_app.providers.answers import SpooledAnswer


class ReadsNothing(Sandbox):
    """Understands no answer."""

    is_remote: ClassVar[bool] = False

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        raise BadResponse(detail="not JSON")


class LosesTheThird(Sandbox):
    """Cannot read the third image of an answer."""

    is_remote: ClassVar[bool] = False

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result = super().read_answer(answer)
        images = tuple(image for n, image in enumerate(result.images) if n != 2)
        return replace(result, images=images, unusable=("an image is cut off",))


class ReadsTwins(Sandbox):
    """Finds the first image of an answer twice, as some providers draw it."""

    is_remote: ClassVar[bool] = False

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result = super().read_answer(answer)
        return replace(result, images=(result.images[0], result.images[0]))
