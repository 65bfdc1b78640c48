"""The desk and the list of images without words read an index in its order, and nothing beside it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone

from imagegen_app.core.ids import uuid7
from imagegen_app.models import Asset
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import alt_texts, review_views
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user
from tests.changed_rows import change
from tests.plans import require_index

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db
INDEXES = {
    "needs": "imagegen_asset_review_wait",
    "held": "imagegen_asset_flagged",
    "escalated": "imagegen_asset_review_wait",
    "provenance": "imagegen_asset_doubt",
}


@pytest.fixture
def root() -> Person:
    return access.actor_for(make_user("root", is_superuser=True))


@pytest.mark.parametrize("key", INDEXES)
def test_a_view_of_the_desk_reads_its_index(root: Person, key: str) -> None:
    view = review_views.view_of(root, key)
    assert view is not None
    asset = make_asset(review_state="pending", widths=())
    _wait(asset, number=300)

    require_index(view._ordered(view.rows(root))[:31], INDEXES[key])
    beyond = view.rows(root).filter(view._beyond(asset, is_backwards=False))
    require_index(view._ordered(beyond)[:31], INDEXES[key])


@use_case(audited=False)
def _wait(asset: Asset, *, number: int) -> None:
    """Have so many more images wait for a review, all of which passed their checks."""
    shown = {field.attname: getattr(asset, field.attname) for field in _stored()}
    Asset.objects.bulk_create(
        Asset(**shown | {"pk": uuid7(), "position": position}) for position in range(1, number)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _stored() -> list[Any]:
    return [f for f in Asset._meta.concrete_fields if not f.generated and not f.primary_key]


def test_images_without_words_are_read_by_their_index() -> None:
    rows = alt_texts.needs_words().order_by("-created_at", "-pk")

    require_index(rows[:51], "imagegen_asset_wordless")


def test_what_the_database_keeps_says_what_the_columns_say() -> None:
    attempt = make_asset(widths=()).attempt
    now = timezone.now()
    choices: dict[str, list[Any]] = {
        "review_state": ["pending", "approved", "rejected", "withdrawn"],
        "review_requested_at": [None, now],
        "escalated_at": [None, now],
        "sent_back_at": [None, now],
        "is_intermediate": [False, True],
        "hard_category": ["", "sexual_minors"],
    }
    marks_and_words: list[dict[str, Any]] = [
        {"has_mark_problem": True, "alt_text": "", "is_decorative": False},
        {"has_mark_problem": False, "alt_text": "", "is_decorative": True},
        {"has_mark_problem": True, "alt_text": "A mug", "is_decorative": False},
    ]
    asset = make_asset(attempt=attempt, widths=())

    for values in itertools.product(*choices.values(), marks_and_words):
        fields = dict(zip(choices, values[:-1], strict=True)) | values[-1]
        change(asset, **fields)
        kept = Asset.objects.values("review_queue", "is_in_doubt", "needs_words").get(pk=asset.pk)

        assert kept == {
            "review_queue": _queue(fields),
            "is_in_doubt": _is_in_doubt(fields),
            "needs_words": _needs_words(fields),
        }, fields


def _is_open(fields: dict[str, Any]) -> bool:
    return not fields["is_intermediate"] and not fields["hard_category"]


def _queue(fields: dict[str, Any]) -> str:
    if fields["review_state"] != "pending" or not _is_open(fields):
        return ""
    if fields["review_requested_at"]:
        return "escalated" if fields["escalated_at"] else "waiting"
    return "sent_back" if fields["sent_back_at"] else "draft"


def _is_in_doubt(fields: dict[str, Any]) -> bool:
    shown = fields["review_state"] == "approved" or bool(
        fields["review_state"] == "pending" and fields["review_requested_at"]
    )
    return shown and fields["has_mark_problem"] and _is_open(fields)


def _needs_words(fields: dict[str, Any]) -> bool:
    is_shown = fields["review_state"] in {"pending", "approved"} and _is_open(fields)
    return is_shown and not fields["alt_text"] and not fields["is_decorative"]
