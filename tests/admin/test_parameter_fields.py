"""A parameter's field has its kind, its limits, its default and its help; the service judges values."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.utils.translation import override

from imagegen_app.admin.pages.parameter_fields import (
    MAX_STRANGERS,
    as_initial,
    given_parameters,
    parameter_fields,
)
from imagegen_app.core.model_parameters import Parameter


def made(name: str, parameter: Parameter) -> Any:
    return parameter_fields({name: parameter})[f"p_{name}"]


@pytest.mark.parametrize(
    ("parameter", "widget", "attrs"),
    [
        (Parameter("int", 1, 50), forms.NumberInput, {"min": "1", "max": "50", "step": "1"}),
        (Parameter("float", 0.5), forms.NumberInput, {"min": "0.5", "step": "any"}),
        (Parameter("bool"), forms.Select, {}),
        (Parameter("choice", choices=("a", "b")), forms.Select, {}),
        (Parameter("text", choices=("a", "b")), forms.Select, {}),
        (Parameter("text", high=12), forms.TextInput, {"dir": "auto", "maxlength": "12"}),
        (Parameter("text"), forms.TextInput, {"dir": "auto", "maxlength": "200"}),
        (Parameter("list"), forms.TextInput, {"dir": "auto", "maxlength": "10000"}),
        (Parameter("json"), forms.Textarea, {"dir": "auto", "rows": 3}),
    ],
)
def test_each_kind_has_a_field_of_its_own(
    parameter: Parameter, widget: type, attrs: dict[str, Any]
) -> None:
    field = made("own", parameter)

    shown = {**field.widget.attrs, **field.widget_attrs(field.widget)}
    assert type(field.widget) is widget
    assert {name: shown.get(name) for name in attrs} == attrs
    assert not field.required


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        (
            Parameter("int", 1, 50, default=28, help="Slow."),
            "Slow. From 1 to 50. Without a value: 28.",
        ),
        (Parameter("float", 0, 1), "From 0 to 1."),
        (Parameter("int", 1), ""),
        (Parameter("text", default=""), ""),
        (Parameter("list", default=["red"]), 'Separated by commas. Without a value: ["red"].'),
        (Parameter("choice", choices=("a", "b"), default="a"), ""),
    ],
)
def test_limits_and_default_are_told_with_the_help(parameter: Parameter, told: str) -> None:
    assert made("own", parameter).help_text == told


@pytest.mark.parametrize(
    ("parameter", "labels"),
    [
        (Parameter("choice", choices=("a", 2), default=2), ["As usual (2)", "a", "2"]),
        (Parameter("choice", choices=("a", "b")), ["As usual", "a", "b"]),
        (Parameter("bool", default=True), ["As usual (yes)", "yes", "no"]),
    ],
)
def test_a_choice_says_what_is_usual(parameter: Parameter, labels: list[str]) -> None:
    assert [str(label) for _value, label in made("own", parameter).choices] == labels


def test_what_many_models_have_is_named_and_explained_alike() -> None:
    with override("de"):
        fields = parameter_fields(
            {"odd_one": Parameter("int"), "guidance": Parameter("float"), "steps": Parameter("int")}
        )

    assert list(fields) == ["p_steps", "p_guidance", "p_odd_one"]
    assert [str(field.label) for field in fields.values()] == ["Schritte", "Prompttreue", "Odd one"]
    assert "Prompt" in str(fields["p_guidance"].help_text)


def test_a_value_that_is_not_offered_is_left_to_the_service() -> None:
    field = made("own", Parameter("choice", choices=("a",)))

    assert field.clean("b") == "b"
    with pytest.raises(forms.ValidationError):
        field.clean("x" * 61)


def test_what_was_sent_for_another_model_gets_a_field_to_be_cleared() -> None:
    known = {"steps": Parameter("int")}

    fields = parameter_fields(
        known, sent=["p_steps", "p_old", "prompt", "p_", "p_a b", "p_" + "x" * 41]
    )
    many = parameter_fields(known, sent=[f"p_{n}" for n in range(1000)])

    assert list(fields) == ["p_steps", "p_old"]
    assert "does not have this" in str(fields["p_old"].help_text)
    assert len(many) == 1 + MAX_STRANGERS


def test_only_what_has_a_value_is_asked_for() -> None:
    data = {"p_steps": " 30 ", "p_style": "", "p_safe": None, "prompt": "A mug"}

    assert given_parameters(data) == {"steps": "30"}
    assert [as_initial(value) for value in ("a", 2, True, ["x"])] == ["a", "2", "true", '["x"]']
