"""Tell what OpenAI's image models can do, whoever serves them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation, Size
from imagegen_app.providers.families.openai_like import RASTER_FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPERATIONS = frozenset(
    {
        Operation.GENERATE,
        Operation.EDIT,
        Operation.INPAINT,
        Operation.OUTPAINT,
        Operation.VARY,
        Operation.REMOVE_BACKGROUND,
    }
)
_LISTED = SizeRule(allowed=(Size(1024, 1024), Size(1536, 1024), Size(1024, 1536)))
_FREE = SizeRule(step=16, min_pixels=655_360, max_pixels=3840 * 2160, max_side=3840, max_ratio=3.0)
_QUALITIES = ("auto", "low", "medium", "high")
_ANCHORS = ("center", "left", "right", "top", "bottom")
_PARAMETERS: Mapping[str, Parameter] = {
    "moderation": Parameter(
        "choice",
        choices=("auto", "low"),
        help=gettext_noop("How strict the content filter is."),
        # 2026-11: the form that edits are sent as has no such field.
        operations=frozenset({Operation.GENERATE}),
    ),
    "output_compression": Parameter(
        "int", low=0, high=100, help=gettext_noop("Quality of JPEG and WebP, in percent.")
    ),
    "anchor": Parameter(
        "choice",
        choices=_ANCHORS,
        default="center",
        help=gettext_noop("Where the image stays when it is extended."),
        operations=frozenset({Operation.OUTPAINT}),
    ),
}
_MIB = 1024 * 1024
#: 2026-11, as documented: images of less than 50 MB, and a PNG of less than 4 MB as mask.
_INPUTS: Mapping[InputRole, InputRule] = {
    **dict.fromkeys(
        (InputRole.IMAGE, InputRole.REFERENCE),
        InputRule(formats=RASTER_FORMATS, max_bytes=50 * _MIB - 1),
    ),
    InputRole.MASK: InputRule(formats=("png",), max_bytes=4 * _MIB - 1, max_count=1),
}


def _matrix(**changes: Any) -> Capabilities:
    values: dict[str, Any] = {
        "operations": _OPERATIONS,
        "sizes": _FREE,
        "max_count": 10,
        "max_prompt_chars": 32_000,
        "qualities": _QUALITIES,
        "output_formats": RASTER_FORMATS,
        "backgrounds": ("auto", "opaque", "transparent"),
        "max_inputs": 16,
        "inputs": _INPUTS,
        "supports_mask": True,
        "parameters": _PARAMETERS,
    }
    return Capabilities(**values | changes)


_GPT_IMAGE_2 = _matrix()
#: The first pattern that matches a model's name decides; an unknown model is taken for the
#: `gpt-image-2` line, and the server has the last word.
_MODELS: tuple[tuple[re.Pattern[str], Capabilities], ...] = (
    (
        re.compile(r"gpt-image-2\.6"),
        _matrix(
            qualities=(*_QUALITIES, "xhigh", "max"),
            parameters={
                **_PARAMETERS,
                "complexity": Parameter("choice", choices=("low", "medium", "high")),
            },
        ),
    ),
    (re.compile(r"gpt-image-2\.5"), _matrix(qualities=(*_QUALITIES, "xhigh", "max"))),
    (re.compile(r"gpt-image-2"), _GPT_IMAGE_2),
    (
        re.compile(r"gpt-image-1\.5"),
        _matrix(
            sizes=_LISTED,
            parameters={
                **_PARAMETERS,
                # Only the form of edits has it.
                "input_fidelity": Parameter(
                    "choice",
                    choices=("low", "high"),
                    operations=_OPERATIONS - {Operation.GENERATE},
                ),
            },
        ),
    ),
    (re.compile(r"gpt-image-1|chatgpt-image"), _matrix(sizes=_LISTED)),
)
_NAME = re.compile(r"(gpt-image|chatgpt-image)-")


def capabilities(model: str) -> Capabilities:
    """Return what a model can do, by the beginning of its name."""
    for pattern, found in _MODELS:
        if pattern.match(model):
            return found
    return _GPT_IMAGE_2


def named_in(name: str) -> str:
    """Return the model that a name of a site's own ends with, such as `site-gpt-image-2`; or nothing."""
    start = _NAME.search(name)
    return name[start.start() :] if start else ""
