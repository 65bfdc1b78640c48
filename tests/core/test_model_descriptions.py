"""What a server says of its models is bounded and cleaned where it enters."""

from __future__ import annotations

import pytest

from imagegen_app.core.i18n import Message
from imagegen_app.core.model_descriptions import (
    MAX_PROBLEMS,
    PAGE_MODELS,
    ListedModel,
    ModelDescription,
    ModelPage,
    page_of,
)

NAMES = [f"model-{n}" for n in range(3 * PAGE_MODELS)]


def test_a_page_has_so_many_models_and_no_name_that_was_changed() -> None:
    strange = [ListedModel("a\nb"), ListedModel(""), ListedModel("x" * 300)]
    listed = [*strange, *(ListedModel(name, "label\n" * 100) for name in NAMES)]

    page = ModelPage(tuple(listed), "x" * 500)

    assert len(page.models) == PAGE_MODELS - len(strange)
    assert page.models[0].name == "model-0"
    assert "\n" not in page.models[0].label
    assert page.next_page == ""


@pytest.mark.parametrize(
    ("page", "first"), [("", "model-0"), ("50", "model-50"), ("x", "model-0"), ("-1", "model-0")]
)
def test_a_whole_list_is_read_in_pages(page: str, first: str) -> None:
    found = page_of(NAMES, search=" MODEL ", page=page)

    assert (found.models[0].name, len(found.models)) == (first, PAGE_MODELS)


def test_the_last_page_has_none_after_it() -> None:
    last = page_of(NAMES, search="", page=str(2 * PAGE_MODELS))

    assert (len(last.models), last.next_page) == (PAGE_MODELS, "")
    assert page_of(NAMES, search="", page="9" * 30).models == ()
    assert page_of(NAMES, search="none", page="") == ModelPage()


def test_a_description_is_cut() -> None:
    many = tuple(Message("%(name)s", {"name": "x" * 500}) for _ in range(500))

    found = ModelDescription(
        problems=many, unknown=many, label="L" * 500, version="v\n1", pinned_name="p q\n"
    )

    assert (len(found.problems), len(found.unknown)) == (MAX_PROBLEMS, MAX_PROBLEMS)
    assert len(str(found.problems[0])) < 100
    assert (len(found.label), found.version, found.pinned_name) == (80, "v 1", "")
