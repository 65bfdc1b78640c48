"""Run an adapter against the simulator, and watch it: errors, logs, bills, and other hosts."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from imagegen_app.core.errors import ProviderError
from imagegen_app.core.types import (
    Call,
    GenerationRequest,
    ProviderResult,
    Submission,
    SubmissionStatus,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential, Secret
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.contract.samples import KEY_MARK, PROMPT_MARK
from imagegen_app.testing.simulator.protocols import load

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.providers.base import CancelOutcome, PreviewHook, WebhookNotice
    from imagegen_app.providers.http.transport import CheckedTransport
    from imagegen_app.testing.contract.samples import Samples
    from imagegen_app.testing.simulator.process import SimulatorProcess

T = TypeVar("T")
#: The key of the contract's account; whatever shows it has leaked it.
KEY = "sk-contract-4e7d1b9a5c2f8063"
#: The environment variable that holds it while a check runs.
KEY_VARIABLE = "IMAGEGEN_CONTRACT_KEY"
#: A name that stands for the storage of results: the contract's client finds the simulator's other
#: host there.
RESULTS_HOST = "results.contract.example"
#: Jobs of the simulator end at once; a busy machine takes longer.
_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.005
#: Long enough for busy machines.
USUAL_LIMITS = HttpLimits(connect=30, read=30, total=60)


class ContractBroken(AssertionError):
    """The adapter does not keep the contract."""


def require(is_kept: object, complaint: str) -> None:
    """Complain unless a condition holds.

    :raises ContractBroken: if it does not.
    """
    if not is_kept:
        raise ContractBroken(complaint)


class ContractClient(HttpClient):
    """A client for which `RESULTS_HOST` is the simulator's other host."""

    def __init__(self, *, other_url: str, **options: Any) -> None:
        super().__init__(**options)
        self._other_url = other_url

    async def _call(self, transport: CheckedTransport, request: httpx.Request, *rest: Any) -> Any:
        if request.url.host == RESULTS_HOST:
            scheme = self._other_url.partition(":")[0]
            other = request.url.copy_with(scheme=scheme, host="127.0.0.1", port=self.other_port)
            request.url = other
            request.headers["host"] = f"{RESULTS_HOST}"
            transport = self._transport(trusted=True, kept=False)
        return await super()._call(transport, request, *rest)

    @property
    def other_port(self) -> int:
        """The port of the simulator's other host."""
        return int(self._other_url.rpartition(":")[2])


class Account:
    """An account of the adapter at the simulator: each call is watched."""

    def __init__(self, adapter: Any, *, bench: Bench) -> None:
        self.adapter = adapter
        self._bench = bench
        #: The calls under way, by their references: what a worker would know of them.
        self._calls: dict[str, Call] = {}

    def answer(self) -> SpooledAnswer:
        """Return a fresh place for an answer."""
        return SpooledAnswer(self._bench.folder / f"answer-{next(self._bench.numbers)}")

    async def submit(
        self,
        request: GenerationRequest,
        *,
        answer: SpooledAnswer | None = None,
        on_preview: PreviewHook | None = None,
    ) -> Submission:
        """Make the billable call; only an adapter that shows previews knows `on_preview`."""
        place = answer or self.answer()
        more = {} if on_preview is None else {"on_preview": on_preview}
        work = self.adapter.submit(request, answer=place, **more)
        submission: Submission = await self._watched(work)
        return self._noted(submission, _call_of(request, ref=submission.ref))

    async def poll(
        self,
        ref: str,
        *,
        answer: SpooledAnswer | None = None,
        on_preview: PreviewHook | None = None,
    ) -> Submission:
        """Query a job; only an adapter with `has_live_polls` is given `on_preview`."""
        place = answer or self.answer()
        call = self._call(ref)
        is_live = on_preview is not None and self._bench.declared.has_live_polls
        more = {"on_preview": on_preview} if is_live else {}
        submission: Submission = await self._watched(self.adapter.poll(call, answer=place, **more))
        return self._noted(submission, call)

    async def cancel(self, ref: str) -> CancelOutcome:
        """Ask the provider to stop a job."""
        outcome: CancelOutcome = await self._watched(self.adapter.cancel(self._call(ref)))
        return outcome

    async def reconcile(
        self, request: GenerationRequest, *, answer: SpooledAnswer | None = None
    ) -> Submission | None:
        """Find out the outcome of a lost call."""
        place = answer or self.answer()
        call = _call_of(request, ref=request.idempotency_key)
        found: Submission | None = await self._watched(
            self.adapter.reconcile(call, request, answer=place)
        )
        return None if found is None else self._noted(found, _call_of(request, ref=found.ref))

    async def verify_webhook(self, headers: dict[str, str], body: bytes) -> WebhookNotice:
        """Check a webhook."""
        notice: WebhookNotice = await self._watched(self.adapter.verify_webhook(headers, body))
        return notice

    async def read(self, answer: SpooledAnswer) -> ProviderResult:
        """Decode an answer."""

        async def read() -> ProviderResult:
            result: ProviderResult = self.adapter.read_answer(answer)
            return result

        result = await self._watched(read())
        self._bench.show(result)
        self._bench.show([image.revised_prompt for image in result.images])
        return result

    async def ended(
        self,
        submission: Submission,
        *,
        answer: SpooledAnswer,
        on_preview: PreviewHook | None = None,
    ) -> Submission:
        """Poll a job until it has ended."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while submission.status in {SubmissionStatus.ACCEPTED, SubmissionStatus.RUNNING}:
            require(time.monotonic() < end, "a job never ended")
            submission = await self.poll(submission.ref, answer=answer, on_preview=on_preview)
            await asyncio.sleep(_POLL_SECONDS)
        return submission

    async def made(
        self, request: GenerationRequest, *, answer: SpooledAnswer | None = None
    ) -> ProviderResult:
        """Submit, poll until it has ended, and decode: the whole way of a call."""
        place = answer or self.answer()
        submission = await self.ended(await self.submit(request, answer=place), answer=place)
        require(
            submission.status is SubmissionStatus.ANSWERED,
            f"the call ended as {submission.status.value}",
        )
        require(place.is_complete, "the answer's bytes are not in the spool when it is answered")
        self._bench.show(place.metadata())
        return await self.read(place)

    def _call(self, ref: str) -> Call:
        samples = self._bench.samples
        return self._calls.get(ref) or _call_of(samples.first_job or samples.first, ref=ref)

    def _noted(self, submission: Submission, call: Call) -> Submission:
        """Keep what the adapter wants to know of a call next time, as a worker does: as JSON."""
        self._bench.show(submission)
        state = call.state if submission.state is None else submission.state
        self._calls[call.ref] = replace(call, state=json.loads(json.dumps(dict(state))))
        return submission

    async def _watched(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except ProviderError as error:
            self._bench.show_error(error)
            raise
        except (ContractBroken, asyncio.CancelledError):
            raise
        except Exception as error:  # what is no ProviderError has no place here, whatever it is
            name = type(error).__name__
            raise ContractBroken(f"an exception that is no ProviderError: {name}") from error


def _call_of(request: GenerationRequest, *, ref: str) -> Call:
    return Call(
        ref,
        model=request.model,
        operation=request.operation,
        count=request.count,
        output_format=request.output_format,
    )


class Bench:
    """One check of one adapter: what it needs, and what is watched all the time."""

    #: What makes the calls; a subclass may watch them, too.
    client_class: type[ContractClient] = ContractClient

    def __init__(
        self, samples: Samples, *, simulator: SimulatorProcess | None, folder: Path
    ) -> None:
        self.samples = samples
        self.folder = folder
        self.numbers = itertools.count()
        self._simulator = simulator
        self._leaks: list[str] = []

    @property
    def simulator(self) -> SimulatorProcess:
        """The simulator that plays the provider."""
        if self._simulator is None:
            raise ContractBroken("this adapter has no protocol, so nothing plays its provider")
        return self._simulator

    @property
    def declared(self) -> registry.Adapter:
        """What the adapter's class declares."""
        return registry.describe(self.samples.adapter)

    @property
    def capabilities(self) -> Capabilities:
        """What the sample's model can do."""
        return self.samples.capabilities_of(self.samples.model)

    @asynccontextmanager
    async def account(
        self,
        *,
        limits: HttpLimits = USUAL_LIMITS,
        base_url: str = "",
        clock: Callable[[], float] = time.time,
        options: Mapping[str, Any] | None = None,
        client_class: type[ContractClient] | None = None,
    ) -> AsyncIterator[Account]:
        """Build the adapter for an account at the simulator; `options` go before the samples'."""
        options = {**self.samples.options, **(options or {})}
        if self._simulator is None:
            adapter = registry.build(self.samples.adapter, options=options)
            yield Account(adapter, bench=self)
            return
        base = base_url or self._simulator.base_url
        path = load(self.samples.protocol).base_path
        credential = Credential("contract", (f"env:{KEY_VARIABLE}",), frozenset({"127.0.0.1"}))
        client = (client_class or self.client_class)(
            trusted_origins=frozenset({base}),
            limits=limits,
            other_url=self._simulator.other_url,
            # Without the public certificates, whose reading takes long.
            ssl_context=self._simulator.client_context,
        )
        async with client as http:
            adapter = registry.build(
                self.samples.adapter,
                base_url=base + path,
                credential=credential,
                http=http,
                options=options,
                overrides=self.samples.overrides,
                webhook_secrets=(Secret(self._simulator.webhook_secret),),
                clock=clock,
            )
            yield Account(adapter, bench=self)

    def request(self, **changes: Any) -> GenerationRequest:
        """Return the simplest sample with changes."""
        return replace(self.samples.first, **changes)

    def new_request(self, **changes: Any) -> GenerationRequest:
        """Return the simplest sample as a call that the provider has not seen, with changes.

        An adapter may take an earlier call with the same key for this one.
        """
        return self.request(idempotency_key=f"{KEY_MARK}{next(self.numbers)}", **changes)

    def job(self, **changes: Any) -> GenerationRequest:
        """Return the simplest sample of a call that becomes a job, with changes."""
        sample = self.samples.first_job
        if sample is None:
            raise ContractBroken("no sample becomes a job")
        return replace(sample, **changes)

    async def refusal(
        self,
        work: Awaitable[object],
        expected: type[ProviderError] | tuple[type[ProviderError], ...],
    ) -> ProviderError:
        """Return the error that the work must end with.

        :raises ContractBroken: if it ends with another one, or with none.
        """
        kinds = expected if isinstance(expected, tuple) else (expected,)
        names = " or ".join(kind.__name__ for kind in kinds)
        try:
            await work
        except ProviderError as error:
            if not isinstance(error, kinds):
                raise ContractBroken(f"{type(error).__name__} instead of {names}") from error
            return error
        raise ContractBroken(f"no error instead of {names}")

    def require_honest_bill(self, error: ProviderError) -> None:
        """Complain about an error that says that nothing was billed, if it was.

        :raises ContractBroken: if so.
        """
        images = self.simulator.bill()["images"]
        require(
            error.billed != "no" or images == 0,
            f"{type(error).__name__} says that nothing was billed, but {images} images were",
        )

    def show(self, value: object) -> None:
        """Look for the key in what the adapter returns."""
        if KEY in repr(value):
            self._leaks.append(f"the key is in a {type(value).__name__}")

    def show_error(self, error: BaseException | None) -> None:
        """Look for the key and the prompt in an error, and in the errors that led to it."""
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            text = f"{error} {error.args} {getattr(error, 'detail', '')} " + str(
                getattr(error, "request_id", "")
            )
            for what, mark in (("key", KEY), ("prompt", PROMPT_MARK)):
                if mark in text:
                    self._leaks.append(f"the {what} is in a {type(error).__name__}")
            error = error.__cause__ or error.__context__

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch everything inside the block, and complain at its end.

        :raises ContractBroken: if the key or the prompt shows anywhere.
        """
        log = io.StringIO()
        handler = logging.StreamHandler(log)
        root, level = logging.getLogger(), logging.getLogger().level
        before = os.environ.get(KEY_VARIABLE)
        os.environ[KEY_VARIABLE] = self.samples.credential.replace("{key}", KEY)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
            if before is None:
                del os.environ[KEY_VARIABLE]
            else:
                os.environ[KEY_VARIABLE] = before
        for what, mark in (("key", KEY), ("prompt", PROMPT_MARK)):
            require(mark not in log.getvalue(), f"the {what} is in the log")
        require(not self._leaks, "; ".join(self._leaks))
        if self._simulator is not None:
            self._require_key_kept()

    def _require_key_kept(self) -> None:
        for call in self.simulator.elsewhere():
            text = f"{call.path} {dict(call.headers)} {call.body!r}"
            require(KEY not in text, f"the key went to another host: {call.method} {call.path}")
