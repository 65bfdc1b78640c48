"""Explain the parameters that many models have, where their adapter says nothing of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.i18n import gettext_noop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.model_parameters import Parameter

_STEPS = gettext_noop("More steps take longer and add detail.")
_GUIDANCE = gettext_noop("How closely the image follows the prompt.")
_STRENGTH = gettext_noop("How much the source image is changed: 0 keeps it, 1 replaces it.")
_BY_NAME = gettext_noop("One that the server has, by the server's name for it.")
#: By the parameter's name, in words for people who know no model from inside.
USUAL_HELP: Mapping[str, str] = {
    "steps": _STEPS,
    "guidance": _GUIDANCE,
    "cfg_scale": _GUIDANCE,
    "strength": _STRENGTH,
    "sampler": _BY_NAME,
    "scheduler": _BY_NAME,
    "upscaler": _BY_NAME,
    "mask_blur": gettext_noop("How far the change fades into the rest, in pixels."),
    "grow_mask": gettext_noop("By how many pixels the marked part grows at its edge."),
    "inpainting_fill": gettext_noop("What the marked part holds before it is drawn anew."),
    "creativity": gettext_noop("How freely the model adds what is not in the image."),
    "search_prompt": gettext_noop("What is replaced, in a few words."),
    "select_prompt": gettext_noop("What gets another colour, in a few words."),
    "style_preset": gettext_noop("A look that the provider has prepared."),
    "anchor": gettext_noop("Where the image lies in the larger one."),
    "safety_tolerance": gettext_noop(
        "How much the provider's content filter lets through; 0 is the strictest."
    ),
    "light_source_direction": gettext_noop("Where the light comes from."),
}


def help_of(name: str, parameter: Parameter) -> str:
    """Return what a parameter does, untranslated: in its adapter's words, or the usual ones."""
    return parameter.help or USUAL_HELP.get(name, "")
