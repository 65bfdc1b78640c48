"""Code that passes something of a wrong type is told so at once, for all arguments."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import imagegen_app
from imagegen_app.services.job_requests import argument_types, composition
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.testing.factories import make_user


def test_each_wrong_argument_is_named_and_no_value_repeated(db: None) -> None:
    user = make_user()

    for call in (imagegen_app.generate, imagegen_app.estimate):
        with pytest.raises(TypeError) as raised:
            call(user=user, prompt=b"a secret cup", size=(512, 512), count="2", sise="1x1")
        assert str(raised.value).splitlines()[:3] == [
            "'prompt' must be text, not bytes.",
            '\'size\' must be text such as "1024x768" or "16:9", or a Size, not tuple.',
            "'count' must be a whole number, not str.",
        ]
        assert str(raised.value).splitlines()[3].startswith("There is no argument 'sise'")
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "given",
    [{"count": True}, {"seed": 1.0}, {"inputs": "cup.png"}, {"variables": [1]}, {"prompt": None}],
)
def test_what_only_looks_right_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        argument_types.check_argument_types(given)


def test_a_name_instead_of_a_user_is_refused() -> None:
    for call in (imagegen_app.generate, imagegen_app.estimate):
        with pytest.raises(
            TypeError, match=r"'user' must be a user such as request\.user, not str"
        ):
            call(user="edda", prompt="A cup")


def test_every_argument_of_a_request_is_known_and_its_default_is_right() -> None:
    arguments = inspect.signature(composition.compose).parameters
    defaults = {name: one.default for name, one in arguments.items() if name != "actor"}

    argument_types.check_argument_types(defaults)

    assert set(defaults) == set(argument_types._EXPECTED)


def test_refusals_are_part_of_the_public_api() -> None:
    refusals = [name for name in imagegen_app.__all__ if name[0].isupper()]

    assert len(refusals) > 8
    assert all(issubclass(getattr(imagegen_app, name), ActionRefused) for name in refusals)
