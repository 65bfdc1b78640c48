"""Who may read other people's prompts leaves a record of searching them, one for each search."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, AuditPersonalText
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.library import asset_filters, word_search
from imagegen_app.services.library.asset_filters import AssetFilter
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_job, make_user

pytestmark = pytest.mark.django_db
TYPE = "asset.prompts_searched"


@pytest.fixture
def officer() -> Any:
    return access.actor_for(
        make_user("cora", permissions=["imagegen.view_prompt", "imagegen.view_asset"])
    )


def search(reader: Any, words: str) -> list[Any]:
    return list(asset_filters.find(reader, AssetFilter.from_query({"q": words})))


def number() -> int:
    return AuditEvent.objects.filter(type=TYPE).count()


def test_a_search_is_recorded_once_with_a_commitment_to_its_words(officer: Any) -> None:
    asset = make_asset(job=make_job(prompt="A secret mug"))

    for words in ("secret", "secret", " secret  "):
        search(officer, words)
    search(officer, "mug")

    assert number() == 2
    first = AuditEvent.objects.filter(type=TYPE).order_by("pk").first()
    assert first is not None
    assert "secret" not in first.body
    assert '"search"' in first.body
    text = AuditPersonalText.objects.get(event=first, field="search")
    assert (text.field, text.value, text.subject) == ("search", "secret", f"person:{officer.id}")
    assert asset.job.prompt not in first.body


def test_it_is_recorded_again_after_an_hour(officer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    search(officer, "mug")
    # The hour is over.
    monkeypatch.setattr(prompt_access, "_RECORD_INTERVAL_SECONDS", -60)

    search(officer, "mug")

    assert number() == 2


def test_who_searches_what_they_may_read_anyway_leaves_none(officer: Any) -> None:
    make_asset()
    editor = access.actor_for(make_user("edda", groups=["Image editors"]))

    search(editor, "mug")
    word_search.words_condition("mug", reader=System("test"))
    # A filter without words, and a hash, look into no prompt.
    asset_filters.find(officer, AssetFilter.from_query({"state": "approved"}))
    search(officer, "a" * 64)

    assert number() == 0


def test_the_words_of_another_persons_prompt_are_not_found_by_who_requested_it_again() -> None:
    first, reader = make_job(prompt="A secret mug"), access.actor_for(make_user())
    again = make_job(prompt="A secret mug", requester=reader.user, replaces=first)
    own = make_asset(job=make_job(prompt="A secret mug", requester=reader.user))
    make_asset(job=again)
    make_asset(job=make_job(prompt="", requester=reader.user, root=again))

    assert search(reader, "secret") == [own]
