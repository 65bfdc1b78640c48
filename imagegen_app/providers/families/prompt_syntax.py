"""Take the control syntax of local servers out of prompts: what an editor types is text, no command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imagegen_app.core.types import PROMPT_CLEANED

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Such as `<lora:name:1>` and `<hypernet:name:1>`, the innermost first.
_TAG = re.compile(r"<\w+:[^<>]*>")
#: The beginning of such a tag, which the text after it might complete.
_OPEN_TAG = re.compile(r"<(?=\w+:)")
#: Such as `__colours__`, which stands for a line of a file at the server.
_WILDCARD = re.compile(r"__+")
#: Such as `{red|blue}` and `${name=value}`, of which the server makes what it likes.
_BRACES = re.compile(r"\$?[{}]")
#: A document of settings, by which stable-diffusion.cpp lets a prompt decide about steps and files.
_SETTINGS = re.compile(
    r"<sd_cpp_extra_args>.*?</sd_cpp_extra_args>|</?sd_cpp_extra_args>", re.DOTALL
)
_SPACES = re.compile(r"[ \t]{2,}")


def without_commands(prompt: str) -> str:
    """Return a prompt without tags, settings, wildcards and variants; without any, it stays as it is.

    Weights such as `(red:1.2)` stay: they change the image only, as other words do.
    """
    text, before = prompt, ""
    while text != before:
        before = text
        text = _BRACES.sub("", _WILDCARD.sub(" ", _OPEN_TAG.sub("", _without_tags(text))))
    return prompt if text == prompt else _SPACES.sub(" ", text).strip()


def has_commands(*texts: str) -> bool:
    """Tell whether `without_commands` leaves something out of one of the texts."""
    return any(without_commands(text) != text for text in texts)


def noted(resolved: Mapping[str, str], *, note: Mapping[str, Any]) -> dict[str, str]:
    """Return what became of a call's parameters, and of its prompt, if its note says `cleaned`."""
    return {**resolved, **({"prompt": PROMPT_CLEANED} if note.get("cleaned") else {})}


def _without_tags(text: str) -> str:
    before = ""
    while text != before:
        # Taking out the inner tag of `<lo<lora:a:1>ra:b:1>` makes another one.
        before, text = text, _SETTINGS.sub("", _TAG.sub("", text))
    return text
