"""Define what a provider's server says of one of its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from imagegen_app.core.i18n import Message
from imagegen_app.core.provider_text import (
    MAX_LINE_CHARS,
    MAX_WORD_CHARS,
    provider_reference,
    provider_text,
)

if TYPE_CHECKING:
    from imagegen_app.core.capabilities import Capabilities

#: Models of a server that are read: a list of more is cut, and its rest is found by name.
MAX_MODELS = 10_000
#: Problems that are told; with more, the first ones are enough to work on.
MAX_PROBLEMS = 50
#: Models of a page of a list.
PAGE_MODELS = 50
_MAX_CURSOR_CHARS = 200
_MAX_NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What a server says of a model, for the administrator who registers it; nothing follows by itself."""

    #: Whether the server has the model; None where it does not tell.
    is_known: bool | None = None
    #: The models that it has, as it names them; empty where it does not tell.
    models: tuple[str, ...] = ()
    #: What the model can do where the server tells, as far as it tells; None where it does not.
    capabilities: Capabilities | None = None
    #: What does not fit together, such as a node of a workflow that the server lacks.
    problems: tuple[Message, ...] = ()
    #: What the server does not tell, or what of it cannot be used here.
    unknown: tuple[Message, ...] = ()
    #: What people call the model; empty where the server does not say.
    label: str = ""
    #: The version that was described; empty where it has none.
    version: str = ""
    #: How a call names exactly this version; empty for the name that was asked about.
    pinned_name: str = ""
    #: A price list as `pricing` reads it; empty where the server names no price that can be used.
    price_list: Mapping[str, Any] = field(default_factory=dict)
    #: When the provider turns the model off; None where it does not say.
    retires_on: date | None = None

    def __post_init__(self) -> None:
        names = [provider_text(name, max_chars=MAX_LINE_CHARS) for name in self.models[:MAX_MODELS]]
        object.__setattr__(self, "models", tuple(name for name in names if name))
        for texts in ("problems", "unknown"):
            object.__setattr__(self, texts, _cleaned(getattr(self, texts)))
        for name in ("label", "version"):
            text = provider_text(getattr(self, name), max_chars=_MAX_NAME_CHARS)
            object.__setattr__(self, name, text)
        object.__setattr__(self, "pinned_name", provider_reference(self.pinned_name))


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model of a server's list."""

    #: As calls name it.
    name: str
    #: What people call it, or what it is for; empty where the server does not say.
    label: str = ""


@dataclass(frozen=True, slots=True)
class ModelPage:
    """A part of the models that a server has."""

    models: tuple[ListedModel, ...] = ()
    #: What to ask the server with for the next part; empty after the last one.
    next_page: str = ""

    def __post_init__(self) -> None:
        kept = [
            ListedModel(name, provider_text(one.label, max_chars=MAX_LINE_CHARS))
            for one in self.models[:PAGE_MODELS]
            if (name := provider_reference(one.name))
        ]
        object.__setattr__(self, "models", tuple(kept))
        following = provider_text(self.next_page, max_chars=_MAX_CURSOR_CHARS)
        object.__setattr__(self, "next_page", following if following == self.next_page else "")


def page_of(names: Sequence[str], *, search: str, page: str) -> ModelPage:
    """Return a page of a whole list of names, of those that contain a text.

    `page` is the `next_page` of the one before, or empty for the first.
    """
    wanted = search.strip().lower()
    found = [name for name in names if wanted in name.lower()]
    start = min(int(page), len(found)) if page.isascii() and page.isdecimal() else 0
    following = start + PAGE_MODELS
    return ModelPage(
        tuple(ListedModel(name) for name in found[start:following]),
        str(following) if following < len(found) else "",
    )


def _cleaned(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(
        Message(
            one.text,
            {
                key: provider_text(str(value), max_chars=MAX_WORD_CHARS)
                for key, value in one.values.items()
            },
        )
        for one in messages[:MAX_PROBLEMS]
    )
