"""Build adapters of OpenAI's Images API on this, and of those that copy it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.providers.families import openai_events, openai_like
from imagegen_app.providers.remote_images import RemoteImages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.multipart import Form
    from imagegen_app.core.types import GenerationRequest, ProviderResult, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import PreviewHook
    from imagegen_app.providers.http import Reply

#: Tokens of output images that each one on its way costs: https://developers.openai.com/api/docs/guides/
#: image-generation, “Partial images cost”, 2026-11-27.
PREVIEW_TOKENS = 100
#: The option of adapters that declare `has_previews`.
PARTIAL_IMAGES = Parameter(
    "int",
    low=0,
    high=3,
    default=0,
    help=gettext_noop(
        "Unfinished images to show to who waits for one image; each costs some output tokens."
    ),
)


class RemoteOpenAI(RemoteImages):
    """An account at an API like OpenAI's; a subclass says how its fields and paths differ."""

    #: Headers that hold the provider's id of a request where `request_id_header` is missing.
    further_id_headers: ClassVar[tuple[str, ...]] = ()

    async def submit(
        self,
        request: GenerationRequest,
        *,
        answer: SpooledAnswer,
        on_preview: PreviewHook | None = None,
    ) -> Submission:
        """Make the one billable call that a request is, as a stream where somebody sees previews."""
        self.check(request)
        request = self.prepared(request)
        events: openai_events.ImageEvents | None = None
        if on_preview is not None and (previews := self.preview_count(request)):
            events = openai_events.ImageEvents(on_preview)
            request = openai_events.streamed(request, partial_images=previews)
        form = await self.build(self.form_of, request)
        aim = "generations" if form.content_type == "application/json" else "edits"
        reply = await self.send(
            "POST",
            self.images_path(aim, request),
            body=form.body,
            content_type=form.content_type,
            headers=self.call_headers(),
            answer=answer,
            billable=True,
            reader=events,
        )
        if events is not None and events.has_begun:
            await asyncio.to_thread(self._raise_error, answer, reply, events=events)
        return await self.complete(reply, answer=answer, note=self.note_of(request, reply, aim=aim))

    def _raise_error(
        self, answer: SpooledAnswer, reply: Reply, *, events: openai_events.ImageEvents
    ) -> None:
        error = openai_events.error_of(answer, reply, events=events, classify=self.error_of)
        if error is not None:
            # It holds no image, and must not be taken for an answer later.
            answer.body_path.unlink(missing_ok=True)
            raise error

    @staticmethod
    def preview_tokens(options: Mapping[str, Any]) -> int:
        """Return how many tokens of output images the images on their way of one call cost at most."""
        return PREVIEW_TOKENS * int(options.get("partial_images", PARTIAL_IMAGES.default))

    def preview_count(self, request: GenerationRequest) -> int:
        """Return how many images on their way are asked for, if somebody sees them."""
        # 2026-11: of several images a stream does not say which one an event belongs to.
        is_one = request.count == 1 and "partial_images" in self.options
        return int(self.option("partial_images")) if is_one else 0

    def prepared(self, request: GenerationRequest) -> GenerationRequest:
        """Return a request with what the adapter chooses for it, such as a seed."""
        return request

    def fields_of(self, request: GenerationRequest) -> dict[str, Any]:
        """Return the fields of a call.

        :raises UnsupportedParameter: if they do not go together.
        """
        return openai_like.fields_of(request)

    def form_of(self, request: GenerationRequest) -> Form:
        """Return the body of a call: JSON for `generations`, else a form for `edits`.

        :raises ProviderError: if the request cannot be expressed.
        """
        return openai_like.body_of(request, self.fields_of(request))

    def images_path(self, aim: str, request: GenerationRequest) -> str:
        """Return the path of `generations` or `edits`."""
        del request
        return f"/images/{aim}"

    def call_headers(self) -> Mapping[str, str]:
        """Return further headers of the billable call."""
        return {}

    def note_of(self, request: GenerationRequest, reply: Reply, *, aim: str) -> dict[str, Any]:
        """Return what `read_answer` has to know of a call."""
        del aim
        return openai_like.note_of(request, reply)

    async def send(self, method: str, path: str, **options: Any) -> Reply:
        """Make a call as `Remote.send` does; its id may be in one of several headers."""
        reply = await super().send(method, path, **options)
        names = (self.request_id_header, *self.further_id_headers)
        named = next((name for name in names if reply.headers.get(name)), names[0])
        return replace(reply, request_id_header=named)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        return openai_like.read_images(answer)
