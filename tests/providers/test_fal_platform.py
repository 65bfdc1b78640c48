"""What fal's platform says of an endpoint is held against what the adapter would send to it."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.providers.fal_endpoints import endpoint_of
from imagegen_app.providers.families import fal_platform


def described(model: str, properties: dict[str, Any], required: list[str]) -> list[str]:
    """Return the problems of an endpoint with such a schema."""
    schema = {"properties": properties, "required": required}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Input"}}}
    document = {
        "models": [
            {
                "endpoint_id": model,
                "openapi": {
                    "components": {"schemas": {"Input": schema}},
                    "paths": {f"/{model}": {"post": {"requestBody": {"content": content}}}},
                },
            }
        ]
    }
    endpoint = endpoint_of(model)
    found = fal_platform.description_of(
        document, model, known=endpoint.can, image_field=endpoint.image, quality=endpoint.quality
    )
    return [str(one) for one in found.problems]


PROMPT, IMAGE = {"prompt": {"type": "string"}}, {"image_url": {"type": "string"}}


def test_an_endpoint_that_needs_an_image_is_no_generator_whatever_its_name() -> None:
    problems = described("someone/portraits", PROMPT | IMAGE, ["prompt", "image_url"])

    assert len(problems) == 1
    assert "needs an image" in problems[0]


@pytest.mark.parametrize(
    ("model", "properties", "required"),
    [
        ("someone/portraits", PROMPT | IMAGE, ["prompt"]),
        ("someone/portraits/edit", PROMPT | IMAGE, ["prompt", "image_url"]),
    ],
)
def test_an_endpoint_is_taken_as_its_name_says_where_its_schema_agrees(
    model: str, properties: dict[str, Any], required: list[str]
) -> None:
    assert described(model, properties, required) == []


def test_an_endpoint_that_has_no_name_for_the_image_is_told() -> None:
    problems = described("someone/portraits/edit", PROMPT, ["prompt"])

    assert any("“image_url”" in problem for problem in problems)
