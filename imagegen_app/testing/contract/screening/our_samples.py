"""The samples of the screeners that come with this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from imagegen_app.testing.contract.screening.samples import ScreenerSamples, coloured_image

#: Ours can be told so short a limit; nothing that comes is waited for with it.
_LIMIT_SECONDS = 0.1
_RED = coloured_image((255, 0, 0))
_OPENAI = ScreenerSamples(
    screener="imagegen_app.moderation.openai_moderation.OpenAIModeration",
    options={
        "base_url": "{base_url}/v1",
        "credential": "contract",
        "thresholds": {"violence": 0.5},
    },
    protocol="openai_moderation",
    hard_text="simulate-minors",
    borderline_text="simulate-some-violence",
    strict_options={"thresholds": {"violence": 0.3}},
    opening_options=(
        {"thresholds": {"sexual/minors": None}},
        {"thresholds": {"sexual/minors": 1.0}},
        {"default_threshold": None},
        {"hard_categories": {}},
    ),
    blocked_image=_RED,
    has_scores=True,
    limit_seconds=_LIMIT_SECONDS,
)
_CLASSIFIER = ScreenerSamples(
    screener="imagegen_app.moderation.http_classifier.HttpClassifier",
    options={
        "url": "{base_url}/classify/text",
        "image_url": "{base_url}/classify/image",
        "credential": "contract",
        "auth_header": "x-api-key",
        "auth_scheme": "",
        "answers": {"scores": "result.scores", "model": "model", "cost": "cost"},
        "thresholds": {"violence": 0.5, "nudity": 0.5},
        "hard_categories": {"sexual/minors": "sexual_minors"},
    },
    protocol="http_classifier",
    hard_text="simulate-minors",
    borderline_text="simulate-some-violence",
    strict_options={"thresholds": {"violence": 0.3, "nudity": 0.5}},
    opening_options=({"thresholds": {"sexual/minors": None}},),
    blocked_image=_RED,
    has_scores=True,
    limit_seconds=_LIMIT_SECONDS,
)
#: By name, each for one way of being set up.
SCREENERS: Mapping[str, ScreenerSamples] = {
    "openai_moderation": _OPENAI,
    "http_classifier": _CLASSIFIER,
    "http_classifier_form": replace(
        _CLASSIFIER, options={**_CLASSIFIER.options, "image_field": "file"}
    ),
    "block_list": ScreenerSamples(
        screener="imagegen_app.moderation.block_list.BlockList",
        options={"terms": ["simulate-violence"]},
        hard_text="nudify",
        opening_options=({"terms": []}, {"hard_category": "intimate_images"}),
    ),
}
