"""Read what servers of a site's own say of their models, each in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_descriptions import ModelDescription
from imagegen_app.core.provider_values import clean_count
from imagegen_app.core.types import Operation
from imagegen_app.providers.families import costs, openai_models

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from imagegen_app.core.capabilities import Capabilities

_NO_IMAGES = gettext_noop("The server says that this model makes no images, but: %(kind)s.")
#: The tasks of SGLang's diffusion models that make images.
_TASKS: Mapping[str, frozenset[Operation]] = {
    "T2I": frozenset({Operation.GENERATE}),
    "I2I": frozenset({Operation.EDIT}),
    "TI2I": frozenset({Operation.GENERATE, Operation.EDIT}),
}
_LITELLM_MODES = frozenset({"image_edit", "image_generation"})
#: Choices of one parameter, and the characters of each; what has more of either is no choice for people.
MAX_CHOICES, MAX_CHOICE_CHARS = 200, 100


def require_listed(part: str, names: Collection[object], *, known: Collection[object]) -> None:
    """Refuse names that a server does not list: some leave them out without a word.

    :raises UnsupportedParameter: if there is one, with what it is the name of.
    """
    if not all(name in known for name in names):
        raise UnsupportedParameter(detail=f"{part}: the server does not have it")


def listed(document: object, *, at: str = "data") -> list[Mapping[str, Any]]:
    """Return the entries of a list of models, or of other things."""
    found = value_at(document, at) if at else document
    entries = found if isinstance(found, list) else []
    return [one for one in entries if isinstance(one, dict)]


def names_in(entries: list[Mapping[str, Any]], *keys: str) -> tuple[str, ...]:
    """Return the names of entries, each once, in their order."""
    found = [value_at(entry, key) for entry in entries for key in keys]
    return tuple(dict.fromkeys(one for one in found if isinstance(one, str) and one))


def among(model: str, names: tuple[str, ...]) -> ModelDescription:
    """Return that a model is, or is not, among those that a server names."""
    return ModelDescription(is_known=model in names, models=names)


def of_localai(document: object, model: str) -> ModelDescription:
    """Read LocalAI's models with their modalities."""
    entries = listed(document)
    found = among(model, names_in(entries, "id"))
    made = value_at(_entry(entries, "id", model), "output_modalities")
    if not isinstance(made, list) or "image" in made:
        return found
    return _without_images(found, ", ".join(str(one) for one in made[:5]))


def of_sglang(document: object, model: str, *, known: Capabilities) -> ModelDescription:
    """Read SGLang's models with their tasks."""
    entries = listed(document)
    found = among(model, names_in(entries, "id"))
    task = value_at(_entry(entries, "id", model), "task_type")
    if not isinstance(task, str):
        return found
    if task not in _TASKS:
        return _without_images(found, task)
    return replace(found, capabilities=replace(known, operations=_TASKS[task]))


def of_litellm(document: object, model: str, *, source: str, now: float) -> ModelDescription:
    """Read LiteLLM's models: what they are for, their price in US dollars, and what is behind them."""
    entries = listed(document)
    found = among(model, names_in(entries, "model_name"))
    entry = _entry(entries, "model_name", model)
    mode, behind = value_at(entry, "model_info.mode"), value_at(entry, "litellm_params.model")
    if isinstance(mode, str) and mode not in _LITELLM_MODES:
        return _without_images(found, mode)
    price = costs.image_price(
        value_at(entry, "model_info.output_cost_per_image"), source=source, now=now
    )
    found = replace(found, price_list=price)
    named = openai_models.named_in(behind) if isinstance(behind, str) else ""
    if not named:
        return found
    return replace(found, capabilities=openai_models.capabilities(named))


def of_stable_diffusion_cpp(
    document: object,
    model: str,
    *,
    known: Capabilities,
    places: Mapping[str, Sequence[str]],
) -> ModelDescription:
    """Read what stable-diffusion.cpp says of itself and the model that it has loaded.

    `places` says where a call, and so the server's defaults, has each of our parameters.
    """
    loaded = value_at(document, "model")
    names = names_in([loaded] if isinstance(loaded, dict) else [], "stem", "name")
    found = among(model, names) if names else ModelDescription()
    modes = value_at(document, "supported_modes")
    if isinstance(modes, list) and "img_gen" not in modes:
        return _without_images(found, ", ".join(str(one) for one in modes[:5]))
    chosen = {name: value_at(document, f"{name}s") for name in ("sampler", "scheduler")}
    formats = value_at(document, "output_formats_by_mode.img_gen")
    longest = _limit(document, "width", "height")
    most = clean_count(value_at(document, "limits.max_batch_count"), most=100)
    usual = value_at(document, "defaults_by_mode.img_gen")
    defaults = {name: value_at(usual, ".".join(place)) for name, place in places.items()}
    told = replace(
        with_defaults(with_choices(known, chosen), defaults),
        max_count=most or known.max_count,
        sizes=replace(known.sizes, max_side=longest) if longest else known.sizes,
    )
    if isinstance(formats, list):
        taken = tuple(one for one in known.output_formats if one in formats)
        told = replace(told, output_formats=taken or known.output_formats)
    return replace(found, capabilities=told)


def with_choices(known: Capabilities, choices: Mapping[str, object]) -> Capabilities:
    """Return capabilities whose parameters of these names are chosen from what a server has."""
    parameters = dict(known.parameters)
    for name, values in choices.items():
        if texts := choices_in(values):
            one = parameters[name]
            default = one.default if one.default in texts else None
            parameters[name] = replace(
                one, kind="choice", choices=texts, low=None, high=None, default=default
            )
    return replace(known, parameters=parameters)


def with_defaults(known: Capabilities, defaults: Mapping[str, object]) -> Capabilities:
    """Return capabilities whose parameters of these names have what a server does without them."""
    parameters = dict(known.parameters)
    for name, value in defaults.items():
        one = parameters.get(name)
        if one is None or not isinstance(value, str | int | float) or value == "":
            continue
        if one.error_for(value) is None:
            parameters[name] = replace(one, default=value)
    return replace(known, parameters=parameters)


def choices_in(values: object) -> tuple[str, ...]:
    """Return the texts of a list as the choices of a parameter; empty if there are too many."""
    found = values if isinstance(values, list | tuple) else ()
    are_texts = all(isinstance(one, str) and 0 < len(one) <= MAX_CHOICE_CHARS for one in found)
    return tuple(dict.fromkeys(found)) if are_texts and len(found) <= MAX_CHOICES else ()


def _limit(document: object, *sides: str) -> int:
    found = [clean_count(value_at(document, f"limits.max_{side}"), most=10**5) for side in sides]
    return min((one for one in found if one), default=0)


def _entry(entries: list[Mapping[str, Any]], key: str, name: str) -> Mapping[str, Any]:
    return next((one for one in entries if one.get(key) == name), {})


def _without_images(found: ModelDescription, kind: str) -> ModelDescription:
    return replace(found, problems=(Message(_NO_IMAGES, {"kind": kind[:80]}),))
