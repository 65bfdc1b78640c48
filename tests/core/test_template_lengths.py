"""The shortest and the longest prompt are reckoned so that no values lead beyond them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen_app.core import prompts
from imagegen_app.core.prompts import Variable, VariableKind
from imagegen_app.core.template_lengths import length_range

VARIABLES = (
    Variable("product", max_chars=12),
    Variable("mood", required=False, max_chars=8),
    Variable("wood", kind=VariableKind.CHOICE, choices=("oak", "larch")),
    Variable("sale", kind=VariableKind.SWITCH),
    Variable("count", kind=VariableKind.NUMBER, minimum=Decimal(0), maximum=Decimal(999)),
)
_WORDS = st.text("abcxyz", min_size=1, max_size=8)
_BODIES = st.recursive(
    st.sampled_from(
        [
            "A ", " b ", "\n", "{{ product }}", "{{ mood|upper }}", "{{ wood|title }}", "{{ sale }}",
            "{{ count }}", "{{ mood|default('none at all')|trim }}",
        ]
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=4).map("".join)
    | st.tuples(inner, inner).map(lambda both: "{% if mood %}" + "{% else %}".join(both) + "{% endif %}")
    | st.tuples(inner, inner).map(
        lambda both: "{% if sale %}" + "{% elif wood == 'oak' %}".join(both) + "{% endif %}"
    ),
    max_leaves=8,
)  # fmt: skip


_VALUES = st.fixed_dictionaries(
    {
        "product": _WORDS,
        "mood": _WORDS | st.just(""),
        "wood": st.sampled_from(["oak", "larch"]),
        "sale": st.booleans(),
        "count": st.integers(0, 999),
    }
)


@settings(deadline=None)
@given(body=_BODIES, values=_VALUES)
def test_no_values_lead_beyond_the_range(body: str, values: dict[str, Any]) -> None:
    least, most = length_range(prompts.checked_tree(body, VARIABLES), VARIABLES)

    assert least <= len(prompts.render(body, VARIABLES, values).text) <= most


def test_a_text_of_its_own_is_as_long_as_it_is() -> None:
    assert length_range(prompts.checked_tree("A red mug", ()), ()) == (7, 9)
