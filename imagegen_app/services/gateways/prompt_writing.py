"""Ask the site's text model to suggest or improve a prompt; a person takes, edits or drops it.

If the text model fails or does not answer in time, there is no suggestion, and nothing else changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from imagegen_app import conf
from imagegen_app.core.limits import MAX_PROMPT_CHARS
from imagegen_app.core.provider_text import MAX_LINE_CHARS, provider_text
from imagegen_app.services.gateways import configured_objects, screening
from imagegen_app.services.gateways.text_services import ServiceText, log_failure, text_of
from imagegen_app.writing.base import TextModelFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.services.gateways.screening import UnsavedVerdict
    from imagegen_app.writing.base import TextModel, WrittenPrompt

#: A field of the content may be a whole page; this much of it is sent.
MAX_TEXT_CHARS: Final = 4_000
MAX_WISH_CHARS: Final = 500
_limit = configured_objects.TimeLimit("imagegen-text-model", failure=TextModelFailed)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the text model answered, and what the content checks of texts decided about it."""

    answer: ServiceText
    screened: tuple[UnsavedVerdict, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether a content check blocked it."""
        return screening.is_blocked(self.screened)


def is_enabled() -> bool:
    """Return whether the site has a text model."""
    return bool(conf.get().text_model.backend)


def price() -> Decimal:
    """Return what one suggestion costs at most, with the content checks of what is sent and comes back."""
    entry = conf.get().text_model
    if not entry.backend:
        return Decimal(0)
    return Decimal(entry.price) + 2 * screening.price_of("prompt")


def build_text_model(entry: conf.TextModelSettings, *, is_check: bool = False) -> TextModel:
    """Return the text model that the settings name; one that asks a service gets its credential.

    For a system check (`is_check`) the database is not asked whether the credential was revoked.

    :raises CredentialUnusable: if the settings have no credential of its name, or it must not be used.
    :raises Exception: whatever its class raises, such as for an option that it does not know.
    """
    text_model: TextModel = configured_objects.build(
        entry.backend, entry.options, is_check=is_check
    )
    return text_model


def availability_problem() -> str:
    """Ask the text model's service, free of charge, whether it can be used; empty if it can.

    Also empty without one, and where its class cannot ask.

    :raises Exception: whatever its class raises.
    """
    entry = conf.get().text_model
    ask = getattr(build_text_model(entry), "availability_problem", None) if entry.backend else None
    if ask is None:
        return ""
    return provider_text(_limit.call(entry.seconds, ask), max_chars=MAX_LINE_CHARS)


def suggest(texts: Mapping[str, str], *, max_chars: int = MAX_PROMPT_CHARS) -> Suggestion:
    """Have a prompt suggested from texts of the content, by the names of their fields."""
    cut = {name: text[:MAX_TEXT_CHARS] for name, text in texts.items()}
    return _screened(_asked(lambda m: m.suggest_prompt(cut, max_chars=max_chars), max_chars))


def improve(prompt: str, *, wish: str, max_chars: int = MAX_PROMPT_CHARS) -> Suggestion:
    """Have a prompt improved; an empty wish leaves it open how."""
    return _screened(
        _asked(lambda m: m.improve_prompt(prompt, wish=wish, max_chars=max_chars), max_chars)
    )


def can_write_rows() -> bool:
    """Return whether the site has a text model that writes texts for the rows of tables."""
    backend = conf.get().text_model.backend
    return bool(backend) and configured_objects.has_method(backend, "write_text")


def row_text_call(
    texts: Mapping[str, str], *, instruction: str, language: str, max_chars: int
) -> Callable[[], ServiceText]:
    """Return the call that has the text of one row written; it may be made in any thread.

    Here the credential is looked up, for which the caller's thread has a database.
    """
    entry = conf.get().text_model
    cut = {name: text[:MAX_TEXT_CHARS] for name, text in texts.items()}
    try:
        text_model = build_text_model(entry)
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        log_failure(entry, error)
        return ServiceText
    return lambda: text_of(
        entry,
        text_model,
        lambda m: m.write_text(
            cut, instruction=instruction, language=language, max_chars=max_chars
        ),
        limit=_limit,
        failure=TextModelFailed,
        max_chars=max_chars,
    )


def screened(answer: ServiceText) -> Suggestion:
    """Have the content checks of texts decide about an answer; a blocked one loses its text."""
    return _screened(answer)


def _asked(ask: Callable[[TextModel], WrittenPrompt], max_chars: int) -> ServiceText:
    entry = conf.get().text_model
    try:
        text_model = build_text_model(entry)
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        log_failure(entry, error)
        return ServiceText()
    return text_of(
        entry, text_model, ask, limit=_limit, failure=TextModelFailed, max_chars=max_chars
    )


def _screened(answer: ServiceText) -> Suggestion:
    """Have the content checks of texts decide about an answer; a blocked one loses its text."""
    if not answer.text:
        return Suggestion(answer)
    verdicts = tuple(screening.screen_text(answer.text, part="prompt"))
    if screening.is_blocked(verdicts):
        return Suggestion(replace(answer, text=""), verdicts)
    return Suggestion(answer, verdicts)
