"""What a model's server says is shown and taken over by those who may change models, and by no other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.types import Operation
from imagegen_app.models import AuditEvent, ImageModel
from imagegen_app.services.gateways import adapters, model_lookup
from imagegen_app.services.policy import access, model_suggestions
from imagegen_app.services.policy.access import ActionRefused, NotPermitted
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import make_image_model, make_provider, make_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.actors import Person
    from imagegen_app.testing.simulator.process import SimulatorProcess


@pytest.fixture
def boss(db: None) -> Person:
    return access.actor_for(make_user("boss", groups=["Image administrators"]))


@pytest.fixture
def make_model(
    db: None, simulator: SimulatorProcess, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ImageModel]:
    """Make a model at a server of the simulator."""
    monkeypatch.setenv("SIMULATOR_KEY", simulator.key)
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "CREDENTIALS": {"simulator": {"SOURCE": "env:SIMULATOR_KEY", "HOSTS": ["127.0.0.1"]}},
        "TRUSTED_ORIGINS": [simulator.base_url],
    }

    def make(name: str, *, path: str = "/litellm/v1", **fields: Any) -> ImageModel:
        values = {"adapter": "openai_compatible", "credential": "simulator"} | fields
        provider = make_provider(base_url=simulator.base_url + path, **values)
        return make_image_model(provider=provider, provider_model_name=name)

    return make


def test_what_the_server_says_is_taken_over_as_a_change_like_any_other(
    boss: Person, make_model: Callable[..., ImageModel]
) -> None:
    model = make_model("studio")

    found = model_suggestions.ask_server(actor=boss, image_model=model)
    model_suggestions.take_over(actor=boss, image_model=model, changes=found.changes)

    assert found.description.is_known
    assert "outpaint" in found.changes["operations"]
    stored = ImageModel.objects.get(pk=model.pk)
    assert Operation.OUTPAINT in adapters.capabilities(stored).operations
    event = AuditEvent.objects.get(type="model.changed")
    assert "capabilities" in json.loads(event.body)["data"]["changes"]
    again = model_suggestions.ask_server(actor=boss, image_model=stored)
    assert again.changes == {}


def test_a_price_that_the_server_tells_is_taken_over_and_what_is_free_stays(
    boss: Person, make_model: Callable[..., ImageModel]
) -> None:
    model = make_model("studio")
    model.price_list = {**model.price_list, "free_per_month": {"image": "10"}}

    found = model_suggestions.ask_server(actor=boss, image_model=model)
    model_suggestions.take_over(
        actor=boss, image_model=model, changes={}, price_list=found.price_list
    )

    stored = ImageModel.objects.get(pk=model.pk).price_list
    assert stored["per_image"] == [{"amount": "0.04"}]
    assert stored["free_per_month"] == {"image": "10"}
    assert stored["source"].endswith("/litellm/v1/model/info")
    assert AuditEvent.objects.filter(type="model.price_changed").exists()
    again = model_suggestions.ask_server(actor=boss, image_model=ImageModel.objects.get())
    assert again.price_list == {}


def test_what_a_server_does_without_a_choice_is_offered_as_the_default(
    boss: Person, make_model: Callable[..., ImageModel]
) -> None:
    model = make_model("sd_xl_base_1.0", path="/sd-cpp", adapter="stable_diffusion_cpp")

    found = model_suggestions.ask_server(actor=boss, image_model=model)

    parameters = found.changes["parameters"]
    assert parameters["steps"]["default"] == 20
    assert parameters["guidance"]["default"] == 7.0
    assert parameters["sampler"]["default"] in parameters["sampler"]["choices"]
    # The server's own word for none is no value that can be chosen.
    assert "clip_skip" not in parameters


def test_what_is_corrected_otherwise_stays(
    boss: Person, make_model: Callable[..., ImageModel]
) -> None:
    model = make_model("studio")
    model.capabilities = {"max_prompt_chars": 99, "parameters": {"style": {"kind": "text"}}}
    changes = {"max_count": 3, "parameters": {"steps": {"kind": "int"}}}

    model_suggestions.take_over(actor=boss, image_model=model, changes=changes)

    assert ImageModel.objects.get(pk=model.pk).capabilities == {
        "max_prompt_chars": 99,
        "max_count": 3,
        "parameters": {"style": {"kind": "text"}, "steps": {"kind": "int"}},
    }


def test_changes_that_make_no_sense_are_not_stored(
    boss: Person, make_model: Callable[..., ImageModel]
) -> None:
    model = make_model("studio")

    with pytest.raises(InvalidRecord):
        model_suggestions.take_over(actor=boss, image_model=model, changes={"max_count": "many"})

    assert ImageModel.objects.get(pk=model.pk).capabilities == {}


def test_nobody_else_asks_or_changes(
    make_model: Callable[..., ImageModel], simulator: SimulatorProcess
) -> None:
    model = make_model("studio")
    editor = access.actor_for(make_user("editor", groups=["Image editors"]))

    with pytest.raises(NotPermitted):
        model_suggestions.ask_server(actor=editor, image_model=model)
    with pytest.raises(NotPermitted):
        model_suggestions.take_over(actor=editor, image_model=model, changes={"max_count": 1})

    assert simulator.calls() == {}


def test_a_server_that_cannot_be_asked_is_told_with_the_remedy(
    boss: Person, make_model: Callable[..., ImageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = {
        "a wrong path": make_model("m", path="/nowhere/v1", options={"profile": "vllm_omni"}),
        "no such key": make_model("m", credential="unknown"),
        "no description": make_model("sandbox-1", adapter="sandbox"),
    }
    monkeypatch.setattr(model_lookup, "ASK_SECONDS", 0.0)
    reasons["too late"] = make_model("m")
    said = {}
    for name, model in reasons.items():
        with pytest.raises(ActionRefused) as refused:
            model_suggestions.ask_server(actor=boss, image_model=model)
        said[name] = refused.value.reason
        assert refused.value.remedy

    assert "'unknown' is not in IMAGEGEN['CREDENTIALS']" in said["no such key"]
    assert said["no description"] == "Its provider does not describe its models."
    assert "could not be reached in time" in said["too late"]


def test_only_adapters_that_ask_are_offered(make_model: Callable[..., ImageModel]) -> None:
    assert model_suggestions.can_ask_server(make_model("m"))
    assert not model_suggestions.can_ask_server(make_model("m", adapter="sandbox"))
    assert not model_suggestions.can_ask_server(make_model("m", adapter="no.such:Adapter"))
