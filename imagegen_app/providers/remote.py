"""Build adapters that call an API on this: the account, its key, its calls and queries."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from imagegen_app.core.capability_overrides import overridden
from imagegen_app.core.errors import (
    BadResponse,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
)
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.core.types import RecoveryMethod, Submission, SubmissionStatus
from imagegen_app.providers.families import base64_json, results, statuses
from imagegen_app.providers.families.synchronous import Synchronous
from imagegen_app.providers.http import Auth
from imagegen_app.providers.http.transport import origin, parse
from imagegen_app.providers.parameters import check_request
from imagegen_app.providers.rate_headers import rate_limited_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import Account
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import EventReader, HttpClient, Reply, WebSocket

#: The option that limits where results are fetched from.
RESULT_HOSTS = Parameter(
    "list",
    default=(),
    help=gettext_noop("Hosts that results may be fetched from; names below them count, too."),
)
#: The document that answers a query, in bytes: with images in it, in the worst case.
MAX_QUERY_BYTES = 96 * 1024 * 1024
#: What a provider answers to `check_key`; some list all of their models.
_MAX_CHECK_BYTES = 8 * 1024 * 1024
#: Characters of a document that take long enough to be written in a thread.
_LARGE_CHARS = 64 * 1024
_Built = TypeVar("_Built")
#: Documents that are kept at once in this process.
MAX_KEPT = 200
_kept: dict[tuple[str, str, Credential | None], tuple[float, Any]] = {}


class Remote(Synchronous, ABC):
    """An account at an API; a subclass adds `capabilities`, `submit` and `read_answer`.

    `poll`, `cancel`, `reconcile` and `verify_webhook` are those of an API without jobs until a
    subclass has its own.
    """

    name: ClassVar[str] = ""
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()
    options: ClassVar[Mapping[str, Parameter]] = {}
    webhook_kind: ClassVar[str] = ""
    #: A path whose GET is free and refused without a valid key; empty where none is known.
    key_check_path: ClassVar[str] = ""
    #: Further headers of answers to keep, in lower case; see `http.headers`.
    kept_headers: ClassVar[frozenset[str]] = frozenset()
    #: The header with the provider's id of a request, in lower case.
    request_id_header: ClassVar[str] = "x-request-id"

    def __init__(self, account: Account) -> None:
        self.account = account
        self.base = account.base_url.rstrip("/")
        self.auth = None if account.credential is None else self.auth_with(account.credential)

    @property
    def http(self) -> HttpClient:
        """The client for all calls.

        :raises RuntimeError: if the adapter was built without one.
        """
        if self.account.http is None:
            raise RuntimeError("this adapter was built to make no calls")
        return self.account.http

    def auth_with(self, credential: Credential) -> Auth:
        """Return how the key is sent; a bearer token unless a subclass knows better."""
        return Auth(credential)

    def option(self, name: str) -> Any:
        """Return an option of the account, or its default."""
        return self.account.options.get(name, self.options[name].default)

    @abstractmethod
    def capabilities(self, model: str) -> Capabilities:
        """Return what the adapter knows of a model."""

    def offer(self, model: str) -> Capabilities:
        """Return what a model offers: what the adapter knows of it, as the account has changed it."""
        return overridden(self.capabilities(model), self.account.overrides.get(model))

    def check(self, request: GenerationRequest) -> Capabilities:
        """Refuse what the model does not offer, and return what it does, as the account has it.

        :raises UnsupportedParameter: with the first complaint as its detail.
        """
        offer = self.offer(request.model)
        check_request(request, capabilities=offer)
        return offer

    async def build(
        self, make: Callable[..., _Built], request: GenerationRequest, *more: Any
    ) -> _Built:
        """Return what `make` builds of a request; in a thread where its images take a while.

        A visit to a thread costs a tenth of a millisecond or two, which is much of a small call.
        """
        if request.inputs:
            return await asyncio.to_thread(make, request, *more)
        return make(request, *more)

    def address(self, path: str) -> str:
        """Return the URL of a path below the base URL; a whole URL stays as it is."""
        return path if path.startswith(("https://", "http://")) else self.base + path

    async def send(
        self,
        method: str,
        path: str,
        *,
        document: Any = None,
        body: bytes = b"",
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
        answer: SpooledAnswer | None = None,
        part: str = "body",
        limit: int | None = None,
        billable: bool = False,
        with_key: bool = True,
        reader: EventReader | None = None,
    ) -> Reply:
        """Make a call with the account's key; `document` is sent as JSON. See `HttpClient.send`.

        `with_key=False` is for addresses that the provider names at hosts of others.

        :raises ProviderError: as `HttpClient.send` does; a status that is no success is returned.
        """
        if document is not None:
            is_large = _chars_of(document, most=_LARGE_CHARS) >= _LARGE_CHARS
            body = await asyncio.to_thread(encoded, document) if is_large else encoded(document)
            content_type = "application/json"
        return await self.http.send(
            method,
            self.address(path),
            body=body,
            content_type=content_type,
            headers=headers,
            auth=self.auth if with_key else None,
            answer=answer,
            part=part,
            limit=limit,
            billable=billable,
            keep=self.kept_headers,
            request_id_header=self.request_id_header,
            reader=reader,
        )

    def websocket(self, path: str) -> AbstractAsyncContextManager[WebSocket]:
        """Listen at a websocket below the base URL with the account's key.

        See `HttpClient.websocket`.
        """
        return self.http.websocket(self.address(path), auth=self.auth)

    async def query(self, path: str, **options: Any) -> tuple[Reply, Any]:
        """GET a JSON document; queries are free, so an unusable answer counts as temporary.

        :raises ProviderUnavailable: if the answer is of no use now.
        :raises ProviderError: as `error_of` sorts the refusal.
        """
        reply = await self.send("GET", path, **{"limit": MAX_QUERY_BYTES} | options)
        try:
            if reply.ok:
                return reply, self.document_of(reply)
            raise self.error_of(reply)
        except (BadResponse, OutcomeUnknown) as error:
            if error.is_call_outcome:
                # Some tell by an error's status how a call ended.
                raise
            raise asked_in_vain(error) from None

    async def check_key(self) -> bool:
        """Ask, free of charge, whether the key is valid; False where that cannot be asked.

        :raises AuthenticationFailed: if the provider refuses the key.
        :raises ProviderError: if it cannot tell now.
        """
        if not self.key_check_path:
            return False
        await self.query(self.key_check_path, limit=_MAX_CHECK_BYTES)
        return True

    async def look_up(self, path: str) -> tuple[Reply, Any]:
        """GET a JSON document that tells about a call whose answer was lost; see `query`.

        A refusal never says that the call did not come: a wrong path or a gateway answers 404, too.
        Only what is in the document does.

        :raises ProviderUnavailable: if the answer is of no use now.
        """
        try:
            return await self.query(path)
        except NotFound as error:
            raise asked_in_vain(error) from None

    async def kept_query(self, path: str, *, seconds: float) -> Any:
        """Return the document of a query that needs no asking again for so long.

        :raises ProviderError: as `query` does.
        """
        kept = (self.base, path, self.account.credential)
        until, document = _kept.get(kept, (0.0, None))
        if until <= self.account.clock():
            _reply, document = await self.query(path)
            if len(_kept) >= MAX_KEPT:
                _kept.clear()
            _kept[kept] = (self.account.clock() + seconds, document)
        return document

    async def kept(
        self, reply: Reply, *, answer: SpooledAnswer, note: Mapping[str, Any] | None = None
    ) -> Submission:
        """Complete the answer that a call has put there; `note` is for `read_answer`.

        :raises ProviderError: if the reply is a refusal.
        """
        if not reply.ok:
            raise self.error_of(reply)
        await asyncio.to_thread(answer.finish, self.facts_of(reply, note))
        return self.answered(reply)

    @staticmethod
    def facts_of(reply: Reply, note: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the note of an answer that a call has put there."""
        return {**(note or {}), "request_id": reply.request_id, "sha256": reply.sha256}

    async def fetch_urls(
        self,
        answer: SpooledAnswer,
        *,
        items_in: Callable[[object], Sequence[object]],
        base_url: str = "",
        are_there: bool | None = None,
    ) -> None:
        """Fetch the images that an answer has only addresses of; what cannot be is left out.

        `are_there` is what `may_have_urls` said of it, where somebody asked already.

        For calls that are answered at once: `items_in` finds the images in the answer's document.
        Addresses without a host are below `base_url`, or the account's.

        :raises AnswerNotKept: if the disk is full or fails.
        """
        if are_there is None:
            are_there = await asyncio.to_thread(may_have_urls, answer)
        if not are_there:
            return
        try:
            content = (await asyncio.to_thread(base64_json.load, answer)).content
        except BadResponse:
            return
        items = items_in(content)
        if not items:
            return
        left_out = await results.fetch_all(
            items,
            http=self.http,
            base_url=base_url or self.base,
            answer=answer,
            hosts=self.result_hosts(),
            can_poll=False,
        )
        await asyncio.to_thread(answer.finish, {**answer.metadata(), "left_out": left_out})

    def result_hosts(self) -> frozenset[str]:
        """Return where results may be fetched from; empty for everywhere."""
        # An adapter need not offer the option.
        return frozenset(self.option("result_hosts") if "result_hosts" in self.options else ())

    def answered(self, reply: Reply, *, ref: str = "") -> Submission:
        """Return the submission of a call whose answer is stored and complete."""
        return Submission(
            SubmissionStatus.ANSWERED,
            ref=ref,
            request_id=reply.request_id,
            progress=1.0,
            rate_limited_for=rate_limited_for(reply.headers),
        )

    def success_of(self, reply: Reply) -> Any:
        """Return the JSON document of a success.

        :raises ProviderError: as `error_of` sorts the refusal.
        :raises BadResponse: if it is no JSON.
        """
        if not reply.ok:
            raise self.error_of(reply)
        return self.document_of(reply)

    def document_of(self, reply: Reply) -> Any:
        """Return the JSON document of a reply.

        :raises BadResponse: if it is none.
        """
        try:
            return load_json(reply.body)
        except InvalidJson:
            raise BadResponse(
                detail="not JSON", status=reply.status, request_id=reply.request_id
            ) from None

    def error_of(self, reply: Reply) -> ProviderError:
        """Return what a reply that is no success means."""
        return statuses.classify(reply)


def is_below(base: str, address: str) -> bool:
    """Return whether `Remote.address` makes a URL at the origin of `base` of a path or a URL."""
    if not address.startswith(("/", "https://")):
        return False
    url = address if address.startswith("https://") else base + address
    try:
        return origin(parse(url)) == origin(parse(base))
    except ValueError:
        return False


def forget() -> None:
    """Forget all documents that are kept."""
    _kept.clear()


def may_have_urls(answer: SpooledAnswer) -> bool:
    """Return whether addresses may be in an answer: decoding it twice would cost more than a look."""
    return base64_json.mentions(answer, b'"url"', b'"http')


def _chars_of(document: object, *, most: int) -> int:
    """Return about how many characters of text are in a document; no more than `most` are counted."""
    if isinstance(document, str):
        return len(document)
    if isinstance(document, Mapping):
        document = list(document.values())
    found = 0
    for one in document if isinstance(document, list | tuple) else ():
        found += _chars_of(one, most=most)
        if found >= most:
            break
    return found


def encoded(document: Any) -> bytes:
    """Write a document as JSON: the same bytes for the same document."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def asked_in_vain(error: ProviderError) -> ProviderUnavailable:
    """Return the error of a query that is repeated later, since queries are free."""
    return statuses.instead(error, ProviderUnavailable, retry_after=error.retry_after)
