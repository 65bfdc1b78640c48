"""Speak fal's platform API: its list of endpoints with their schemas, and their prices.

The real one is at a host of its own; here it is below `/fal/v1`, beside the queue.
"""

from __future__ import annotations

from typing import Any, Final

from imagegen_app.testing.simulator import asgi
from imagegen_app.testing.simulator.refusals import Refused

PREFIX: Final = "/fal/v1/"
_MAX_LIMIT = 100
_PROMPT = {"title": "Prompt", "type": "string", "description": "What to draw."}
_SEED = {
    "anyOf": [{"type": "integer"}, {"type": "null"}],
    "title": "Seed",
    "description": "The same seed and prompt give the same image.",
}
_FORMAT = {"enum": ["jpeg", "png"], "title": "Output Format", "type": "string", "default": "jpeg"}
_FLUX = {
    "title": "BaseTextToImageInput",
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": _PROMPT,
        "image_size": {
            "anyOf": [
                {"$ref": "#/components/schemas/ImageSize"},
                {"enum": ["square_hd", "square", "landscape_4_3"], "type": "string"},
            ],
            "title": "Image Size",
            "default": "landscape_4_3",
        },
        "num_inference_steps": {
            "title": "Num Inference Steps",
            "type": "integer",
            "minimum": 1,
            "maximum": 50,
            "default": 28,
            "description": "How many steps of drawing.",
        },
        "guidance_scale": {
            "title": "Guidance scale",
            "type": "number",
            "minimum": 1,
            "maximum": 20,
            "default": 3.5,
        },
        "seed": _SEED,
        "num_images": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
        "acceleration": {
            "enum": ["none", "regular", "high"],
            "type": "string",
            "default": "none",
            "description": "How fast it draws.",
        },
        "enable_safety_checker": {"type": "boolean", "default": True},
        "sync_mode": {"type": "boolean", "default": False},
        "output_format": _FORMAT,
    },
}
_EDIT = {
    "title": "NanoBananaImageToImageInput",
    "type": "object",
    "required": ["prompt", "image_urls"],
    "properties": {
        "prompt": _PROMPT | {"minLength": 3, "maxLength": 50_000},
        "image_urls": {
            "type": "array",
            "items": {"type": "string", "format": "uri"},
            "maxItems": 14,
        },
        "num_images": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
        "aspect_ratio": {
            "anyOf": [
                {"enum": ["auto", "21:9", "16:9", "1:1", "9:16"], "type": "string"},
                {"type": "null"},
            ],
            "default": "auto",
        },
        "resolution": {"enum": ["1K", "2K", "4K"], "type": "string", "default": "1K"},
        "output_format": _FORMAT | {"enum": ["jpeg", "png", "webp"]},
    },
}
#: By endpoint: what people call it, its category, its price, the unit of that, and its inputs.
MODELS: Final[dict[str, tuple[str, str, float, str, dict[str, Any]]]] = {
    "fal-ai/flux/dev": ("FLUX.1 [dev]", "text-to-image", 0.025, "megapixels", _FLUX),
    "fal-ai/flux/schnell": ("FLUX.1 [schnell]", "text-to-image", 0.003, "megapixels", _FLUX),
    "fal-ai/nano-banana-2/edit": ("Nano Banana 2", "image-to-image", 0.08, "images", _EDIT),
    "fal-ai/sdxl-on-a-gpu": ("SDXL", "text-to-image", 0.00111, "compute seconds", _FLUX),
}


def serve(call: asgi.Call, *, has_key: bool) -> asgi.Answer:
    """Answer a question about endpoints.

    :raises Refused: if it is none, or needs a key.
    """
    asked = {name: [value] for name, value in call.query.items()}
    if call.method != "GET":
        raise Refused(405, "", "Method not allowed")
    if call.path == f"{PREFIX}models/pricing":
        if not has_key:
            raise Refused(401, "", "Authentication required")
        return asgi.reply(_prices(asked.get("endpoint_id", [])))
    if call.path == f"{PREFIX}models":
        return asgi.reply(_models(asked))
    raise Refused(404, "", "Resource not found")


def _models(asked: dict[str, list[str]]) -> dict[str, Any]:
    wanted, search = asked.get("endpoint_id", []), asked.get("q", [""])[0].lower()
    names = [
        name
        for name, (label, *_rest) in MODELS.items()
        if (not wanted or name in wanted) and search in f"{name} {label}".lower()
    ]
    limit = min(int(asked.get("limit", ["50"])[0]), _MAX_LIMIT)
    start = int(asked.get("cursor", ["0"])[0])
    has_more = start + limit < len(names)
    is_whole = "openapi-3.0" in asked.get("expand", [])
    return {
        "models": [_model(name, is_whole=is_whole) for name in names[start : start + limit]],
        "has_more": has_more,
        "next_cursor": str(start + limit) if has_more else None,
    }


def _model(name: str, *, is_whole: bool) -> dict[str, Any]:
    label, category, _price, _unit, inputs = MODELS[name]
    found: dict[str, Any] = {
        "endpoint_id": name,
        "metadata": {
            "display_name": label,
            "category": category,
            "description": "An endpoint of the simulator.",
            "status": "active",
            "tags": [],
            "updated_at": "2026-10-01T12:00:00Z",
            "is_favorited": None,
            "thumbnail_url": "https://images.example/thumbnail.jpg",
            "model_url": f"https://fal.run/{name}",
            "date": "2026-08-01T00:00:00Z",
            "highlighted": False,
            "pinned": False,
        },
    }
    if is_whole:
        reference = {"$ref": f"#/components/schemas/{inputs['title']}"}
        body = {"required": True, "content": {"application/json": {"schema": reference}}}
        size = {
            "type": "object",
            "properties": {side: {"type": "integer"} for side in ("width", "height")},
        }
        found["openapi"] = {
            "openapi": "3.0.4",
            "info": {"title": "Queue OpenAPI", "version": "1.0.0"},
            "paths": {f"/{name}": {"post": {"requestBody": body}}},
            "components": {"schemas": {inputs["title"]: inputs, "ImageSize": size}},
        }
    return found


def _prices(names: list[str]) -> dict[str, Any]:
    known = [name for name in names if name in MODELS]
    if not known:
        raise Refused(404, "", "Resource not found")
    prices = [
        {
            "endpoint_id": name,
            "unit_price": MODELS[name][2],
            "unit": MODELS[name][3],
            "currency": "USD",
        }
        for name in known
    ]
    return {"prices": prices, "has_more": False, "next_cursor": None}
