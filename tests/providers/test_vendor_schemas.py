"""What the simulator says of models is what the vendors' own API descriptions say that they answer.

`vendor_schemas/descriptions.json` has the schemas of these answers as fal, Replicate and Recraft publish
them (2026-11), without their prose.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.providers.test_model_descriptions import RECRAFT

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.process import SimulatorProcess

jsonschema: Any = pytest.importorskip("jsonschema")
SCHEMAS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vendor_schemas" / "descriptions.json").read_text()
)


def fetched(simulator: SimulatorProcess, path: str, *, scheme: str) -> Any:
    headers = {"Authorization": f"{scheme} {simulator.key}"}
    return httpx.get(simulator.base_url + path, headers=headers, timeout=10).json()


@pytest.mark.parametrize(
    ("schema", "path", "scheme"),
    [
        ("fal models", "/fal/v1/models?limit=2", "Key"),
        ("fal models", "/fal/v1/models?endpoint_id=fal-ai/flux/dev&expand=openapi-3.0", "Key"),
        ("fal prices", "/fal/v1/models/pricing?endpoint_id=fal-ai/flux/dev", "Key"),
        ("replicate model", "/v1/models/black-forest-labs/flux-2-pro", "Bearer"),
    ],
)
def test_the_simulator_answers_as_the_vendor_describes(
    simulator: SimulatorProcess, schema: str, path: str, scheme: str
) -> None:
    answer = fetched(simulator, path, scheme=scheme)

    assert answer
    jsonschema.validate(answer, SCHEMAS[schema])


def test_the_sample_of_recrafts_list_is_one() -> None:
    listed = [{"created": 1, "input_modalities": ["text"]} | one for one in RECRAFT["data"]]

    jsonschema.validate({"data": listed}, SCHEMAS["recraft models"])
