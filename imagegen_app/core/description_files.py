"""Turn the bytes of a file that describes something into a document: TOML, JSON, or YAML where it can be read."""

from __future__ import annotations

import importlib
import json
import tomllib
from typing import Any, Final

from imagegen_app.core.description_reader import DescriptionProblem, InvalidDescription
from imagegen_app.core.i18n import Message, gettext_noop

MAX_FILE_BYTES: Final = 1024 * 1024
#: Characters of what a parser says.
_MAX_CHARS: Final = 160
_FORMATS: Final = {".toml": "TOML", ".json": "JSON", ".yaml": "YAML", ".yml": "YAML"}


def parse_file(data: bytes, *, ending: str) -> Any:
    """Return the document of a file whose name ends so, such as `.toml`.

    :raises InvalidDescription: if the ending is unknown, the file is too large or not of its format, or
        YAML cannot be read here.
    """
    kind = _FORMATS.get(ending.lower(), "")
    if not kind:
        text = gettext_noop(
            "the file's name must end in .toml, .yaml or .json, not in “%(ending)s”"
        )
        raise _invalid(text, ending=ending[:20])
    if len(data) > MAX_FILE_BYTES:
        text = gettext_noop("the file is larger than %(limit)s MB")
        raise _invalid(text, limit=str(MAX_FILE_BYTES // 2**20))
    try:
        # A mark at the beginning is what some editors write.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _invalid(gettext_noop("the file is not written in UTF-8; save it so")) from None
    if kind == "YAML":
        return _parse_yaml(text)
    try:
        return tomllib.loads(text) if kind == "TOML" else json.loads(text)
    except (RecursionError, ValueError) as error:
        raise _no_document(kind, str(error)) from None


def _parse_yaml(text: str) -> Any:
    try:
        # Optional, and typed by stubs that not everybody has.
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        told = gettext_noop(
            "YAML is read by PyYAML, which is not installed: run pip install 'imagegen-app[yaml]', or "
            "write TOML or JSON"
        )
        raise _invalid(told) from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _no_document("YAML", " ".join(str(error).split())) from None


def _no_document(kind: str, error: str) -> InvalidDescription:
    text = gettext_noop("the file is not valid %(kind)s: %(error)s")
    return _invalid(text, kind=kind, error=error[:_MAX_CHARS])


def _invalid(text: str, **values: str) -> InvalidDescription:
    return InvalidDescription([DescriptionProblem("", Message(text, values))])
