"""Words for the keys of our pages; the keys themselves stand in `js/lib/key-tables.js`, by the same names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy, pgettext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class KeyTable:
    """What the keys of one part of a page do: words by the names of the acts."""

    name: str
    title: StrOrPromise
    acts: Mapping[str, StrOrPromise]


_VIEW = {
    "in": gettext_lazy("Enlarge"),
    "out": gettext_lazy("Reduce"),
    "fit": gettext_lazy("Show all of the image"),
}
_TABLES = (
    KeyTable("studio", gettext_lazy("Recipe"), {"generate": gettext_lazy("Generate")}),
    KeyTable(
        "mask",
        gettext_lazy("Painting an area"),
        {
            "brush": gettext_lazy("Brush"),
            "eraser": gettext_lazy("Eraser"),
            "rectangle": gettext_lazy("Rectangle"),
            "move": gettext_lazy("Move the brush"),
            "fine": gettext_lazy("Move it a little"),
            "far": gettext_lazy("Move it far"),
            "draw": gettext_lazy("Lower and lift the brush, or set a corner"),
            "lift": gettext_lazy("Lift the brush, else close"),
            "smaller": gettext_lazy("Smaller brush"),
            "larger": gettext_lazy("Larger brush"),
            "invert": gettext_lazy("Invert"),
            "undo": gettext_lazy("Undo"),
            "redo": gettext_lazy("Redo"),
            "look": gettext_lazy("Show the area in another way"),
            **_VIEW,
        },
    ),
    KeyTable(
        "frame",
        gettext_lazy("Handles of the new frame"),
        {"move": gettext_lazy("Move by a step"), "far": gettext_lazy("Move by eight steps")},
    ),
    KeyTable(
        "result",
        gettext_lazy("Image"),
        {"large": gettext_lazy("Show the image large"), "rate": gettext_lazy("Rate with stars")},
    ),
    KeyTable(
        "viewer",
        gettext_lazy("Large view"),
        {
            "on": gettext_lazy("Next or previous image; moves an enlarged one"),
            **_VIEW,
            "whole": gettext_lazy("Show every pixel"),
            "close": gettext_lazy("Close"),
        },
    ),
    KeyTable(
        "compare",
        gettext_lazy("Comparison"),
        {
            "slider": gettext_lazy("Slider"),
            "beside": gettext_lazy("Side by side"),
            "difference": gettext_lazy("Difference"),
            **_VIEW,
        },
    ),
    KeyTable(
        "queue",
        gettext_lazy("Images in this view"),
        {
            "move": gettext_lazy("Go from image to image"),
            "open": gettext_lazy("Open the image"),
            "choose": gettext_lazy("Choose it for a decision about several"),
        },
    ),
    KeyTable(
        "desk",
        gettext_lazy("Review"),
        {
            "next": gettext_lazy("Next image"),
            "previous": gettext_lazy("Previous image"),
            "zoom": gettext_lazy("Full size, and back"),
        },
    ),
    KeyTable(
        "library",
        gettext_lazy("Library"),
        {
            "move": gettext_lazy("Go from image to image"),
            "rows": gettext_lazy("Go three rows on or back"),
            "open": gettext_lazy("Open the image"),
            "choose": gettext_lazy("Select the image"),
            "leave": gettext_lazy("Leave the images"),
        },
    ),
    KeyTable(
        "review",
        gettext_lazy("Review"),
        {
            "move": gettext_lazy("Go from image to image"),
            "approve": gettext_lazy("Approve"),
            "reject": gettext_lazy("Reject"),
            "later": gettext_lazy("Later"),
            "large": gettext_lazy("Show the image large, and back"),
            "rate": gettext_lazy("Give so many stars"),
            "note": gettext_lazy("Write a note"),
            "describe": gettext_lazy("Write the alternative text"),
            "again": gettext_lazy("Make the image anew with the note"),
            "back": gettext_lazy("Back from a field to the image"),
            "save": gettext_lazy("Save decisions"),
        },
    ),
)
TABLES: Mapping[str, KeyTable] = {table.name: table for table in _TABLES}


def signs() -> str:
    """Return what stands on the keys that have no sign of their own, as JSON for the script."""
    return json.dumps(
        {
            " ": pgettext("key", "Space"),
            "Enter": pgettext("key", "Enter"),
            "Escape": pgettext("key", "Esc"),
            "Arrows": pgettext("key", "Arrow keys"),
            "PageDown": pgettext("key", "Page down"),
            "PageUp": pgettext("key", "Page up"),
            "End": pgettext("key", "End"),
            "mod": pgettext("key", "Ctrl"),
            "shift": pgettext("key", "Shift"),
            "alt": pgettext("key", "Alt"),
        }
    )
