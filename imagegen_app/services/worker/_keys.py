"""Have the key of a provider in hand before its call is marked as sent.

Environment variables and files are read at once. A function of the site's own may ask a vault and
take its time: it is called in a thread of its own, once for all jobs that wait for it, and its
answer is kept for a few seconds.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Thread
from typing import TYPE_CHECKING

from imagegen_app.core.errors import AuthenticationFailed, KeyStoreRefused
from imagegen_app.providers.credentials import (
    Credential,
    Secret,
    SecretMisconfigured,
    SecretMissing,
    SecretUnreadable,
)

if TYPE_CHECKING:
    from imagegen_app.services.worker._call_loop import CallResult

#: For how long a function's answer is used, or its failure believed.
KEPT_SECONDS = 5.0
#: Jobs that are claimed together ask one after the other: within this time they share one answer.
SHARED_SECONDS = 1.0


class KeyNeeded(Exception):
    """The key must be read first; nothing is wrong with the job."""

    def __init__(self, credential: Credential) -> None:
        super().__init__(credential.name)
        self.credential = credential


class KeyUnreadable(Exception):
    """The key's source failed; the message says how, without anything that the source said."""


@dataclass(frozen=True, slots=True)
class _Answer:
    values: tuple[Secret, ...]
    error: SecretMissing | None
    read_at: float


class KeyReader:
    """The keys that one driver has read."""

    def __init__(self) -> None:
        self._answers: dict[Credential, _Answer] = {}
        self._reads: dict[Credential, tuple[float, asyncio.Task[tuple[Secret, ...]]]] = {}

    def in_hand(self, credential: Credential | None, *, is_sent: bool) -> Credential | None:
        """Return the credential with its values read; `is_sent` says that a call may be under way.

        :raises KeyNeeded: if `read` must be awaited first.
        :raises KeyUnreadable: if its source failed just now, or a call under way has lost its key.
        :raises AuthenticationFailed: if it has no value, or its store is set up wrongly; nothing was sent.
        """
        if credential is None:
            return None
        try:
            return replace(credential, held=self._values(credential))
        except SecretUnreadable as error:
            raise KeyUnreadable(str(error)) from None
        except SecretMissing as error:
            if is_sent:
                # It says nothing about the call, which may be billed.
                raise KeyUnreadable(str(error)) from None
            if isinstance(error, SecretMisconfigured):
                raise KeyStoreRefused(detail=str(error)) from None
            raise AuthenticationFailed(
                "The provider's credential has no value here; nothing was sent.",
                detail=str(error),
            ) from None

    def _values(self, credential: Credential) -> tuple[Secret, ...]:
        if not credential.calls_code:
            return credential.values()
        known = self._answers.get(credential)
        if known is None or time.monotonic() - known.read_at > KEPT_SECONDS:
            raise KeyNeeded(credential)
        if known.error is not None:
            raise known.error
        return known.values

    async def read(self, credential: Credential) -> tuple[Credential, tuple[Secret, ...]]:
        """Call the source and return its values; all who need it at about the same time share one call.

        :raises SecretMissing: as `Credential.values`, which limits the time.
        """
        begun_at, task = self._reads.get(credential, (0.0, None))
        is_old = time.monotonic() - begun_at > SHARED_SECONDS
        if task is None or (task.done() and is_old):
            task = asyncio.ensure_future(_in_thread(credential))
            self._reads[credential] = (time.monotonic(), task)
        return credential, await asyncio.shield(task)

    def keep(self, credential: Credential, done: CallResult) -> None:
        """Remember what a read brought."""
        error = done.error
        if error is not None and not isinstance(error, SecretMissing):
            error = SecretUnreadable(f"credential {credential.name!r}: {type(error).__name__}")
        values = () if error is not None else done.result[1]
        self._answers[credential] = _Answer(values, error, time.monotonic())

    def forget(self, name: str) -> None:
        """Read the credential anew for the next call: the provider has refused it."""
        for known in {*self._answers, *self._reads}:
            if known.name == name:
                known.forget()
        self._answers = {key: kept for key, kept in self._answers.items() if key.name != name}
        self._reads = {key: read for key, read in self._reads.items() if key.name != name}


async def _in_thread(credential: Credential) -> tuple[Secret, ...]:
    answer: Future[tuple[Secret, ...]] = Future()

    def run() -> None:
        try:
            values = credential.values()
        except BaseException as error:  # noqa: BLE001 - it goes to who waits
            outcome: tuple[tuple[Secret, ...], BaseException | None] = ((), error)
        else:
            outcome = (values, None)
        # Nobody waits any more where the driver has ended meanwhile.
        if answer.set_running_or_notify_cancel():
            if outcome[1] is not None:
                answer.set_exception(outcome[1])
            else:
                answer.set_result(outcome[0])

    Thread(target=run, name="imagegen-credential", daemon=True).start()
    return await asyncio.wrap_future(answer)
