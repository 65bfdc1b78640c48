"""Define the interface of a text model, which suggests prompts, improves them and writes texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


class TextModelFailed(Exception):
    """A text model has no suggestion; the person writes the prompt themselves.

    The message goes to the log: it must hold nothing of the prompt, the texts or the answer.
    """

    def __init__(self, message: str = "", *, cost: Decimal | None = None) -> None:
        super().__init__(message)
        #: What the call cost all the same, such as where the model refused; None if nothing.
        self.cost = cost


@dataclass(frozen=True, slots=True)
class WrittenPrompt:
    """What a text model suggests."""

    #: Untrusted: it is screened, shown as plain text, cut to length, and used only if a person takes it.
    text: str
    #: What the call cost, in the currency of the setting; None: the setting `PRICE` counts.
    cost: Decimal | None = None
    #: The version of the model that wrote it, for the log; empty if it is unknown.
    model: str = ""


class TextModel(Protocol):
    """Suggests prompts; a person takes, edits or drops each."""

    def suggest_prompt(self, texts: Mapping[str, str], *, max_chars: int) -> WrittenPrompt:
        """Suggest a prompt for an image that goes with texts of the site's content.

        `texts` holds what a product or a page says, by the names of its fields, such as
        `{"Name": "Oak stool", "Material": "oiled oak"}`. The prompt has at most `max_chars` characters.

        :raises TextModelFailed: if no suggestion is possible.
        """
        ...

    def improve_prompt(self, prompt: str, *, wish: str, max_chars: int) -> WrittenPrompt:
        """Improve a prompt as a person wishes, such as `warmer light`; an empty wish leaves it open.

        :raises TextModelFailed: if no suggestion is possible.
        """
        ...


class RowTextModel(Protocol):
    """Writes a text for each row of a table; a text model may do so, too."""

    def write_text(
        self, texts: Mapping[str, str], *, instruction: str, language: str, max_chars: int
    ) -> WrittenPrompt:
        """Write one text about what a row says, as a person instructs, such as `one sentence of mood`.

        `texts` holds the values of the row, by the names of their columns; `language` is a code such as
        `de`. The text has at most `max_chars` characters.

        :raises TextModelFailed: if no text is possible.
        """
        ...
