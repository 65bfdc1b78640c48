"""Ask those who take the site's keys whether these are valid: free of charge, and within seconds."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future, wait
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.errors import AuthenticationFailed, ProviderError
from imagegen_app.providers import refused_keys
from imagegen_app.services.gateways import (
    adapters,
    captioning,
    prompt_writing,
    screening,
    usable_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from imagegen_app.models import Provider

    #: Asks one of them; it may be called in any thread, and asks no database.
    KeyQuestion: TypeAlias = Callable[[], "KeyState"]

logger = logging.getLogger("imagegen.credentials")

#: How long one of them has to answer: a person waits for it.
CHECK_SECONDS = 10.0
#: How long all of them have together.
TOTAL_SECONDS = 20.0
#: How many are asked side by side.
MAX_AT_ONCE = 8


class KeyState(StrEnum):
    """What a provider or a service says about a key."""

    VALID = "valid"
    REFUSED = "refused"
    #: It has no call for it, or its adapter or class knows none.
    UNCHECKED = "unchecked"
    #: It could not be asked now, or answered something else.
    UNKNOWN = "unknown"
    #: It had not answered when the time for all was over.
    LATE = "late"


def check_key(provider: Provider) -> KeyState:
    """Return what a provider says about its key; nothing is billed.

    :raises ProviderNotConfigured: if the provider cannot be called at all.
    """
    return provider_question(provider)()


def provider_question(provider: Provider) -> KeyQuestion:
    """Return the question about a provider's key.

    :raises ProviderNotConfigured: if the provider cannot be called at all.
    """
    http = adapters.http_client(read_seconds=CHECK_SECONDS)
    # Optional: adapters of others may not have it.
    check = getattr(adapters.build_adapter(provider, http=http), "check_key", None)
    if check is None or not provider.credential:
        return lambda: KeyState.UNCHECKED

    async def ask() -> bool:
        async with http, asyncio.timeout(CHECK_SECONDS):
            return bool(await check())

    return lambda: _state(lambda: asyncio.run(ask()), asked=provider.slug)


def screener_question(entry: conf.ScreenerSettings) -> KeyQuestion:
    """Return the question about the key of a content check.

    :raises Exception: as `screening.build_screener`.
    """
    return _service_question(screening.build_screener(entry), asked=entry.name)


def captioner_question(entry: conf.CaptionerSettings) -> KeyQuestion:
    """Return the question about the captioner's key.

    :raises Exception: as `captioning.build_captioner`.
    """
    return _service_question(captioning.build_captioner(entry), asked=entry.name)


def text_model_question(entry: conf.TextModelSettings) -> KeyQuestion:
    """Return the question about the text model's key.

    :raises Exception: as `prompt_writing.build_text_model`.
    """
    return _service_question(prompt_writing.build_text_model(entry), asked=entry.name)


def has_refused_value(name: str) -> bool:
    """Tell whether a live value of a credential was refused in this process; most times none is read."""
    is_known = name in conf.get().credentials and refused_keys.has_any(name)
    return is_known and usable_credentials.has_refused_value(name)


def _service_question(service: object, *, asked: str) -> KeyQuestion:
    # Optional: few classes have it.
    check = getattr(service, "check_key", None)
    if check is None:
        return lambda: KeyState.UNCHECKED
    return lambda: _state(check, asked=asked)


def _state(check: Callable[[], object], *, asked: str) -> KeyState:
    try:
        return KeyState.VALID if check() else KeyState.UNCHECKED
    except AuthenticationFailed:
        return KeyState.REFUSED
    except (ProviderError, TimeoutError):
        return KeyState.UNKNOWN
    except Exception as error:  # noqa: BLE001 - a class of the site's own may raise anything
        # Not its text, which may hold a key.
        logger.warning("The key check of %s failed: %s.", asked, type(error).__name__)
        return KeyState.UNKNOWN


def ask_side_by_side(questions: Sequence[KeyQuestion]) -> list[KeyState]:
    """Return the answers in the order of the questions, after `TOTAL_SECONDS` at most."""
    answers: list[Future[KeyState]] = [Future() for _question in questions]
    waiting: SimpleQueue[tuple[KeyQuestion, Future[KeyState]]] = SimpleQueue()
    for pair in zip(questions, answers, strict=True):
        waiting.put(pair)
    for _place in range(min(MAX_AT_ONCE, len(questions))):
        # Daemons: one that hangs keeps neither the caller nor the process.
        Thread(target=_ask_waiting, args=(waiting,), name="imagegen-key-check", daemon=True).start()
    wait(answers, timeout=TOTAL_SECONDS)
    # What was not begun is not asked any more.
    return [KeyState.LATE if one.cancel() or not one.done() else one.result() for one in answers]


def _ask_waiting(waiting: SimpleQueue[tuple[KeyQuestion, Future[KeyState]]]) -> None:
    while True:
        try:
            question, answer = waiting.get_nowait()
        except Empty:
            return
        if answer.set_running_or_notify_cancel():
            try:
                answer.set_result(question())
            except BaseException as error:  # noqa: BLE001 - it goes to who waits
                answer.set_exception(error)
