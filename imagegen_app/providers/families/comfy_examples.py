"""Keep two workflows of ComfyUI to begin with; an account names its own ones instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


#: What both have: a checkpoint, two texts, the sampler and the file that is saved.
_COMMON: Mapping[str, Any] = {
    "1": _node("CheckpointLoaderSimple", ckpt_name="sd_xl_base_1.0.safetensors"),
    "2": _node("CLIPTextEncode", text="", clip=["1", 1]),
    "3": _node("CLIPTextEncode", text="", clip=["1", 1]),
    "4": _node(
        "KSampler",
        model=["1", 0],
        positive=["2", 0],
        negative=["3", 0],
        latent_image=["5", 0],
        seed=0,
        steps=25,
        cfg=7.0,
        sampler_name="euler",
        scheduler="normal",
        denoise=1.0,
    ),
    "6": _node("VAEDecode", samples=["4", 0], vae=["1", 2]),
    "7": _node("SaveImage", images=["6", 0], filename_prefix="imagegen"),
}
_SLOTS = {
    "prompt": "2.text",
    "negative_prompt": "3.text",
    "seed": "4.seed",
    "steps": "4.steps",
    "guidance": "4.cfg",
    "sampler": "4.sampler_name",
}
#: By the model's name.
WORKFLOWS: Mapping[str, Any] = {
    "text-to-image": {
        "graph": {**_COMMON, "5": _node("EmptyLatentImage", width=1024, height=1024, batch_size=1)},
        "slots": {**_SLOTS, "width": "5.width", "height": "5.height", "count": "5.batch_size"},
    },
    "inpaint": {
        "graph": {
            **_COMMON,
            "5": _node(
                "VAEEncodeForInpaint",
                pixels=["8", 0],
                vae=["1", 2],
                mask=["9", 1],
                grow_mask_by=6,
            ),
            "8": _node("LoadImage", image="image.png"),
            "9": _node("LoadImage", image="mask.png"),
        },
        "slots": {**_SLOTS, "image": "8.image", "mask": "9.image", "strength": "4.denoise"},
    },
}
