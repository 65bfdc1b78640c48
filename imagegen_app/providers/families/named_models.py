"""Tell by a model's name what it does to an image without a word, where providers have many models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imagegen_app.core.types import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

#: At Replicate, where what is not official is called by its version.
CODEFORMER = "sczhou/codeformer:7de2ea26c616d5bf2245ad0d5e24f0ff9a6204578a5c876db53142edd9d2cd56"
#: The first pattern that is found in a name decides: restorers of faces enlarge, too.
_PATTERNS: Mapping[Operation, re.Pattern[str]] = {
    Operation.RESTORE_FACES: re.compile(
        r"codeformer|gfpgan|restoreformer|face[-_/]?restor|restore[-_/]?face"
    ),
    Operation.UPSCALE: re.compile(r"upscal|esrgan"),
    Operation.REMOVE_BACKGROUND: re.compile(
        r"rembg|birefnet|background[-_/]remov|remove[-_]background"
    ),
}


def wordless_operations(model: str) -> frozenset[Operation]:
    """Return the operation of a model by its name, without its owner's; none where that says nothing."""
    name = model.lower().partition(":")[0].partition("/")[2] or model.lower()
    found = (operation for operation, named in _PATTERNS.items() if named.search(name))
    return frozenset([*found][:1])
