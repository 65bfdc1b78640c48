"""Read the file of a set-up from the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, TypeGuard

from imagegen_app.core.description_files import MAX_FILE_BYTES, parse_file
from imagegen_app.core.description_reader import DescriptionProblem, InvalidDescription
from imagegen_app.core.i18n import Message, gettext_noop

#: A file with comments, to begin with.
EXAMPLE: Final = Path(__file__).resolve().parents[2] / "catalog" / "setup.example.toml"


def is_path(given: object) -> TypeGuard[str | os.PathLike[str]]:
    """Return whether a description is given by the path of its file."""
    return isinstance(given, str | os.PathLike)


def read_file(given: str | os.PathLike[str]) -> Any:
    """Return the document of a file.

    :raises InvalidDescription: if it cannot be read or is not of its format.
    """
    path = Path(given)
    try:
        with path.open("rb") as file:
            # One byte more tells a file that is too large.
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        text = gettext_noop("the file cannot be read (%(error)s)")
        why = {"error": error.strerror or type(error).__name__}
        raise InvalidDescription([DescriptionProblem("", Message(text, why))]) from None
    return parse_file(data, ending=path.suffix)
