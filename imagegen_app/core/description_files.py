"""Turn the bytes of a file into a document, and back: TOML, JSON, or YAML where it can be read."""

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


def write_file(document: Any, *, ending: str) -> str:
    """Return the text of a file that holds a document of plain values, for a name that ends so.

    YAML is a superset of JSON: where it cannot be written, JSON is.
    """
    if _FORMATS.get(ending.lower()) == "YAML":
        yaml = find_yaml()
        if yaml is not None:
            text = str(yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100))
            # Some signs that end a line are written as they are, and read as blanks.
            is_read_back = yaml.safe_load(text) == document
            return text if is_read_back else str(yaml.safe_dump(document, sort_keys=False))
    return f"{json.dumps(document, ensure_ascii=False, indent=2)}\n"


def find_yaml() -> Any:
    """Return PyYAML; None where it is not installed."""
    try:
        # Optional, and typed by stubs that not everybody has.
        return importlib.import_module("yaml")
    except ImportError:
        return None


def _parse_yaml(text: str) -> Any:
    yaml = find_yaml()
    if yaml is None:
        told = gettext_noop(
            "YAML is read by PyYAML, which is not installed: run pip install 'imagegen-app[yaml]', or "
            "write TOML or JSON"
        )
        raise _invalid(told)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _no_document("YAML", " ".join(str(error).split())) from None


def _no_document(kind: str, error: str) -> InvalidDescription:
    text = gettext_noop("the file is not valid %(kind)s: %(error)s")
    return _invalid(text, kind=kind, error=error[:_MAX_CHARS])


def _invalid(text: str, **values: str) -> InvalidDescription:
    return InvalidDescription([DescriptionProblem("", Message(text, values))])
