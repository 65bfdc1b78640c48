"""Plant faults in adapters, and see that the contract catches each: who watches the watchman."""

from __future__ import annotations

import io
import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from PIL import Image, ImageOps

from imagegen_app.core.errors import (
    AnswerNotKept,
    BadResponse,
    ContentBlocked,
    OutcomeUnknown,
    ProviderError,
)
from imagegen_app.core.types import InputRole, Operation, RecoveryMethod
from imagegen_app.providers import registry
from imagegen_app.testing.contract.bench import KEY_VARIABLE, RESULTS_HOST, ContractClient
from imagegen_app.testing.contract.jobs import UNKNOWN_WORD
from imagegen_app.testing.contract.samples import KEY_MARK

if TYPE_CHECKING:
    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.providers.base import Account
    from imagegen_app.providers.http import HttpClient
    from imagegen_app.testing.contract.samples import Samples

T = TypeVar("T")
_KEY_TEXT = re.compile(rb"contract-call-[a-z0-9_-]+")
_REDIRECTS = range(300, 400)
_HERE = __name__


class _Adapter:
    """An adapter whose methods all pass one place, where faults are planted."""

    #: The client that it is given instead of its own.
    client: type[ContractClient] | None = None

    def __init__(self, account: Account) -> None:
        if self.client is not None and account.http is not None:
            account = replace(account, http=_turned_into(self.client, account.http))
        super().__init__(account)  # type: ignore[call-arg]

    def changed(self, request: GenerationRequest) -> GenerationRequest:
        """Return what is submitted instead of a request."""
        return request

    def raised(self, error: ProviderError) -> BaseException:
        """Return what is raised instead of an error."""
        return error

    async def submit(self, request: GenerationRequest, **more: Any) -> Any:
        try:
            return await super().submit(self.changed(request), **more)  # type: ignore[misc]
        except ProviderError as error:
            raise self.raised(error) from None

    async def poll(self, *args: Any, **more: Any) -> Any:
        try:
            return await super().poll(*args, **more)  # type: ignore[misc]
        except ProviderError as error:
            raise self.raised(error) from None

    def read_answer(self, *args: Any) -> Any:
        try:
            return super().read_answer(*args)  # type: ignore[misc]
        except ProviderError as error:
            raise self.raised(error) from None


class _DroppingClient(ContractClient):
    """Sends no idempotency key, neither in headers nor in bodies."""

    async def send(self, method: str, url: str, **options: Any) -> Any:
        headers = options.get("headers") or {}
        options["headers"] = {
            name: value for name, value in headers.items() if not value.startswith(KEY_MARK)
        }
        fresh = f"{KEY_MARK}{uuid.uuid4().hex}".encode()
        options["body"] = _KEY_TEXT.sub(fresh, options.get("body", b""))
        return await super().send(method, url, **options)


class _FollowingClient(ContractClient):
    """Follows redirects, with the key."""

    async def _call(self, client: Any, request: Any, *rest: Any) -> Any:
        reply = await super()._call(client, request, *rest)
        location = reply.headers.get("location", "")
        if reply.status in _REDIRECTS and location:
            place = request.url.join(location)
            if place.host == RESULTS_HOST:
                place = place.copy_with(scheme="http", host="127.0.0.1", port=self.other_port)
            target = self._transport(trusted=True, kept=False)
            again = type(request)(request.method, place, headers=request.headers)
            await (await target.handle_async_request(again)).aclose()
        return reply


class _TalkativeClient(ContractClient):
    """Fetches results with the key."""

    async def _call(self, client: Any, request: Any, *rest: Any) -> Any:
        if request.url.host == RESULTS_HOST:
            request.headers["authorization"] = f"Bearer {os.environ[KEY_VARIABLE]}"
        return await super()._call(client, request, *rest)


class _ListeningClient(ContractClient):
    """Remembers whether the last answer had the state that nobody knows."""

    has_unknown_word = False

    async def send(self, method: str, url: str, **options: Any) -> Any:
        reply = await super().send(method, url, **options)
        type(self).has_unknown_word = UNKNOWN_WORD.encode() in reply.body
        return reply


class DroppedKey(_Adapter):
    """The idempotency key is not sent, though the adapter declares that it is."""

    client = _DroppingClient
    recovery = frozenset({RecoveryMethod.IDEMPOTENCY_KEY})

    def changed(self, request: GenerationRequest) -> GenerationRequest:
        fresh = replace(request, idempotency_key=f"{KEY_MARK}{uuid.uuid4().hex}")
        # What makes no calls repeats its images by the key, or by the seed; others may send a
        # reference that they derive from the key, and that the client does not know for one.
        is_remote = getattr(self, "is_remote", True)
        return fresh if is_remote else replace(fresh, seed=uuid.uuid4().int % 10**6)


class IgnoredBlock(_Adapter):
    """A block inside of a success is taken for an answer without images."""

    def raised(self, error: ProviderError) -> BaseException:
        is_inside = isinstance(error, ContentBlocked) and error.status in {None, 200}
        return BadResponse(detail="no images in the answer") if is_inside else error


class LeakedKey(_Adapter):
    """The provider's words, with the key in them, become ours."""

    def raised(self, error: ProviderError) -> BaseException:
        error.detail = f"{error.detail} ({os.environ[KEY_VARIABLE]})"
        return error


class SwallowedWait(_Adapter):
    """The wait that the provider asks for is lost."""

    def raised(self, error: ProviderError) -> BaseException:
        error.retry_after = None
        return error


class TurnedMask(_Adapter):
    """The mask means the opposite of what it means at the provider."""

    def changed(self, request: GenerationRequest) -> GenerationRequest:
        inputs = tuple(
            replace(one, data=_turned(one.data)) if one.role is InputRole.MASK else one
            for one in request.inputs
        )
        return replace(request, inputs=inputs)


class ClosedStates(_Adapter):
    """A state that is not known is taken for a failure."""

    client = _ListeningClient

    async def submit(self, request: GenerationRequest, **more: Any) -> Any:
        return self._known(await super().submit(request, **more))

    async def poll(self, *args: Any, **more: Any) -> Any:
        return self._known(await super().poll(*args, **more))

    def _known(self, submission: T) -> T:
        if _ListeningClient.has_unknown_word:
            error = BadResponse(detail="unknown state")
            error.is_call_outcome = True
            raise error
        return submission


class ForeignException(_Adapter):
    """What cannot be read raises an exception that nobody expects."""

    def raised(self, error: ProviderError) -> BaseException:
        is_unread = isinstance(error, BadResponse | OutcomeUnknown)
        return KeyError("data") if is_unread and not isinstance(error, AnswerNotKept) else error


class FollowedRedirect(_Adapter):
    """A call is sent to where it is redirected, with the key."""

    client = _FollowingClient


class KeyWithResults(_Adapter):
    """Results are fetched with the key, wherever they are."""

    client = _TalkativeClient


class DroppedField(_Adapter):
    """What the provider has another name for is left out of the call."""

    def changed(self, request: GenerationRequest) -> GenerationRequest:
        return replace(
            request,
            prompt="a mug",
            negative_prompt="",
            seed=None,
            quality="",
            background="",
            loras=(),
        )


class NoFault(_Adapter):
    """Nothing is wrong: planting alone breaks nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that can be planted in every adapter that it concerns."""

    name: str
    kind: type[_Adapter]
    #: The check that catches it.
    caught_by: str
    #: Why it cannot be planted in an adapter; empty where it can.
    excuse: Callable[[Samples], str]


def _needs_calls(samples: Samples) -> str:
    return "" if registry.describe(samples.adapter).is_remote else "makes no calls"


def _needs_blocks(samples: Samples) -> str:
    return _needs_calls(samples) or ("" if samples.has_blocks else "refuses no content")


def _needs_addresses(samples: Samples) -> str:
    return _needs_calls(samples) or ("" if samples.has_addresses else "has no addresses")


def _needs_jobs(samples: Samples) -> str:
    return _needs_calls(samples) or ("" if samples.first_job else "has no jobs")


def _needs_masks(samples: Samples) -> str:
    can = registry.capabilities(samples.adapter, samples.model, options=samples.options)
    has_masks = can.supports_mask and Operation.INPAINT in can.operations
    return "" if has_masks else "has no masks"


def _never(samples: Samples) -> str:
    del samples
    return ""


#: The faults that adapters have had, and the check that must catch each in every adapter.
FAULTS: tuple[Fault, ...] = (
    Fault("dropped idempotency key", DroppedKey, "the_same_key_is_billed_once", _never),
    Fault(
        "block inside a success",
        IgnoredBlock,
        "a_block_inside_a_success_is_told_as_one",
        _needs_blocks,
    ),
    Fault("leaked key", LeakedKey, "an_answer_that_repeats_the_key_leaks_nothing", _needs_calls),
    Fault("swallowed Retry-After", SwallowedWait, "a_rate_limit_carries_its_wait", _needs_calls),
    Fault("wrong mask polarity", TurnedMask, "a_mask_changes_what_ours_marks", _needs_masks),
    Fault("unknown state", ClosedStates, "an_unknown_state_is_still_running", _needs_jobs),
    Fault("foreign exception", ForeignException, "a_damaged_answer_is_a_bad_response", _never),
    Fault("dropped field", DroppedField, "what_is_asked_for_changes_the_call", _needs_calls),
    Fault(
        "key sent where a redirect leads",
        FollowedRedirect,
        "a_redirected_call_is_not_followed",
        _needs_calls,
    ),
    Fault(
        "key sent to the host of a result",
        KeyWithResults,
        "a_result_at_another_host_is_fetched_without_the_key",
        _needs_addresses,
    ),
)


def planted(kind: type[_Adapter], samples: Samples) -> Samples:
    """Return the samples of an adapter with a fault in it."""
    path = registry.describe(samples.adapter).path
    module, _, attribute = path.partition(":")
    original = getattr(import_module(module), attribute)
    name = f"{kind.__name__}Of{original.__name__}"
    # The registry builds adapters by their paths, so this one needs a path, too.
    globals()[name] = type(name, (kind, original), {})
    return replace(samples, adapter=f"{_HERE}:{name}")


def plantable(all_samples: Mapping[str, Samples]) -> dict[tuple[str, str], str]:
    """Return by adapter and fault which samples it is planted with: the first that can have it."""
    found: dict[tuple[str, str], str] = {}
    for name, samples in all_samples.items():
        for fault in FAULTS:
            if not fault.excuse(samples):
                found.setdefault((samples.adapter, fault.name), name)
    return found


def table(all_samples: Mapping[str, Samples]) -> str:
    """Return the Markdown table of which check catches which fault in which adapter."""
    first: dict[str, Samples] = {}
    for samples in all_samples.values():
        first.setdefault(samples.adapter, samples)
    where = plantable(all_samples)
    lines = [f"| fault | {' | '.join(first)} | caught by |"]
    lines.append(f"|---{'|---' * len(first)}|---|")
    for fault in FAULTS:
        cells = [
            "caught" if (adapter, fault.name) in where else fault.excuse(samples)
            for adapter, samples in first.items()
        ]
        lines.append(f"| {fault.name} | {' | '.join(cells)} | `{fault.caught_by}` |")
    return "\n".join(lines) + "\n"


def _turned(mask: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(mask)) as image:
        ImageOps.invert(image.convert("L")).save(buffer, "PNG")
    return buffer.getvalue()


def _turned_into(kind: type[ContractClient], http: HttpClient) -> ContractClient:
    """Return a client of another kind that shares the state of one."""
    client = kind.__new__(kind)
    client.__dict__ = http.__dict__
    return client
