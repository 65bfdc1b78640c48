from __future__ import annotations

import pytest

from imagegen_app.core.prompts import PromptTemplateError, render, variables_from

PRODUCT = variables_from([{"name": "product"}])


@pytest.mark.parametrize(
    "source",
    [
        "{{ product.__class__ }}",
        "{{ product['x'] }}",
        "{{ product() }}",
        "{{ 7 * 7 }}",
        "{{ 'a' * 10 }}",
        "{{ product | center(90000000) }}",
        "{{ product | attr('x') }}",
        "{% for x in product %}{% endfor %}",
        "{% include 'x' %}",
        "{% set x = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% if product.x %}a{% endif %}",
        "{{ other }}",
        "{{ product ",
        "x" * 1_000_000,
    ],
)
def test_a_template_with_forbidden_syntax_is_refused(source: str) -> None:
    with pytest.raises(PromptTemplateError):
        render(source, PRODUCT, {"product": "mug"})


@pytest.mark.parametrize(
    "value", ["{{ product }}", "${7*7}", "{0.__class__}", "%(x)s", "{% if x %}"]
)
def test_a_value_is_inserted_unchanged(value: str) -> None:
    assert render("A {{ product }}.", PRODUCT, {"product": value}).text == f"A {value}."


def test_a_prompt_records_which_parts_came_from_variables() -> None:
    rendered = render("  A {{ product | upper }} here", PRODUCT, {"product": "mug"})

    assert [(rendered.text[a:b], name) for a, b, name in rendered.spans] == [("MUG", "product")]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ({"name": "n", "kind": "number", "maximum": "5"}, "6"),
        ({"name": "n", "kind": "number"}, "nan"),
        ({"name": "c", "kind": "choice", "choices": ["a"]}, "b"),
        ({"name": "c", "kind": "colour"}, "<b>"),
        ({"name": "t"}, ""),
        ({"name": "t", "max_chars": 3}, "four"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_the_variables_name(
    variable: dict[str, object], value: str
) -> None:
    variables = variables_from([variable])
    name = str(variable["name"])

    with pytest.raises(PromptTemplateError) as caught:
        render(f"{{{{ {name} }}}}", variables, {name: value})

    assert caught.value.variable == name


@pytest.mark.parametrize(
    "source",
    [
        "{{ product" + "|trim" * 1500 + " }}",
        "{{ product" + "|upper" * 61 + " }}",
        "{% if " + "not " * 1500 + "product %}a{% endif %}",
        "{% if " + "product and " * 600 + "product %}a{% endif %}",
        "{% if product %}" * 200 + "a" + "{% endif %}" * 200,
        "{{ " + "(" * 3000 + "product" + ")" * 3000 + " }}",
    ],
)
def test_a_template_that_is_nested_too_deeply_is_refused(source: str) -> None:
    with pytest.raises(PromptTemplateError, match="nested too deeply"):
        render(source, PRODUCT, {"product": "mug"})


def test_a_template_that_was_accepted_can_be_rendered_deep_in_other_calls() -> None:
    source = "{{ product" + "|trim" * 50 + " }}" + "{% if product %}a{% elif not product %}b" * 5
    source += "{% endif %}" * 5

    def deep(levels: int) -> str:
        return deep(levels - 1) if levels else render(source, PRODUCT, {"product": "mug"}).text

    assert deep(600) == "muga"
