"""Tell people what to do about an error: one line, and where the documentation has more."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext

from imagegen_app import conf
from imagegen_app.core.error_guide import guide_to
from imagegen_app.core.errors import all_errors
from imagegen_app.services.foundation.stored_messages import translate_stored

#: The page of the documentation with a section for every error.
_PAGE = "how-to/troubleshooting.html"


@dataclass(frozen=True, slots=True)
class ErrorHelp:
    """What to do about an error, in the reader's language."""

    #: For everybody, in one line.
    remedy: str
    #: For administrators, in one line; empty where there is nothing to add.
    administrator: str
    #: The documentation's section about the error; empty without `DOCS_URL`.
    url: str


def error_help(code: str) -> ErrorHelp:
    """Return what to do about an error; all empty for an unknown code, or none."""
    guide = guide_to(code)
    if guide is None:
        return ErrorHelp("", "", "")
    return ErrorHelp(
        translate_stored(guide.remedy), translate_stored(guide.administrator), docs_url(code)
    )


def error_title(code: str) -> str:
    """Return what an error means, in a few words of the reader's language; empty for an unknown code."""
    error = all_errors().get(code)
    if error is None:
        return ""
    return gettext((error.__doc__ or "").split("\n", maxsplit=1)[0]).rstrip(".")


def docs_url(code: str) -> str:
    """Return the URL of an error's section in the documentation; empty without `DOCS_URL`."""
    base = conf.get().docs_url.rstrip("/")
    return f"{base}/{_PAGE}#{section_id(code)}" if base else ""


def section_id(code: str) -> str:
    """Return the anchor of an error's section."""
    return f"error-{code.replace('_', '-')}"
