"""Every screener of this package keeps the contract."""

from __future__ import annotations

from imagegen_app.testing.contract.screening import ScreenerContract
from imagegen_app.testing.contract.screening.our_samples import SCREENERS


class TestOpenAIModeration(ScreenerContract):
    samples = SCREENERS["openai_moderation"]


class TestHttpClassifier(ScreenerContract):
    samples = SCREENERS["http_classifier"]


class TestHttpClassifierWithForms(ScreenerContract):
    samples = SCREENERS["http_classifier_form"]


class TestBlockList(ScreenerContract):
    samples = SCREENERS["block_list"]
