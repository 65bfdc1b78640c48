"""Write the mail about finished work: numbers and links, and never a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.models import MailPreference


@dataclass(frozen=True, slots=True)
class FinishedSet:
    """What a person asked for in one go, and what became of it."""

    #: The requests or the batch in it, as `kind:key`.
    pieces: tuple[str, ...]
    #: How many images there are; of a batch, how many of its rows have some.
    images: int
    #: How many requests ended without an image.
    unsuccessful: int
    #: Which of the preference's addresses leads to it: `session`, `job` or `batch`.
    kind: str
    key: str
    #: The title of a batch; a session's name may be words of a prompt.
    title: str


def compose(sets: Sequence[FinishedSet], preference: MailPreference) -> tuple[str, str]:
    """Return the subject and the text, in the active language."""
    images = sum(one.images for one in sets)
    if images:
        subject = ngettext("%(n)s image is ready", "%(n)s images are ready", images)
    else:
        subject = _("Your work is finished, without an image")
    parts = [_section(one, preference) for one in sets]
    minutes = ngettext(
        "You get this mail because you want to know when work that took longer than %(n)s minute is "
        "finished.",
        "You get this mail because you want to know when work that took longer than %(n)s minutes is "
        "finished.",
        preference.minutes,
    ) % {"n": preference.minutes}
    address = preference.addresses.get("preference", "")
    footer = _("Change that here: %(address)s") % {"address": address} if address else ""
    text = "\n\n".join([*parts, f"{minutes}\n{footer}".strip()])
    return subject % {"n": images}, f"{text}\n"


def _section(one: FinishedSet, preference: MailPreference) -> str:
    lines = []
    if one.title:
        lines.append(_("Batch “%(title)s”") % {"title": one.title})
    if one.images:
        ready = ngettext("%(n)s image is ready.", "%(n)s images are ready.", one.images)
        lines.append(ready % {"n": one.images})
    if one.unsuccessful:
        text = ngettext(
            "%(n)s request ended without an image.",
            "%(n)s requests ended without an image.",
            one.unsuccessful,
        )
        lines.append(text % {"n": one.unsuccessful})
    address = str(preference.addresses.get(one.kind, "")).replace("{key}", one.key)
    return "\n".join(filter(None, [*lines, address]))
