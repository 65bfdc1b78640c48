"""The focal point of a picture: an attribute and a rule of the style sheet, never an inline style."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.template import engines

import imagegen_app
from imagegen_app.testing.factories import make_asset

pytestmark = pytest.mark.django_db
PUBLIC_CSS = Path(imagegen_app.__file__).parent / "static" / "imagegen_app" / "css" / "public.css"


def test_a_picture_tells_its_focal_point_without_an_inline_style() -> None:
    tag = engines["django"].from_string("{% load imagegen %}{% imagegen_picture asset %}")

    pointed = tag.render({"asset": make_asset(focal_x=0.32, focal_y=0.98)})
    plain = tag.render({"asset": make_asset()})

    assert 'data-imagegen-x="30" data-imagegen-y="100"' in pointed
    assert "style=" not in pointed
    assert "data-imagegen-x" not in plain


def test_the_style_sheet_has_a_rule_for_every_step() -> None:
    rules = PUBLIC_CSS.read_text(encoding="utf-8")

    wanted = [
        f'[data-imagegen-{axis}="{part}"] {{ --imagegen-focal-{axis}: {part}%; }}'
        for axis in "xy"
        for part in range(0, 101, 5)
    ]
    assert [rule for rule in wanted if rule not in rules] == []
