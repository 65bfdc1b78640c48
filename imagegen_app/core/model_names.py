"""Tell whether the model that a provider says it used is the one that was asked for."""

from __future__ import annotations

import re

#: What may follow a model's name where it is still the same model: a date, a number of a build, a
#: word for a stage, a file's ending, a digest in brackets.
_SAME = re.compile(
    r"(?:[-@ ](?:\d{4}-\d\d-\d\d|\d{3,8}|latest|preview[\w-]*|exp[\w-]*))?"
    r"(?:\.(?:safetensors|ckpt|gguf))?(?: \[[0-9a-f]+\])?"
)


def is_other_model(told: str, *, asked: str) -> bool:
    """Tell whether a provider names another model than the one asked for; owners' names do not count."""
    one, other = (name.lower().rpartition("/")[2] for name in (told, asked))
    shorter, longer = sorted((one, other), key=len)
    if not shorter:
        return False
    plain = re.sub(r"(?:\.(?:safetensors|ckpt|gguf))?(?: \[[0-9a-f]+\])?$", "", shorter)
    return not (longer.startswith(plain) and _SAME.fullmatch(longer.removeprefix(plain)))
