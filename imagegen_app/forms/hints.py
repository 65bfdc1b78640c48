"""Hints that a person reads once and sends away; a signed cookie remembers which.

A cookie and no table: what somebody has read concerns nobody else, needs no audit event and no erasure, and
in another browser a hint may well be read again. It is signed with the person's key, so that it holds for
no other person at the same browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.core.signing import BadSignature
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

COOKIE: Final = "imagegen_hints"
_YEAR_SECONDS: Final = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Hint:
    """A sentence or two, and where to read on."""

    text: str | Promise
    #: Name of the URL of a page with more; empty without one.
    url_name: str = ""
    link: str | Promise = ""


HINTS: Final = {
    "tour": Hint(
        _("New here? A short tour shows how an image is made, checked and used."),
        "imagegen_tour",
        _("Take the tour"),
    ),
    "tables": Hint(
        _(
            "Rows are written by the pages behind the four doors; here they can only be read, so that the "
            "log stays whole."
        ),
    ),
    "log": Hint(
        _(
            "The log holds pseudonyms and hashes. Names stand beside it and can be erased without breaking "
            "a signature."
        ),
    ),
}


def is_dismissed(request: HttpRequest, name: str) -> bool:
    """Return whether a person has sent a hint away."""
    return name in _dismissed(request)


def dismiss(request: HttpRequest, response: HttpResponse, name: str) -> None:
    """Remember with an answer that a person has read a hint."""
    kept = sorted(_dismissed(request) | {name})
    response.set_signed_cookie(
        COOKIE,
        ".".join(kept),
        salt=_salt(request),
        max_age=_YEAR_SECONDS,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def _dismissed(request: HttpRequest) -> set[str]:
    try:
        value = request.get_signed_cookie(COOKIE, default="", salt=_salt(request))
    except BadSignature:
        # Another person's, or one that was changed.
        return set()
    return HINTS.keys() & set(str(value).split("."))


def _salt(request: HttpRequest) -> str:
    user: Any = request.user
    return f"{COOKIE}.{user.pk}"
