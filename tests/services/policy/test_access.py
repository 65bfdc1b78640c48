"""A grant allows requests only between its dates and within its limits."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser

from imagegen_app.core.types import Operation, Size
from imagegen_app.services.foundation import clock
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def decision(**limits: Any) -> access.GrantDecision:
    """Ask for two images by 64 times 64, with one grant of these limits."""
    model = make_image_model()
    make_grant(group=make_group("Image editors"), image_model=model, **limits)
    return access.check_grant(
        editor(), image_model=model, operation=Operation.GENERATE, size=Size(64, 64), count=2
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


def editor(**fields: Any) -> Person:
    return access.actor_for(make_user(groups=["Image editors"], **fields))


def test_a_model_that_no_grant_names_is_refused_by_its_name() -> None:
    model = make_image_model(name="Brush")
    make_grant(group=make_group("Compliance"), image_model=model)
    make_grant(group=make_group("Image editors"), image_model=make_image_model())

    found = access.check_grant(
        editor(), image_model=model, operation=Operation.GENERATE, size=Size(64, 64), count=1
    )

    assert found == access.GrantDecision(
        allowed=False, reason="Your groups have no grant for “Brush”."
    )


def test_an_account_without_the_permission_is_told_so() -> None:
    model = make_image_model()
    make_grant(group=make_group("Strangers"), image_model=model)
    stranger = access.actor_for(make_user(groups=["Strangers"]))

    with pytest.raises(access.NotGranted) as refused:
        access.require_grant(
            stranger, image_model=model, operation=Operation.GENERATE, size=Size(64, 64), count=1
        )

    assert "does not have permission to request images" in refused.value.reason
    assert access.granted_models(stranger) == []


@pytest.mark.parametrize("bypass", [True, False])
def test_superusers_need_no_grant_where_the_site_says_so(settings: Any, bypass: bool) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SUPERUSER_BYPASS": bypass}
    model = make_image_model()
    chief = access.actor_for(make_user(is_superuser=True))
    ordinary = editor()

    found = [
        access.check_grant(
            actor, image_model=model, operation=Operation.GENERATE, size=Size(64, 64), count=1
        ).allowed
        for actor in (chief, ordinary)
    ]

    assert found == [bypass, False]
    assert access.granted_models(chief) == ([model] if bypass else [])
    assert access.granted_models(ordinary) == []


def test_the_models_on_offer_are_those_whose_grants_are_valid_now() -> None:
    now = clock.now()
    group = make_group("Image editors")
    dates = {
        "Yesterday": {"ends_at": now - DAY},
        "Today": {"starts_at": now - DAY, "ends_at": now + DAY},
        "Always": {},
        "Tomorrow": {"starts_at": now + DAY},
    }
    for name, limits in dates.items():
        make_grant(group=group, image_model=make_image_model(name=name), **limits)

    assert [model.name for model in access.granted_models(editor())] == ["Always", "Today"]


def test_jobs_of_others_are_listed_for_those_who_may_see_them() -> None:
    own = editor()

    assert access.job_owner_filter(own) == own.user
    assert access.job_owner_filter(access.actor_for(make_user(groups=["Image reviewers"]))) is None


@pytest.mark.parametrize("user", [None, AnonymousUser()])
def test_nobody_acts_without_logging_in(user: Any) -> None:
    with pytest.raises(access.NotPermitted) as refused:
        access.actor_for(user)

    assert str(refused.value).endswith("You are not logged in. Log in first.")
