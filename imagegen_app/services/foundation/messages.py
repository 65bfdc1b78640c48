"""Say messages of modules without Django in the language of the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from imagegen_app.core.i18n import Message


def sentence_of(message: Message) -> str:
    """Return a message in the active language, as a sentence."""
    text = _(message.text) % message.values
    end = "" if text.endswith((".", "?", "!")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"
