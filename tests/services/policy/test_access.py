"""A grant allows requests only between its dates and within its limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from imagegen_app.core.types import Operation, Size
from imagegen_app.services.foundation import clock
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_user

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def decision(**limits: Any) -> access.GrantDecision:
    """Ask for two images by 64 times 64, with one grant of these limits."""
    model = make_image_model()
    make_grant(group=make_group("Image editors"), image_model=model, **limits)
    editor = access.actor_for(make_user("edda", groups=["Image editors"]))
    return access.check_grant(
        editor, image_model=model, operation=Operation.GENERATE, size=Size(64, 64), count=2
    )


@pytest.mark.parametrize(
    ("starts", "ends", "allowed"),
    [
        (None, None, True),
        (-DAY, DAY, True),
        (-DAY, None, True),
        (None, -DAY, False),
        (DAY, None, False),
    ],
)
def test_a_grant_is_valid_between_its_start_and_its_end(
    starts: timedelta | None, ends: timedelta | None, allowed: bool
) -> None:
    now = clock.now()

    found = decision(
        starts_at=None if starts is None else now + starts,
        ends_at=None if ends is None else now + ends,
    )

    assert found.allowed is allowed
    assert ("is not valid today" in found.reason) is not allowed


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"operations": ["edit"]}, "does not cover “Generate”"),
        ({"max_pixels": 64 * 64 - 1}, "4095 pixels"),
        ({"max_count": 1}, "1 images per job, not 2"),
    ],
)
def test_a_grant_allows_nothing_beyond_its_limits(limits: dict[str, Any], reason: str) -> None:
    found = decision(**limits)

    assert not found.allowed
    assert reason in found.reason


def test_the_limits_of_a_grant_are_inclusive() -> None:
    assert decision(operations=["generate"], max_pixels=64 * 64, max_count=2).allowed
