"""Put the demo under governance: providers, models, grants, budgets and templates."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group

from imagegen_app.core.actors import System
from imagegen_app.core.kit_values import PaletteColour
from imagegen_app.core.passes import passes_from
from imagegen_app.core.shots import Shot
from imagegen_app.core.types import Operation, Size
from imagegen_app.models import BrandKit, Budget, Grant, ImageModel, PromptTemplate, Provider
from imagegen_app.services.job_requests import brand_kits, templates
from imagegen_app.services.job_requests.template_drafts import Draft
from imagegen_app.services.policy import model_catalog, roles

SEED = System("demo")
#: The groups that may generate in the demo.
REQUESTERS = ("Image editors", "Image administrators")
#: USD for a million tokens, as https://developers.openai.com/api/docs/pricing has them, by way of the
#: price table of litellm 1.110.2. It has no price for written text of these models; what stands here
#: is that of gpt-image-1.5, the latest with one: 0 would lose it, and none would charge the estimate.
_KIT_SLUG = "morning-light"
_KIT = brand_kits.KitDraft(
    palette=[
        PaletteColour("Ink blue", "#1c4b8f"),
        PaletteColour("Warm sand", "#d8c8a8"),
        PaletteColour("Clay", "#b5532f"),
    ],
    style_words="soft morning light, matte surfaces, calm background",
    note="First version",
)
_OPENAI_TOKENS = {
    "input_text": "5",
    "cached_input_text": "1.25",
    "input_image": "8",
    "cached_input_image": "2",
    "output_image": "30",
    "output_text": "10",
}
#: When these prices were last compared with their source.
_OPENAI_CHECKED_ON = "2026-11-26"
#: Estimates for one image; the charge follows the tokens that OpenAI counts.
_OPENAI_ESTIMATES = [
    {"quality": "low", "max_pixels": 1_572_864, "amount": "0.02"},
    {"quality": "medium", "max_pixels": 1_572_864, "amount": "0.07"},
    {"quality": "", "max_pixels": 1_572_864, "amount": "0.19"},
    {"quality": "", "max_pixels": 0, "amount": "0.40"},
]
_PRODUCT_VARIABLES: list[dict[str, Any]] = [
    {"name": "product", "label": "Product", "help": "What is shown, such as “stoneware mug”."},
    {"name": "material", "label": "Material", "required": False},
    {"name": "colour", "label": "Colour", "kind": "colour", "default": "natural"},
    {
        "name": "setting",
        "label": "Setting",
        "kind": "choice",
        "choices": ["on a light table", "on a shelf by the window", "against a plain wall"],
        "default": "on a light table",
    },
]


def setup() -> None:
    """Make all of it; what is there already stays as it is."""
    roles.create_groups()
    sandbox = _provider("sandbox", "Sandbox", adapter="sandbox")
    practice = ensure_model(
        sandbox,
        "sandbox-1",
        "Sandbox 1",
        version="1",
        price_list={"currency": "USD", "per_image": [{"amount": "0.02"}]},
        notes="Draws images locally. Its prices are for practice: no money is spent.",
    )
    ensure_grants(practice)
    if os.environ.get("OPENAI_API_KEY"):
        _openai()
    if not Budget.objects.filter(name="Everybody, a month").exists():
        model_catalog.save(
            actor=SEED,
            record=Budget(
                name="Everybody, a month", scope="site", period="month", limit=Decimal(40)
            ),
        )
    _templates()


def real_models() -> list[str]:
    """Return the short names of the models whose provider was paid for by a key in the environment."""
    if not os.environ.get("OPENAI_API_KEY"):
        return []
    found = ImageModel.objects.filter(provider__slug="openai").order_by("slug")
    return list(found.values_list("slug", flat=True))


def _openai() -> None:
    provider = _provider(
        "openai", "OpenAI", adapter="openai", base_url=settings.OPENAI_BASE_URL, credential="openai"
    )
    for wire, name in (
        ("gpt-image-2.6-flare", "GPT Image 2.6 Flare"),
        ("gpt-image-2.6-sunburst", "GPT Image 2.6 Sunburst"),
    ):
        offered = ensure_model(
            provider,
            wire.replace(".", "-"),
            name,
            wire=wire,
            version=wire,
            price_list={
                "currency": "USD",
                "per_image": _OPENAI_ESTIMATES,
                "per_million_tokens": _OPENAI_TOKENS,
                "checked_on": _OPENAI_CHECKED_ON,
            },
        )
        ensure_grants(offered)


def _provider(slug: str, name: str, **fields: Any) -> Provider:
    found = Provider.objects.filter(slug=slug).first()
    if found is not None:
        return found
    provider = Provider(slug=slug, name=name, **fields)
    model_catalog.save(actor=SEED, record=provider)
    return provider


def ensure_model(
    provider: Provider, slug: str, name: str, *, version: str, wire: str = "", **fields: Any
) -> ImageModel:
    """Return the model with this short name; it is made if there is none."""
    found = ImageModel.objects.filter(slug=slug).first()
    if found is not None:
        return found
    model = ImageModel(
        provider=provider,
        slug=slug,
        name=name,
        provider_model_name=wire or slug,
        version=version,
        lifecycle="active",
        **fields,
    )
    model_catalog.save(actor=SEED, record=model)
    return model


def ensure_grants(model: ImageModel) -> None:
    """Let the demo's requesters use a model for everything that it can do."""
    for name in REQUESTERS:
        group = Group.objects.get(name=name)
        if not Grant.objects.filter(group=group, image_model=model).exists():
            model_catalog.save(
                actor=SEED,
                record=Grant(
                    group=group,
                    image_model=model,
                    operations=[o.value for o in Operation],
                    reason="Demo",
                ),
            )


def _templates() -> None:
    drafts = {
        "product-still-life": (
            "Product still life",
            "One product, quietly lit, for the shop's shelf.",
            Draft(
                body=(
                    "A calm product photograph of a {{ colour }} {{ product }}"
                    "{% if material %} made of {{ material | lower }}{% endif %}, {{ setting }}. "
                    "Soft daylight from the left, gentle shadow, nothing else in the picture."
                ),
                variables=_PRODUCT_VARIABLES,
                alt_pattern="A {{ colour }} {{ product }}, {{ setting }}",
                note="First version",
            ),
        ),
        "product-shots": (
            "Product from three sides",
            "Three pictures of each product, alike in light and background.",
            Draft(
                body=(
                    "A calm product photograph of a {{ colour }} {{ product }}, {{ shot }}. "
                    "Plain light background, soft daylight from the left."
                ),
                variables=[v for v in _PRODUCT_VARIABLES if v["name"] in {"product", "colour"}],
                alt_pattern="A {{ colour }} {{ product }}: {{ shot }}",
                seed_strategy="per_row",
                shots=[
                    Shot("front", "Front", "seen from the front"),
                    Shot("back", "Back", "seen from behind"),
                    Shot("detail", "Detail", "a close-up of the surface", "4:5"),
                ],
                note="First version",
            ),
        ),
        "product-cut-out": (
            "Product cut-out",
            "One product without a background, twice as large.",
            Draft(
                body="A {{ colour }} {{ product }}, seen from the front, evenly lit.",
                variables=[v for v in _PRODUCT_VARIABLES if v["name"] in {"product", "colour"}],
                alt_pattern="A {{ colour }} {{ product }} on no background",
                size=Size(512, 512),
                passes=passes_from(["upscale:2:sandbox-1", "remove_background:sandbox-1"]),
                note="First version",
            ),
        ),
        "page-hero": (
            "Page hero",
            "A wide image for the top of a page.",
            Draft(
                body=(
                    "A wide, airy interior scene for a page about {{ topic }}, {{ mood }} mood, "
                    "room for a headline on the left."
                ),
                variables=[
                    {"name": "topic", "label": "Topic", "max_chars": 120},
                    {
                        "name": "mood",
                        "label": "Mood",
                        "kind": "choice",
                        "choices": ["calm", "warm", "bright", "festive"],
                        "default": "calm",
                    },
                ],
                alt_pattern="A {{ mood }} interior for a page about {{ topic }}",
                size=Size(1536, 864),
                note="First version",
            ),
        ),
    }
    if not BrandKit.objects.filter(slug=_KIT_SLUG).exists():
        brand_kits.create(actor=SEED, name="Morning light", slug=_KIT_SLUG, draft=_KIT)
    for slug, (name, purpose, draft) in drafts.items():
        if not PromptTemplate.objects.filter(slug=slug).exists():
            category = "Pages" if slug == "page-hero" else "Shop"
            templates.create(
                actor=SEED,
                name=name,
                slug=slug,
                draft=draft,
                details=templates.TemplateDetails(name, purpose, category),
            )
