"""Make the reference page of providers: what adapters declare, and what can be corrected of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markdown_tables import NONE, cell, code, notes, table

from imagegen_app.core import capabilities, capability_overrides, quality_tiers
from imagegen_app.core.data_handling import CHOICES, FACTS, LABELS, MARKS, UNKNOWN, words
from imagegen_app.core.model_parameters import KINDS
from imagegen_app.core.types import InputRole, Operation, RecoveryMethod, Size
from imagegen_app.providers import registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.capabilities import Capabilities, SizeRule
    from imagegen_app.core.data_handling import DataFact
    from imagegen_app.core.model_parameters import Parameter


_SQUARE = Size(1024, 1024)
_DESCRIBED = "every request, by the published API description"
_OWN = "our own simulator only"
#: With what of others each adapter's calls, or the simulator's protocol, were compared.
CHECKED_BY = {
    "sandbox": "makes no calls",
    "openai": f"the client `openai`; {_DESCRIBED}",
    "generic_jobs": f"{_OWN}: the protocol is ours; `standardwebhooks` for webhooks",
    "http_jobs": f"{_OWN}: the service is an example; `standardwebhooks` for webhooks",
    "gemini": "the client `google-genai`",
    "gemini_vertex": "the client `google-genai`",
    "bfl": _DESCRIBED,
    "xai": _OWN,
    "fal": "the client `fal-client`; questions about models, by the published API description",
    "ideogram": "requests of version 1, by the published API description; else " + _OWN,
    "replicate": f"the clients `replicate` and `standardwebhooks`; {_DESCRIBED}",
    "recraft": _DESCRIBED,
    "stability": _OWN,
    "bedrock": "the client `botocore`",
    "azure_openai": "the client `openai` (`AzureOpenAI`)",
    "openai_compatible": _OWN,
    "stable_diffusion_cpp": _OWN,
    "automatic1111": _OWN,
    "comfyui": _OWN,
}
#: What the rows of the matrix cannot tell of an adapter, where there is something.
REMARKS = {
    "openai_compatible": "the account's `profile` decides what its server can do",
    "http_jobs": "the account's options decide: shown without any",
    "bfl": (
        "the published API description has no call for `control` any more (read in November 2026): hand "
        "in a picture of the edges or the depth as an input image, and name it in the prompt"
    ),
    "fal": "each model's own description decides its operations and parameters",
    "replicate": "each model's own description decides its operations and parameters",
    "ideogram": "vector images are refused",
    "recraft": "vector images are refused; `inpaint` is for `recraftv3`",
    "automatic1111": "`control` where the option `control_models` names ControlNet's models",
    "comfyui": "each workflow's slots decide its operations and parameters",
}


def _sizes(rule: SizeRule) -> str:
    if rule.allowed:
        return ", ".join(str(size) for size in rule.allowed)
    said = [f"multiples of {rule.step}"] if rule.step > 1 else []
    said += [f"proportions {', '.join(rule.ratios)}"] if rule.ratios else []
    said += [f"up to {rule.max_side} pixels a side"] if rule.max_side else []
    said += [f"up to {rule.max_pixels / 1e6:g} megapixels"] if rule.max_pixels else []
    said += [f"sides up to {rule.max_ratio:g} to 1"] if rule.max_ratio else []
    return "; ".join(said) or "any"


def _tiers(offer: Capabilities) -> str:
    """Return what each quality tier becomes: a word of the model's, or a resolution."""
    found = []
    for tier in quality_tiers.tiers_of(offer, Operation.GENERATE, size=_SQUARE):
        word = quality_tiers.quality_word(tier, offer.qualities)
        size = quality_tiers.tier_size(tier, _SQUARE, offer.sizes_for(Operation.GENERATE))
        found.append(f"{tier.value}: {word or size}")
    return ", ".join(found) or NONE


def providers() -> str:
    """List the adapters, what each can do, and how the fate of a lost call is learnt."""
    adapters = registry.describe_all()
    offers = [registry.capabilities(entry.name, entry.example_model) for entry in adapters]
    yes_no = {True: "yes", False: "no"}
    others = [_operations_of_others(entry) for entry in adapters]
    rows: list[Sequence[object]] = [
        ("shown for the model", *(code(entry.example_model) for entry in adapters)),
        ("needs a key", *(yes_no[entry.needs_credential] for entry in adapters)),
        ("address", *(code(entry.base_url) if entry.base_url else NONE for entry in adapters)),
        ("checked by", *(CHECKED_BY[entry.name] for entry in adapters)),
        ("further own hosts", *(", ".join(map(code, entry.hosts)) or NONE for entry in adapters)),
        (
            "a lost call's fate is learnt by",
            *(
                ", ".join(way.value for way in RecoveryMethod if way in entry.recovery)
                or "nothing: the job becomes `uncertain`"
                for entry in adapters
            ),
        ),
        *(
            (
                code(operation.value),
                *(
                    "yes"
                    if operation in offer.operations
                    else ("by other models" if operation in more else "no")
                    for offer, more in zip(offers, others, strict=True)
                ),
            )
            for operation in Operation
        ),
        ("sizes", *(_sizes(offer.sizes) for offer in offers)),
        ("images a request", *(offer.max_count for offer in offers)),
        ("characters a prompt", *(offer.max_prompt_chars for offer in offers)),
        ("images handed in", *(offer.max_inputs for offer in offers)),
        ("files handed in", *(_input_files(offer, InputRole.IMAGE) for offer in offers)),
        ("mask", *(yes_no[offer.supports_mask] for offer in offers)),
        ("files of masks", *(_input_files(offer, InputRole.MASK) for offer in offers)),
        ("images on their way", *(yes_no[entry.has_previews] for entry in adapters)),
        ("progress of an awaited answer", *(yes_no[entry.has_progress] for entry in adapters)),
        ("seed", *(yes_no[offer.supports_seed] for offer in offers)),
        (
            "the same seed is the same image",
            *("promised" if offer.is_reproducible else "not promised" for offer in offers),
        ),
        ("no prompt for", *(_promptless(entry) for entry in adapters)),
        ("negative prompt", *(yes_no[offer.supports_negative_prompt] for offer in offers)),
        ("qualities", *(", ".join(offer.qualities) or NONE for offer in offers)),
        ("quality tiers", *(_tiers(offer) for offer in offers)),
        ("formats", *(", ".join(offer.output_formats) for offer in offers)),
        ("beside that", *(REMARKS.get(entry.name, NONE) for entry in adapters)),
    ]
    labels = "".join(f"`{entry.name}`\n: {cell(entry.label)}\n\n" for entry in adapters)
    return labels + table(("", *(code(entry.name) for entry in adapters)), rows)


def data_handling() -> str:
    """Say of each adapter's provider what is known of how it handles data, with the sources."""
    rows: list[Sequence[object]] = [
        (
            code(entry.name),
            *(
                _fact(name, entry.data_handling[name]) if name in entry.data_handling else UNKNOWN
                for name in LABELS
            ),
        )
        for entry in registry.describe_all()
    ]
    return table(("adapter", *LABELS.values()), rows)


def data_facts() -> str:
    """List the facts that an administrator can declare, with their values."""
    rows = []
    for name, meaning in FACTS.items():
        values = CHOICES.get(name) or (MARKS if name == "marks" else {})
        rows.append((code(name), cell(meaning), ", ".join(map(code, values)) or NONE))
    return table(("name", "meaning", "values"), rows)


def _fact(name: str, fact: DataFact) -> str:
    said = cell(", ".join(str(one) for one in words(name, fact.value)))
    day = fact.checked_on.isoformat()
    source = f"[source]({fact.source})" if "://" in fact.source else code(fact.source)
    held = f", while the option {code(fact.option)} has its default" if fact.option else ""
    return f"{said} ({source}, {day}{held})"


def _operations_of_others(entry: registry.Adapter) -> frozenset[Operation]:
    """Return what all example models of an adapter can do together."""
    found = (registry.capabilities(entry.name, model) for model in entry.example_models)
    return frozenset[Operation]().union(*(offer.operations for offer in found))


def _promptless(entry: registry.Adapter) -> str:
    """Return the operations for which none of the example models that has them takes a prompt."""
    found = [registry.capabilities(entry.name, model) for model in entry.example_models]
    taken = frozenset[Operation]().union(*(offer.operations - offer.promptless for offer in found))
    none = frozenset[Operation]().union(*(offer.promptless for offer in found)) - taken
    return ", ".join(code(one.value) for one in Operation if one in none) or NONE


def adapter_options() -> str:
    """List the options of each adapter's accounts."""
    rows = [
        (code(entry.name), code(name), cell(option.kind), _limits(option), cell(option.help))
        for entry in registry.describe_all()
        for name, option in entry.options.items()
    ]
    return table(("adapter", "option", "kind", "limits", "meaning"), rows)


def capability_fields() -> str:
    """List what an administrator can correct of a model's capabilities."""
    said = notes(capabilities.Capabilities)
    sizes, files = notes(capabilities.SizeRule), notes(capabilities.InputRule)
    rows = [(code(name), cell(said.get(name, ""))) for name in capability_overrides.NAMES]
    rows += [(code(f"sizes.{name}"), cell(meaning)) for name, meaning in sizes.items()]
    rows += [(code(f"inputs.<role>.{name}"), cell(meaning)) for name, meaning in files.items()]
    return table(("name", "meaning"), rows)


def parameter_kinds() -> str:
    """List the kinds of parameters, each with a value of it."""
    examples = {
        "int": "28",
        "float": "0.75",
        "bool": "true",
        "choice": "one of `choices`",
        "text": "a text",
        "list": '["a", "b"]',
        "json": '{"any": ["JSON"]}',
    }
    return table(("kind", "value"), ((code(kind), cell(examples[kind])) for kind in KINDS))


def _limits(option: Parameter) -> str:
    """Return the limits of a parameter in words."""
    if option.choices:
        return cell(", ".join(str(one) for one in option.choices))
    low = "" if option.low is None else f"{option.low:g}"
    high = "" if option.high is None else f"{option.high:g}"
    return f"{low} to {high}" if low or high else NONE


def _input_files(offer: Capabilities, role: InputRole) -> str:
    """Return which files a model takes as input images of a role."""
    rule = offer.input_rule(role)
    limits = [
        f"{rule.max_bytes / 2**20:.3g} MiB" if rule.max_bytes else "",
        f"{rule.max_pixels:,} pixels" if rule.max_pixels else "",
        f"{rule.max_side:,} pixels a side" if rule.max_side else "",
    ]
    return ", ".join([*rule.formats, *filter(None, limits)])
