"""Write requests by the names of a model's inputs, as its schema or a table of ours has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.capabilities import RATIO_TOLERANCE, SizeRule, ratio_distance
from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.types import InputRole
from imagegen_app.providers.families import described_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.types import GenerationRequest, ImageInput, Size

_RATIO = re.compile(r"[1-9]\d?:[1-9]\d?")
#: Of an edited image's proportions, where a model has a word for that.
_AS_THE_IMAGE: Final = "match_input_image"


@dataclass(frozen=True, slots=True)
class TakenInput:
    """What a request may put under one name."""

    is_list: bool = False
    choices: tuple[str, ...] = ()


#: By an input's name.
TakenInputs = Mapping[str, TakenInput]


def taken_in(schema: object, schemas: object) -> dict[str, TakenInput] | None:
    """Return what an object's schema takes; None if it is no schema. See `described_inputs`."""
    rules = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(rules, Mapping):
        return None
    read = {str(name): described_inputs.read_input(rule, schemas) for name, rule in rules.items()}
    return {
        name: TakenInput(one.is_list, tuple(map(str, one.parameter.choices)))
        for name, one in read.items()
    }


def fields_of(
    request: GenerationRequest,
    *,
    takes: TakenInputs,
    offer: Capabilities,
    quality: str = "quality",
    renamed: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return all of a request but its images under the names that go for it.

    `offer` is what the model is said to do; `renamed` has the provider's names of parameters that we
    call otherwise.

    :raises UnsupportedParameter: if the size cannot be said.
    """
    count = next((name for name in described_inputs.COUNTS if name in takes), "")
    optional = {
        "prompt": None if request.operation in offer.promptless else request.prompt,
        "negative_prompt": request.negative_prompt or None,
        quality: request.quality or None,
        "background": request.background or None,
        # Without a name for it, it is refused under the usual one.
        count or described_inputs.COUNTS[0]: request.count if count or request.count > 1 else None,
        "seed": request.seed,
    }
    found: dict[str, Any] = {name: value for name, value in optional.items() if value is not None}
    if "output_format" in takes:
        is_short = request.output_format == "jpeg" and "jpg" in takes["output_format"].choices
        found["output_format"] = "jpg" if is_short else request.output_format
    elif request.output_format != offer.usual_format:
        # A format that nobody chose is the model's own; any other is refused.
        found["output_format"] = request.output_format
    rule = offer.sizes_for(request.operation)
    found |= size_of(request, takes=takes) if rule.is_choosable else {}
    parameters = {(renamed or {}).get(n, n): value for n, value in request.parameters.items()}
    return {**found, **_loras(request, takes), **parameters}


def _loras(request: GenerationRequest, takes: TakenInputs) -> dict[str, Any]:
    """Return the LoRA: as one list, or by names that are counted up."""
    if not request.loras:
        return {}
    if "loras" in takes:
        return {"loras": [{"path": one.name, "scale": one.weight} for one in request.loras]}
    # Without a name for them, they are refused under the usual ones.
    names = [name for name in described_inputs.LORAS if name in takes] or [*described_inputs.LORAS]
    found: dict[str, Any] = {}
    for name, lora in zip(names, request.loras, strict=False):
        found |= {name: lora.name, described_inputs.LORAS[name]: lora.weight}
    if len(request.loras) > len(names):
        raise UnsupportedParameter(detail="loras: more than the model has inputs for")
    return found


def size_of(request: GenerationRequest, *, takes: TakenInputs) -> dict[str, Any]:
    """Return the size: in pixels, by the proportions that are offered, or as the image has it.

    :raises UnsupportedParameter: if it has none of the proportions, or the model takes no size.
    """
    pixels = {"width": request.size.width, "height": request.size.height}
    if pixels.keys() <= takes.keys():
        return pixels
    if "image_size" in takes:
        return {"image_size": pixels}
    offered = takes["aspect_ratio"].choices if "aspect_ratio" in takes else ()
    ratios = SizeRule(ratios=tuple(name for name in offered if _RATIO.fullmatch(name)))
    if ratio := ratios.ratio_of(request.size):
        return {"aspect_ratio": ratio}
    image = next((one for one in request.inputs if one.role is not InputRole.MASK), None)
    if image is not None and _AS_THE_IMAGE in offered and _are_alike(image.size, request.size):
        return {"aspect_ratio": _AS_THE_IMAGE}
    error = ratios.error_for(request.size) or "size: not an input of this model"
    raise UnsupportedParameter(detail=str(error))


def _are_alike(one: Size, other: Size) -> bool:
    """Tell whether two sizes have the same proportions."""
    return ratio_distance(one, f"{other.width}:{other.height}") <= RATIO_TOLERANCE


def files_of(inputs: Sequence[ImageInput], *, takes: TakenInputs) -> dict[str, list[ImageInput]]:
    """Return input images by the names that go for their roles, the likeliest first."""
    found: dict[str, list[ImageInput]] = {}
    for role, names in described_inputs.ROLE_NAMES.items():
        roles = {role, InputRole.REFERENCE} if role is InputRole.IMAGE else {role}
        if given := [one for one in inputs if one.role in roles]:
            found[next((name for name in names if name in takes), names[0])] = given
    return found


def require_taken(
    fields: Mapping[str, Any], files: Mapping[str, Sequence[ImageInput]], *, takes: TakenInputs
) -> None:
    """Refuse what a model has no name for.

    :raises UnsupportedParameter: if there is such a field, or are several images for one.
    """
    for name in (*fields, *files):
        if name not in takes or (len(files.get(name, ())) > 1 and not takes[name].is_list):
            raise UnsupportedParameter(detail=f"{name}: not an input of this model")
