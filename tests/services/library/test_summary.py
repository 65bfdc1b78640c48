"""An image's story tells of this image, and of no other one of its request."""

from __future__ import annotations

import pytest

from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import Asset, Job, Verdict
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import review_cases, summary
from imagegen_app.testing.factories import make_asset, make_attempt

pytestmark = pytest.mark.django_db


@use_case(audited=False)
def said(job: Job, part: str, outcome: VerdictOutcome, asset: Asset | None = None) -> None:
    Verdict.objects.create(
        job=job, screener="guard", stage=part, part=part, outcome=outcome.value, asset=asset
    )


def test_what_content_checks_said_of_a_neighbour_is_left_out() -> None:
    attempt = make_attempt()
    asset, neighbour = make_asset(attempt=attempt), make_asset(attempt=attempt)
    said(attempt.job, "prompt", VerdictOutcome.PASSED)
    said(attempt.job, "image", VerdictOutcome.PASSED, asset)
    said(attempt.job, "image", VerdictOutcome.HELD, neighbour)

    assert [one.asset_id for one in summary.verdicts_of(asset)] == [None, asset.pk]
    assert len(summary.verdict_lines(neighbour)) == 2
    assert [one.tone for one in review_cases.verdict_lines(neighbour)] == ["warn", "good"]
    assert [one.tone for one in review_cases.verdict_lines(asset)] == ["good", "good"]
