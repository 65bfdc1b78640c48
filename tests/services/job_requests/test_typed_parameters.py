"""Parameters, guides and LoRA keep their types from the form to the row and on to the wire."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.fingerprint import fingerprint
from imagegen_app.core.types import ControlGuide, GenerationRequest, InputRole, Lora, Operation
from imagegen_app.models import Job
from imagegen_app.providers.generic_jobs import encoded
from imagegen_app.services.job_requests import from_job
from imagegen_app.services.job_requests.values import InputSource, InvalidJobRequest
from imagegen_app.services.jobs.rebuilding import input_keys, read_inputs, request_for_model
from tests.imaging.sample_images import encoded as picture_file
from tests.imaging.sample_images import flat

if TYPE_CHECKING:
    from tests.services.conftest import Site

GUIDE = ControlGuide("depth", weight=0.75, start=0.1, end=0.9)
TYPED = {"steps": 28, "guidance": 3.5, "style": "28"}


def asked(site: Site, **changes: Any) -> Job:
    job = site.request(
        operation="edit",
        parameters={"steps": "28", "guidance": "3.5", "style": "28"},
        loras=[Lora("owner/style", 0.5)],
        inputs=[
            InputSource(
                data=picture_file(flat("RGB", (200, 90, 9)), "png"),
                role=InputRole.CONTROL,
                guide=GUIDE,
            ),
            InputSource(data=picture_file(flat("RGB", (9, 90, 200), (96, 64)), "png")),
        ],
        **changes,
    )
    return Job.objects.select_related("image_model__provider").get(pk=job.pk)


def test_texts_of_a_form_reach_the_wire_as_the_values_they_stand_for(jobs_site: Site) -> None:
    job = asked(jobs_site)
    files = read_inputs(input_keys(job))

    body = json.loads(encoded(request_for_model(job, job.image_model, files=files)))

    assert job.parameters == TYPED == body["parameters"]
    assert {name: type(value) for name, value in job.parameters.items()} == {
        "steps": int,
        "guidance": float,
        "style": str,
    }
    assert body["loras"] == [{"name": "owner/style", "weight": 0.5}]
    assert body["inputs"][0]["guide"] == {
        "kind": "depth",
        "weight": 0.75,
        "start": 0.1,
        "end": 0.9,
    }
    assert "guide" not in body["inputs"][1]


def test_a_request_made_again_is_the_same_to_the_last_value(jobs_site: Site) -> None:
    job = asked(jobs_site)

    again = from_job.job_request_from(actor=jobs_site.actor, job=job).provider_request

    first = request_for_model(job, job.image_model)
    assert (again.parameters, again.loras) == (first.parameters, first.loras)
    assert [one.guide for one in again.inputs] == [GUIDE, None]


def test_what_guides_and_adds_is_part_of_the_cache_key(jobs_site: Site) -> None:
    job = asked(jobs_site)
    request = request_for_model(job, job.image_model)
    lora = replace(request, loras=(Lora("owner/style", 0.6),))
    steps = replace(request, parameters={**request.parameters, "steps": "28"})
    guide = replace(request.inputs[0], guide=replace(GUIDE, weight=0.7))
    guided = replace(request, inputs=(guide, *request.inputs[1:]))
    same = replace(request, parameters={**request.parameters, "steps": 28.0})

    def key(one: GenerationRequest) -> str:
        return fingerprint(one, provider="p", model_version="1")

    assert len({key(one) for one in (request, lora, steps, guided)}) == 4
    assert key(same) == key(request)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"steps": "many"}, "steps): a whole number is needed"),
        ({"steps": "0"}, "steps): between 1 and 1000 is possible"),
        ({"guidance": [1]}, "guidance): a number is needed"),
        ({"sampler": "euler"}, "sampler): not offered"),
    ],
)
def test_a_wrong_parameter_is_refused_before_there_is_a_job(
    jobs_site: Site, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidJobRequest) as caught:
        jobs_site.request(parameters=parameters)

    assert reason in caught.value.reason
    assert not Job.objects.exists()


def test_an_erasure_without_a_prompt_keeps_the_size_of_its_image(site: Site) -> None:
    mask = InputSource(data=picture_file(flat("RGB", (200, 90, 9)), "png"), role=InputRole.MASK)

    job_request = site.job_request(
        prompt="",
        size=None,
        operation="erase",
        inputs=[InputSource(data=picture_file(flat("RGB", (200, 90, 9)), "png")), mask],
    )

    request = job_request.provider_request
    image = request.inputs[0]
    assert request.operation is Operation.ERASE
    assert (request.size.width, request.size.height) == (image.width, image.height)
