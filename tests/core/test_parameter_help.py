"""Parameters that many models have are explained once."""

from __future__ import annotations

import pytest

from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.parameter_help import USUAL_HELP, help_of
from imagegen_app.providers import registry
from imagegen_app.testing.contract.our_samples import SAMPLES


def test_an_adapters_own_words_go_before_the_usual_ones() -> None:
    assert help_of("steps", Parameter("int", help="Up to 50.")) == "Up to 50."
    assert help_of("steps", Parameter("int")) == "More steps take longer and add detail."
    assert help_of("colour_of_the_moon", Parameter()) == ""


@pytest.mark.parametrize("name", ["automatic1111", "stability", "comfyui", "stable_diffusion_cpp"])
def test_what_people_can_set_of_a_local_model_or_a_service_is_explained(name: str) -> None:
    samples = [one for one in SAMPLES.values() if one.adapter == name]
    offers = [
        registry.capabilities(name, one.model, options=one.options).parameters for one in samples
    ]
    lacking = {p for offer in offers for p, one in offer.items() if not help_of(p, one)}

    # Words of Stable Diffusion's own, which no sentence makes clearer.
    assert lacking <= {"clip_skip", "distilled_guidance", "control_scale"}
    assert any(p in USUAL_HELP for offer in offers for p in offer)
