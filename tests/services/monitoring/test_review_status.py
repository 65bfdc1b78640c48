"""The doctor tells of images that nobody can approve."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.services.monitoring import doctor
from imagegen_app.testing.factories import make_asset, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def two_people(settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": True}


def told() -> list[str]:
    return [r.message for r in doctor.run_all_checks() if r.part == "review" and r.level != "ok"]


def test_an_image_without_any_reviewer_is_reported() -> None:
    make_asset(review_state="pending")

    assert told() == ["1 image waits for review, and nobody may approve images."]


def test_images_of_the_only_reviewer_are_reported_until_there_is_another(settings: Any) -> None:
    rita = make_user("rita", groups=["Image reviewers"])
    for _number in range(2):
        make_asset(review_state="pending", requester=rita)
    alone = told()
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": False}
    allowed = told()
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": True}
    make_user("rolf", groups=["Image reviewers"])

    assert alone == [
        "2 images wait for a second reviewer, and only their requester may approve images."
    ]
    assert allowed == told() == []
