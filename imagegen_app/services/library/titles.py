"""Name images by what people know of them: never by a number if there is a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.services.foundation.local_times import format_day
from imagegen_app.services.library.review_requests import is_own

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

_MOST_WORDS = 8
_MOST_CHARS = 80
_MOST_VALUES = 2


def image_title(asset: Asset, *, reader: Actor) -> str:
    """Return the name of an image for people: its title, its template and values, or its description.

    The values of a template are part of the prompt, and shown to whom the image belongs; what an image
    shows that was closed for good is told to nobody. Load the job and its template with the image.
    """
    version = asset.job.template_version
    template = version.template.name if version else ""
    if asset.title and asset.title != template:
        return asset.title
    words = "" if asset.hard_category else asset.alt_text
    if template:
        values = _values(asset) if _has_own_words(reader, asset) else ""
        return f"{template}: {values}" if values else _with_words(template, words)
    if words:
        return _first_words(words)
    if asset.job.prompt and _has_own_words(reader, asset):
        return _first_words(asset.job.prompt)
    return _("%(operation)s, %(day)s") % {
        "operation": asset.job.get_operation_display(),
        "day": format_day(asset.created_at),
    }


def _has_own_words(reader: Actor, asset: Asset) -> bool:
    """Return whether the words of an image's request are the reader's own for certain.

    A re-run may have those of another person, and so may a pass of one. Whose they are would take a
    query for each image of a list (`prompt_access.own_prompts`), so both count as not their own.
    """
    job = asset.job
    return is_own(reader, asset) and job.replaces_id is None and job.root_id is None


def _values(asset: Asset) -> str:
    version, given = asset.job.template_version, asset.job.variables
    # In the template's order: a database may keep the values in one of its own.
    names = [str(one.get("name", "")) for one in version.variables] if version else list(given)
    texts = [
        str(given[name]).strip()
        for name in names
        if name in given and isinstance(given[name], str | int)
    ]
    return _first_words(", ".join([text for text in texts if text][:_MOST_VALUES]))


def _with_words(template: str, description: str) -> str:
    words = _first_words(description)
    return f"{template}: {words}" if words else template


def _first_words(text: str) -> str:
    words = text.split()
    short = " ".join(words[:_MOST_WORDS])[:_MOST_CHARS].rstrip(" ,;:.")
    return f"{short} …" if len(words) > _MOST_WORDS else short
