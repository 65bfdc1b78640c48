"""Check graphs in ComfyUI's API format as the server does, and read what they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import generation
from imagegen_app.testing.simulator.refusals import Refused

_TEXT: tuple[Any, ...] = ("STRING", {})
_MODEL, _CLIP, _VAE = ("MODEL",), ("CLIP",), ("VAE",)
_IMAGE, _MASK, _LATENT, _CONDITIONING = ("IMAGE",), ("MASK",), ("LATENT",), ("CONDITIONING",)
_SIDE: tuple[Any, ...] = ("INT", {"default": 512, "min": 16, "max": 16384, "step": 8})
_WEIGHT: tuple[Any, ...] = ("FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0})
CHECKPOINTS = ["sd_xl_base_1.0.safetensors"]
LORAS = ["pixel-art.safetensors"]
SAMPLERS = ["euler", "euler_ancestral", "dpmpp_2m"]
#: By the node's class: its required inputs, and the kinds of its outputs.
NODES: Mapping[str, tuple[Mapping[str, tuple[Any, ...]], tuple[str, ...]]] = {
    "CheckpointLoaderSimple": ({"ckpt_name": (CHECKPOINTS,)}, ("MODEL", "CLIP", "VAE")),
    "CLIPTextEncode": ({"text": _TEXT, "clip": _CLIP}, ("CONDITIONING",)),
    "EmptyLatentImage": (
        {
            "width": _SIDE,
            "height": _SIDE,
            "batch_size": ("INT", {"default": 1, "min": 1, "max": 4096}),
        },
        ("LATENT",),
    ),
    "KSampler": (
        {
            "model": _MODEL,
            "seed": ("INT", {"default": 0, "min": 0, "max": 2**64 - 1}),
            "steps": ("INT", {"default": 20, "min": 1, "max": 10000}),
            "cfg": ("FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0}),
            "sampler_name": (SAMPLERS,),
            "scheduler": (["normal", "karras"],),
            "positive": _CONDITIONING,
            "negative": _CONDITIONING,
            "latent_image": _LATENT,
            "denoise": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0}),
        },
        ("LATENT",),
    ),
    "LoadImage": ({"image": ("FILE",)}, ("IMAGE", "MASK")),
    "LoraLoader": (
        {
            "model": _MODEL,
            "clip": _CLIP,
            "lora_name": (LORAS,),
            "strength_model": _WEIGHT,
            "strength_clip": _WEIGHT,
        },
        ("MODEL", "CLIP"),
    ),
    "SaveImage": ({"images": _IMAGE, "filename_prefix": _TEXT}, ()),
    "VAEDecode": ({"samples": _LATENT, "vae": _VAE}, ("IMAGE",)),
    "VAEEncode": ({"pixels": _IMAGE, "vae": _VAE}, ("LATENT",)),
    "VAEEncodeForInpaint": (
        {
            "pixels": _IMAGE,
            "vae": _VAE,
            "mask": _MASK,
            "grow_mask_by": ("INT", {"default": 6, "min": 0, "max": 64}),
        },
        ("LATENT",),
    ),
}
_KINDS: Mapping[str, Any] = {"INT": int, "FLOAT": float, "STRING": str}


class InvalidGraph(Exception):
    """The graph is refused: with the error's type, and complaints by node where they are of inputs."""

    def __init__(self, kind: str, errors: Mapping[str, tuple[str, str, str]] | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.errors = errors or {}

    def document(self, graph: object) -> dict[str, Any]:
        """Return the body of the refusal."""
        nodes = graph if isinstance(graph, dict) else {}
        error = {"type": self.kind, "message": "simulated", "details": "", "extra_info": {}}
        by_node = {
            node: {
                "errors": [
                    {
                        "type": kind,
                        "message": "simulated",
                        "details": name,
                        "extra_info": {"input_name": name, "received_value": value},
                    }
                ],
                "dependent_outputs": [],
                "class_type": nodes[node]["class_type"],
            }
            for node, (kind, name, value) in self.errors.items()
        }
        return {"error": error, "node_errors": by_node}


def check(graph: object, *, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return a graph whose nodes and inputs are valid.

    :raises InvalidGraph: otherwise.
    """
    if not isinstance(graph, dict) or not graph:
        raise InvalidGraph("prompt_no_outputs")
    for node in graph.values():
        if not isinstance(node, dict) or node.get("class_type") not in NODES:
            raise InvalidGraph("missing_node_type")
    if not any(node["class_type"] == "SaveImage" for node in graph.values()):
        raise InvalidGraph("prompt_no_outputs")
    errors = {}
    for name, node in graph.items():
        inputs = node.get("inputs")
        for part, rule in NODES[node["class_type"]][0].items():
            value = inputs.get(part) if isinstance(inputs, dict) else None
            kind = _error_of(value, rule, graph=graph, files=files)
            if kind:
                errors[name] = (kind, part, str(value))
    if errors:
        raise InvalidGraph("prompt_outputs_failed_validation", errors)
    return graph


def _error_of(
    value: Any, rule: tuple[Any, ...], *, graph: Mapping[str, Any], files: Mapping[str, bytes]
) -> str:
    """Return what is wrong with an input; empty where nothing is."""
    kind = rule[0]
    if value is None:
        return "required_input_missing"
    # A list of two is a link, whatever the input is for.
    if isinstance(value, list):
        return _error_of_link(value, kind, graph=graph)
    if kind == "FILE" or isinstance(kind, list):
        wrong = "custom_validation_failed" if kind == "FILE" else "value_not_in_list"
        return "" if value in (files if kind == "FILE" else kind) else wrong
    return _error_of_value(value, rule) if kind in _KINDS else "bad_linked_input"


def _error_of_link(link: list[Any], kind: object, *, graph: Mapping[str, Any]) -> str:
    node = graph.get(str(link[0])) if len(link) == 2 else None  # noqa: PLR2004 - node and output
    if node is None or not isinstance(link[1], int):
        return "bad_linked_input"
    given = NODES[node["class_type"]][1]
    is_fitting = link[1] < len(given) and given[link[1]] == kind
    return "" if is_fitting else "return_type_mismatch"


def _error_of_value(value: Any, rule: tuple[Any, ...]) -> str:
    kind, limits = rule
    try:
        number = _KINDS[kind](value)
    except (TypeError, ValueError):
        return "invalid_input_type"
    if kind == "STRING":
        return ""
    if number < limits["min"]:
        return "value_smaller_than_min"
    return "value_bigger_than_max" if number > limits["max"] else ""


def request_of(
    graph: Mapping[str, Any], *, files: Mapping[str, bytes], key: str
) -> GenerationRequest:
    """Return what a valid graph asks for.

    :raises Refused: if it has no sampler, or an input image cannot be read.
    """
    sampler = next((n["inputs"] for n in graph.values() if n["class_type"] == "KSampler"), None)
    if sampler is None:
        raise Refused(400, "prompt_outputs_failed_validation", "the simulator needs a KSampler")
    latent = graph[sampler["latent_image"][0]]
    given = latent["inputs"]
    names = {InputRole.IMAGE: given.get("pixels"), InputRole.MASK: given.get("mask")}
    try:
        inputs = tuple(
            generation.image_input(
                files[graph[link[0]]["inputs"]["image"]], media_type="image/png", role=role
            )
            for role, link in names.items()
            if link is not None
        )
    except ValueError as problem:
        raise Refused(400, "custom_validation_failed", str(problem)) from None
    size = inputs[0].size if inputs else Size(int(given["width"]), int(given["height"]))
    operation = Operation.EDIT if inputs else Operation.GENERATE
    return GenerationRequest(
        operation=Operation.INPAINT if InputRole.MASK in {i.role for i in inputs} else operation,
        model="comfyui",
        prompt=str(graph[sampler["positive"][0]]["inputs"]["text"]),
        size=size,
        count=int(given.get("batch_size", 1)),
        seed=int(sampler["seed"]),
        inputs=inputs,
        idempotency_key=key,
    )
