"""Prompts without the control syntax of local servers."""

from __future__ import annotations

import re

import pytest

from imagegen_app.providers.families.prompt_syntax import without_commands


@pytest.mark.parametrize(
    "prompt",
    [
        "a mug on a wooden table",
        "a (red:1.2) mug, [blue|green] saucer, snake_case, 3 < 4 > 2, a <b> c",
        "  two  spaces, and a line\nbreak  ",
        "ein Becher für 5 € \N{HOT BEVERAGE}",
        "",
    ],
)
def test_a_prompt_without_commands_stays_as_it_is(prompt: str) -> None:
    assert without_commands(prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "cleaned"),
    [
        ("a mug <lora:mugs:1> in red", "a mug in red"),
        ("<hypernet:a:0.5><lyco:b:1>mug", "mug"),
        ("<lora:a\n:1> mug", "mug"),
        ("a <lo<lora:x:1>ra:mugs:1> mug", "a mug"),
        ("a <<lora:x:1>lora:mugs:1> mug", "a mug"),
        ("a <lora:mugs", "a lora:mugs"),
        ("a <lo__ra:mugs:1> mug", "a mug"),
        ("a <lo{ra:mugs:1> mug", "a mug"),
        ("a __colours__ mug of __dir/**__", "a colours mug of dir/**"),
        ('mug <sd_cpp_extra_args>{"seed":\n1}</sd_cpp_extra_args>', "mug"),
        ("mug <sd_cpp_extra_args>red", "mug red"),
        ("mug </sd_cpp_extra_args>", "mug"),
        ("mug <sd_cpp_<lora:x:1>extra_args>1</sd_cpp_extra_args>", "mug"),
        ("mug <sd_cpp_<sd_cpp_extra_args>extra_args>", "mug"),
        ("a {red|blue} mug, ${x=__y__}", "a red|blue mug, x= y"),
    ],
)
def test_tags_wildcards_and_variants_are_taken_out(prompt: str, cleaned: str) -> None:
    assert without_commands(prompt) == cleaned


@pytest.mark.parametrize("size", [2, 3])
def test_nothing_that_is_left_is_a_command(size: int) -> None:
    """Whatever the pieces of commands are put together to, no command remains."""
    pieces = [
        "<lora:",
        "<lo",
        "ra:",
        ":1>",
        "__",
        "{",
        "$",
        "}",
        "a",
        "<",
        ">",
        "_",
        "<sd_cpp_",
        "extra_args>",
    ]
    texts = [""]
    for _ in range(size + 1):
        texts = [text + piece for text in texts for piece in pieces]
    for text in texts:
        left = without_commands(text)
        assert not re.search(r"<\w+:[^>]*>", left), text
        assert not re.search(r"__|[{}]|<sd_cpp_extra_args>", left), text
        assert without_commands(left) == left, text


def test_a_deep_nest_takes_no_time_to_speak_of() -> None:
    assert without_commands("<a:" * 1300 + ">" * 1300) == ""
