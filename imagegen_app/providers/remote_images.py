"""Build adapters on this whose calls are answered at once, with images or with addresses of images."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.providers.families import openai_like
from imagegen_app.providers.remote import RESULT_HOSTS, Remote, may_have_urls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.model_parameters import Parameter
    from imagegen_app.core.types import Call, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.http import Reply


class RemoteImages(Remote):
    """An account at an API whose answers list images under `data`, as base64 or as addresses."""

    options: ClassVar[Mapping[str, Parameter]] = {"result_hosts": RESULT_HOSTS}

    @property
    def results_base(self) -> str:
        """What addresses without a host are below."""
        return self.base

    def items_in(self, document: object) -> Sequence[object]:
        """Return the items of an answer's document if some have to be fetched; else none."""
        return openai_like.items_in(document)

    async def complete(
        self, reply: Reply, *, answer: SpooledAnswer, note: Mapping[str, Any] | None = None
    ) -> Submission:
        """Complete the answer that a call has put there, and fetch what it has only addresses of.

        :raises ProviderError: if the reply is a refusal.
        """
        # Complete first: the call cannot be repeated, whatever becomes of its URLs.
        if not reply.ok:
            raise self.error_of(reply)

        def finish() -> bool:
            answer.finish(self.facts_of(reply, note))
            return may_have_urls(answer)

        # One visit to a thread for both.
        await self._fetch(answer, are_there=await asyncio.to_thread(finish))
        return self.answered(reply)

    async def fetch_again(self, call: Call, *, answer: SpooledAnswer) -> None:
        """Fetch the images of a kept answer that could not be fetched when it came."""
        del call
        await self._fetch(answer)

    async def _fetch(self, answer: SpooledAnswer, *, are_there: bool | None = None) -> None:
        await self.fetch_urls(
            answer, items_in=self.items_in, base_url=self.results_base, are_there=are_there
        )
