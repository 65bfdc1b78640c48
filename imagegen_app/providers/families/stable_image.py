"""Say what Stability's image services take, whoever serves them: Stability itself, or Amazon Bedrock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.core.capabilities import SizeRule
from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import Operation
from imagegen_app.providers.families import masks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import ControlGuide, GenerationRequest

RATIOS = SizeRule(ratios=("1:1", "16:9", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"))
MAX_PROMPT_CHARS = 10_000
_MAX_SEED = 4_294_967_294
_MAX_RATIO, _MAX_GROWTH = 2.5, 2000
_STYLES = (
    "3d-model analog-film anime cinematic comic-book digital-art enhance fantasy-art isometric "
    "line-art low-poly modeling-compound neon-punk origami photographic pixel-art tile-texture"
)
_UNSTYLED = {Operation.ERASE, Operation.REMOVE_BACKGROUND, Operation.RELIGHT}
_GROWN = (Operation.INPAINT, Operation.ERASE, Operation.REPLACE, Operation.RECOLOUR)
#: What the services take where nothing is said: the weight 1.0 of a guide.
_USUAL_STRENGTHS = {"control_strength": 0.7, "fidelity": 0.5}


def _for(*of: Operation, kind: Any = "choice", choices: str = "", **more: Any) -> Parameter:
    return Parameter(kind, choices=tuple(choices.split()), operations=frozenset(of), **more)


_SHARE: dict[str, Any] = {"kind": "float", "low": 0, "high": 1}
#: By name; a service takes some of them.
PARAMETERS: Mapping[str, Parameter] = {
    "style_preset": _for(*(frozenset(Operation) - _UNSTYLED), choices=_STYLES),
    "strength": _for(Operation.EDIT, **_SHARE, default=0.6),
    "search_prompt": _for(Operation.REPLACE, kind="text", low=1),
    "select_prompt": _for(Operation.RECOLOUR, kind="text", low=1),
    "grow_mask": _for(*_GROWN, kind="int", low=0, high=20),
    "creativity": _for(Operation.OUTPAINT, Operation.UPSCALE, **_SHARE),
    "anchor": _for(Operation.OUTPAINT, choices="center left right top bottom"),
}


def guide_of(request: GenerationRequest) -> ControlGuide | None:
    """Return how the request's control image guides; None without one.

    :raises UnsupportedParameter: if it is to count for a part of the steps only.
    """
    guide = next((one.guide for one in request.inputs if one.guide is not None), None)
    if guide is not None and (guide.start, guide.end) != (0.0, 1.0):
        raise UnsupportedParameter(detail="control: it counts from start to end here")
    return guide


def strength_of(guide: ControlGuide, *, kind: str) -> dict[str, float]:
    """Return the field that says how much a guide of a kind counts.

    :raises UnsupportedParameter: if it is to count more than is possible.
    """
    name = "fidelity" if kind == "style" else "control_strength"
    strength = round(_USUAL_STRENGTHS[name] * guide.weight, 4)
    if strength > 1:
        raise UnsupportedParameter(detail=f"control: a weight that makes {name} more than 1")
    return {name: strength}


def check_images(request: GenerationRequest, *, min_side: int = 64) -> None:
    """Refuse input images that no service takes; larger ones than it takes were made smaller before.

    :raises UnsupportedParameter: if one is too small or too long.
    """
    for size in (image.size for image in request.inputs):
        shorter, longer = sorted((size.width, size.height))
        if shorter < min_side:
            raise UnsupportedParameter(detail=f"inputs: a side has less than {min_side} pixels")
        if longer > _MAX_RATIO * shorter:
            raise UnsupportedParameter(
                detail=f"inputs: a side is more than {_MAX_RATIO} times the other"
            )


def seed_of(request: GenerationRequest) -> int | None:
    """Return the request's seed; None without one.

    :raises UnsupportedParameter: if it is none here: 0 means that the service chooses one.
    """
    if request.seed is not None and not 0 < request.seed <= _MAX_SEED:
        raise UnsupportedParameter(detail=f"seed: between 1 and {_MAX_SEED} is possible")
    return request.seed


def growth(request: GenerationRequest, *, anchor: str) -> dict[str, int]:
    """Return the pixels that are added at each edge, by the names that the services have for them.

    :raises InvalidRequest: if the new size is smaller than the image.
    :raises UnsupportedParameter: if it is as large, or too large.
    """
    edges = masks.edges(request.inputs[0].size, size=request.size, anchor=anchor)
    if not 0 < max(edges.values()) <= _MAX_GROWTH:
        raise UnsupportedParameter(detail=f"size: an edge can grow by 1 to {_MAX_GROWTH} pixels")
    names = {"top": "up", "bottom": "down"}
    return {names.get(edge, edge): pixels for edge, pixels in edges.items()}
