"""Any document as a set-up: carried out or refused with its mistakes, and never an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen_app.core.actors import System
from imagegen_app.core.description_files import parse_file
from imagegen_app.core.description_reader import InvalidDescription
from imagegen_app.core.setup_document import read_description
from imagegen_app.services.policy import site_setup
from imagegen_app.services.policy.site_setup import InvalidSetup

if TYPE_CHECKING:
    from collections.abc import Callable

SHELL = System("test")
#: Values that fit one name or another, and some that fit none.
TEXTS = st.sampled_from(
    [
        "sandbox",
        "openai",
        "sandbox-1",
        "Image editors",
        "generate",
        "active",
        "month",
        "USD",
        "x" * 300,
    ]
) | st.text(max_size=8)
NUMBERS = st.sampled_from([0, 1, -1, 2**31, 10**40, 0.02, float("nan"), float("inf"), 1e308])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.datetimes() | st.dates() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = {
    "providers": "adapter name slug base_url credential options data_handling max_in_flight burst is_enabled",
    "models": "provider model name slug version price currency price_list lifecycle capabilities notes",
    "groups": "name roles members",
    "grants": "group models operations max_pixels max_count starts_at ends_at reason",
    "budgets": "name limit currency period group user provider warn_percent is_enabled",
}
#: What makes an entry whole, so that other values are looked at at all.
WHOLE: dict[str, dict[str, Any]] = {
    "providers": {"adapter": "sandbox"},
    "models": {"provider": "sandbox", "model": "sandbox-1"},
    "groups": {"name": "Image editors"},
    "grants": {"group": "Image editors", "models": ["sandbox-1"]},
    "budgets": {"name": "All", "limit": 5},
}


def document_with(section: str, name: str, value: Any) -> dict[str, Any]:
    """Return a whole description in which one value is another one."""
    document = {each: [dict(entry)] for each, entry in WHOLE.items()}
    document[section][0][name] = value
    return document


DOCUMENTS = st.sampled_from(
    [(section, name) for section, names in NAMES.items() for name in names.split()]
).flatmap(lambda place: VALUES.map(lambda value: document_with(*place, value)))


def problems_of(read: Callable[[], object]) -> int:
    """Return how many mistakes are told, each in a sentence; 0 if there are none."""
    try:
        read()
    except InvalidDescription as error:
        return len([one for one in error.problems if str(one.problem)])
    except InvalidSetup as refusal:
        return len([text for _place, text in refusal.problems if text])
    return 0


@given(document=DOCUMENTS | VALUES)
def test_any_document_is_read_or_refused_with_places(document: Any) -> None:
    assert problems_of(lambda: read_description(document)) >= 0


@given(data=st.binary(max_size=60), ending=st.sampled_from([".toml", ".json", ".yaml"]))
def test_any_bytes_are_a_document_or_refused(data: bytes, ending: str) -> None:
    assert problems_of(lambda: read_description(parse_file(data, ending=ending))) >= 0


@pytest.mark.django_db
@settings(max_examples=60, deadline=None)
@given(document=DOCUMENTS)
def test_any_description_is_carried_out_or_refused(document: Any) -> None:
    assert problems_of(lambda: apply(document)) >= 0


def apply(document: Any) -> None:
    """Carry a description out."""
    site_setup.apply(actor=SHELL, setup=site_setup.read(document))
