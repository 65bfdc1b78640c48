"""People find images by words and filters, among those that they may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import Person, System
from imagegen_app.services.foundation import word_index
from imagegen_app.services.library import (
    alt_texts,
    asset_filters,
    collections,
    placement,
    tags,
    word_search,
)
from imagegen_app.services.library.asset_filters import AssetFilter
from imagegen_app.services.monitoring import search_status
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user

if TYPE_CHECKING:
    from imagegen_app.models import Asset

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> Person:
    return access.actor_for(make_user("ada", groups=["Image editors"]))


@pytest.fixture
def reviewer() -> Person:
    return access.actor_for(make_user("rita", groups=["Image reviewers"]))


def found(reader: Person, **wanted: Any) -> set[Asset]:
    return set(asset_filters.find(reader, AssetFilter.from_query(wanted)))


@pytest.fixture(params=["index", "no index", "many"])
def however(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search with the database's index, without one, and as for a word that very many images have."""
    if request.param == "no index":
        monkeypatch.setattr(word_index, "indexed_by", lambda: "")
    if request.param == "many":
        monkeypatch.setattr(word_search, "FEW", 0)


@pytest.mark.usefixtures("however")
def test_words_are_found_in_title_description_template_and_tags(reviewer: Person) -> None:
    version = make_template()
    job = make_job(template_version=version, prompt="x")
    asset = make_asset(job=job, title="Morgen mug", alt_text="On a window-sill, 50% off")
    other = make_asset(job=make_job(prompt="y"), title="Vase", alt_text="A vase")
    tags.tag(actor=System("test"), assets=type(asset).objects.filter(pk=other.pk), name="Spring 26")

    assert found(reviewer, q="MORGEN window") == {asset}
    assert found(reviewer, q="50%") == {asset}
    assert found(reviewer, q='si"ll') == set()
    assert found(reviewer, q=version.template.name) == {asset}
    assert found(reviewer, q="spring vase") == {other}
    assert found(reviewer, q="morgen vase") == set()
    # Shorter than what the index knows.
    assert found(reviewer, q="26 spring") == {other}
    assert found(reviewer, q="27 spring") == set()


@pytest.mark.usefixtures("however")
def test_prompts_are_searched_for_those_who_may_read_them(editor: Person, reviewer: Person) -> None:
    viewer = access.actor_for(make_user(permissions=["imagegen.view_asset"]))
    mine = make_asset(job=make_job(requester=editor.user, prompt="A heron at dawn"))
    theirs = make_asset(job=make_job(prompt="A heron at dusk"))

    assert found(editor, q="heron") == {mine}
    assert found(reviewer, q="heron") == {mine, theirs}
    assert found(viewer, q="heron") == set()
    assert found(viewer, q="mug") == {mine, theirs}


def test_a_changed_description_is_found_at_once_and_the_former_no_more(reviewer: Person) -> None:
    asset = make_asset(alt_text="A kettle", title="")

    alt_texts.set_alt_text(actor=reviewer, asset=asset, alt_text="A teapot")

    assert found(reviewer, q="teapot") == {asset}
    assert found(reviewer, q="kettle") == set()


def test_the_databases_of_the_suite_have_an_index_of_words() -> None:
    assert word_index.indexed_by() in {"fts5", "pg_trgm"}


def test_people_without_the_permission_find_their_own_images_only(editor: Person) -> None:
    mine = make_asset(requester=editor.user)
    make_asset()

    assert found(editor) == {mine}
    assert found(editor, person="zo") == set()


def test_what_was_closed_for_good_and_steps_in_between_are_not_listed(reviewer: Person) -> None:
    make_asset(hard_category="sexual_minors")
    step = make_asset(is_intermediate=True)

    assert found(reviewer) == set()
    assert found(reviewer, steps="1") == {step}


def test_filters_narrow_the_list(reviewer: Person) -> None:
    version = make_template()
    job = make_job(requester=reviewer.user, template_version=version, operation="upscale")
    wide = make_asset(job=job, colour="red", review_state="pending")
    tall = make_asset(size=(48, 64), digital_source_type="http://x/compositeWithTrained")
    placement.record_placement(
        actor=System("test"), asset=tall, target=version.template, field="x", value="y"
    )
    owner: Any = tall.job.requester

    assert found(reviewer, mine="1") == {wide}
    assert found(reviewer, person=owner.username) == {tall}
    assert found(reviewer, template=version.template_id) == {wide}
    assert found(reviewer, model=tall.job.image_model_id) == {tall}
    assert found(reviewer, operation="upscale") == {wide}
    assert found(reviewer, state="pending") == {wide}
    assert found(reviewer, colour="red") == {wide}
    assert found(reviewer, label="modified") == {tall}
    assert found(reviewer, label="generated") == {wide}
    assert found(reviewer, used="yes") == {tall}
    assert found(reviewer, used="no") == {wide}
    assert found(reviewer, shape="portrait") == {tall}
    assert found(reviewer, shape="square") == set()
    assert found(reviewer, month=f"{wide.created_at:%Y-%m}") == {wide, tall}
    assert found(reviewer, month="2020-01") == set()
    assert found(reviewer, q=wide.sha256) == {wide}


def test_filters_of_many_rows_find_the_same(
    reviewer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = make_template()
    asset = make_asset(job=make_job(requester=reviewer.user, template_version=version))
    make_asset()
    shelf = collections.create(actor=reviewer, name="Shelf")
    collections.add(actor=reviewer, collection=shelf, assets=asset_filters.visible_assets(reviewer))
    collections.remove(
        actor=reviewer,
        collection=shelf,
        assets=asset_filters.visible_assets(reviewer).exclude(pk=asset.pk),
    )

    for few in (2000, 0):
        monkeypatch.setattr(asset_filters, "_FEW", few)
        assert found(reviewer, template=version.template_id) == {asset}
        assert found(reviewer, collection=shelf.pk) == {asset}
        assert found(reviewer, mine="1") == {asset}


def test_another_persons_collection_shows_nothing_until_it_is_shared(
    editor: Person, reviewer: Person
) -> None:
    asset = make_asset(requester=editor.user)
    for is_shared in (False, True):
        shelf = collections.create(actor=editor, name=f"Shelf {is_shared}", is_shared=is_shared)
        collections.add(actor=editor, collection=shelf, assets=asset_filters.visible_assets(editor))
        assert found(reviewer, collection=shelf.pk) == ({asset} if is_shared else set())


def test_an_address_that_no_page_made_filters_nothing() -> None:
    wanted = AssetFilter.from_query(
        {"state": "lost", "template": "x' OR 1", "month": "2026-13", "q": "a\0b", "tag": "٣"}
    )

    assert wanted.values == {}
    assert AssetFilter.from_query({"state": "pending", "q": " mug "}).as_query() == (
        "q=mug&state=pending"
    )


def test_the_doctor_says_that_an_index_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(search_status.search_findings()) == []

    monkeypatch.setattr(word_index, "indexed_by", lambda: "")

    (finding,) = search_status.search_findings()
    assert "no index of words" in finding.message
    assert finding.remedy
