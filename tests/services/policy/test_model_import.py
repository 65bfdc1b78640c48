"""A model is imported as its provider's server describes it: list, preview, create."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.states import Lifecycle
from imagegen_app.core.types import Operation
from imagegen_app.models import AuditEvent, ImageModel
from imagegen_app.providers.families import comfy_examples
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapters, model_lookup
from imagegen_app.services.policy import access, model_catalog, model_import, workflows
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.testing.factories import make_provider, make_user
from tests.services.conftest import at_simulator

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Provider
    from imagegen_app.testing.simulator.process import SimulatorProcess


@pytest.fixture
def boss(db: None) -> Person:
    return access.actor_for(make_user("boss", groups=["Image administrators"]))


@pytest.fixture
def server_of(
    db: None, simulator: SimulatorProcess, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Return a function that makes a provider at the simulator, without any model."""

    def make(adapter: str, **provider: Any) -> Provider:
        found = at_simulator(simulator, settings, monkeypatch, adapter, **provider).provider
        if adapter == "replicate":
            found.base_url = f"{simulator.base_url}/v1"
        found.credential = "" if adapter == "comfyui" else found.credential
        return found

    return make


def names(boss: Person, provider: Provider, **asked: str) -> list[str]:
    page = model_import.list_models(actor=boss, provider=provider, **asked)
    return [one.name for one in page.models]


def created(boss: Person, provider: Provider, name: str) -> ImageModel:
    seen = model_import.preview_model(actor=boss, provider=provider, name=name)
    return model_import.create_model(actor=boss, provider=provider, token=seen.token)


def sentences(messages: Any) -> str:
    return " | ".join(str(one) for one in messages)


def test_fal_describes_its_endpoints_and_their_prices(boss: Person, server_of: Any) -> None:
    provider = server_of("fal", options={"platform": "/fal/v1"})

    assert names(boss, provider, search="flux") == ["fal-ai/flux/dev", "fal-ai/flux/schnell"]
    seen = model_import.preview_model(actor=boss, provider=provider, name="fal-ai/flux/dev")
    row = model_import.create_model(actor=boss, provider=provider, token=seen.token)

    can = adapters.capabilities(row)
    assert (row.name, row.version, row.lifecycle) == ("FLUX.1 [dev]", "2026-10-01", "draft")
    assert row.slug == "fal-ai-flux-dev"
    assert can.operations == {Operation.GENERATE}
    assert (can.max_count, can.output_formats, can.supports_seed) == (4, ("jpeg", "png"), True)
    assert set(can.parameters) == {"steps", "guidance", "acceleration"}
    assert (can.parameters["steps"].high, can.parameters["steps"].default) == (50, 28)
    assert can.parameters["acceleration"].choices == ("none", "regular", "high")
    assert row.price_list == {
        "currency": "USD",
        "per_unit": {"megapixel": "0.025"},
        "checked_on": clock.now().date().isoformat(),
        "source": f"{provider.base_url}/fal/v1/models/pricing",
    }
    assert seen.problems == ()
    assert "“enable_safety_checker” is left out" in sentences(seen.description.unknown)
    event = json.loads(AuditEvent.objects.filter(type="model.registered").latest("pk").body)
    assert event["data"]["model"] == "fal-ai-flux-dev"


def test_fals_edits_take_their_images_and_proportions(boss: Person, server_of: Any) -> None:
    provider = server_of("fal", options={"platform": "/fal/v1"})

    row = created(boss, provider, "fal-ai/nano-banana-2/edit")

    can = adapters.capabilities(row)
    assert (set(can.operations), can.max_inputs) == ({Operation.EDIT}, 14)
    assert can.sizes.ratios == ("21:9", "16:9", "1:1", "9:16")
    assert can.parameters["resolution"].choices == ("1K", "2K", "4K")
    assert can.max_prompt_chars == 50_000
    assert row.price_list["per_image"] == [{"amount": "0.08"}]


def test_a_price_that_no_image_can_be_estimated_by_is_told_and_left_out(
    boss: Person, server_of: Any
) -> None:
    provider = server_of("fal", options={"platform": "/fal/v1"})

    seen = model_import.preview_model(actor=boss, provider=provider, name="fal-ai/sdxl-on-a-gpu")

    assert seen.image_model.price_list == {}
    assert "it costs 0.00111 USD per “compute seconds”" in sentences(seen.description.unknown)
    row = model_import.create_model(actor=boss, provider=provider, token=seen.token)
    with pytest.raises(model_catalog.InvalidRecord):
        model_catalog.set_lifecycle(actor=boss, image_model=row, lifecycle=Lifecycle.ACTIVE)
    row.refresh_from_db()
    assert row.lifecycle == Lifecycle.DRAFT


def test_a_key_that_is_not_meant_for_the_platform_is_not_sent_there(
    boss: Person, server_of: Any, settings: Any
) -> None:
    provider = server_of("fal", options={"platform": "/fal/v1"})
    hosts = {"simulator": {"SOURCE": "env:SIMULATOR_KEY", "HOSTS": ["queue.fal.run"]}}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": hosts}

    with pytest.raises(ActionRefused) as refused:
        model_import.preview_model(actor=boss, provider=provider, name="fal-ai/flux/dev")

    assert "is not meant for the base URL" in str(refused.value)


def test_replicate_describes_a_model_by_its_schema(boss: Person, server_of: Any) -> None:
    provider = server_of("replicate")

    official = model_import.preview_model(
        actor=boss, provider=provider, name="black-forest-labs/flux-2-pro"
    )
    pinned = created(boss, provider, "stability-ai/sdxl")

    row = model_import.create_model(actor=boss, provider=provider, token=official.token)
    can = adapters.capabilities(row)
    assert (row.provider_model_name, row.version) == ("black-forest-labs/flux-2-pro", "a" * 16)
    assert (set(can.operations), can.max_inputs) == ({Operation.GENERATE, Operation.EDIT}, 8)
    assert can.parameters["output_quality"].high == 100
    assert can.output_formats == ("png", "jpeg", "webp")
    assert "16:9" in can.sizes.ratios
    assert "names its price on the model's page" in sentences(official.description.unknown)
    # One that is not an official model is called by a version, which never changes.
    assert pinned.provider_model_name.startswith("stability-ai/sdxl:7762fd07")
    sized = adapters.capabilities(pinned)
    assert (sized.sizes.max_side, sized.sizes.min_pixels) == (2048, 64 * 64)
    assert (sized.max_count, sized.supports_negative_prompt) == (4, True)
    assert sized.parameters["num_inference_steps"].high == 500


def test_comfyuis_uploaded_workflows_are_its_models(boss: Person, server_of: Any) -> None:
    provider = server_of("comfyui")
    text: Any = comfy_examples.WORKFLOWS["text-to-image"]
    for number in range(2):
        note = f"version {number + 1}"
        document = json.loads(json.dumps(text))
        document["graph"]["4"]["inputs"]["steps"] = 20 + number
        workflows.upload(
            actor=boss, provider=provider, name="portrait", document=document, note=note
        )

    assert names(boss, provider) == ["portrait"]
    row = created(boss, provider, "portrait")

    can = adapters.capabilities(row)
    assert (row.provider_model_name, row.version) == ("portrait", "v2")
    assert row.workflow is not None
    assert can.parameters["sampler"].choices == ("euler", "euler_ancestral", "dpmpp_2m")
    assert can.parameters["steps"].high == 10_000
    with pytest.raises(ActionRefused, match="There is no uploaded workflow “other”"):
        model_import.preview_model(actor=boss, provider=provider, name="other")


def test_openais_list_says_when_a_model_is_turned_off(boss: Person, server_of: Any) -> None:
    provider = server_of("openai")

    assert "gpt-image-2-2026-04-21" in names(boss, provider, search="2026-04")
    row = created(boss, provider, "gpt-image-2-2026-04-21")

    assert row.retires_on == date(2027, 6, 1)
    assert (row.price_list, row.capabilities) == ({}, {})


def test_what_is_registered_already_cannot_be_created_again(boss: Person, server_of: Any) -> None:
    provider = server_of("fal", options={"platform": "/fal/v1"})
    seen = model_import.preview_model(actor=boss, provider=provider, name="fal-ai/flux/dev")
    row = model_import.create_model(actor=boss, provider=provider, token=seen.token)

    again = model_import.preview_model(actor=boss, provider=provider, name="fal-ai/flux/dev")

    assert (again.existing, again.token) == (row, "")
    with pytest.raises(ActionRefused, match="boss did this on"):
        model_import.create_model(actor=boss, provider=provider, token=seen.token)


def test_a_preview_is_good_for_its_provider_only(boss: Person, server_of: Any) -> None:
    provider = server_of("fal", options={"platform": "/fal/v1"})
    seen = model_import.preview_model(actor=boss, provider=provider, name="fal-ai/flux/dev")
    other = make_provider(adapter="fal")

    for token, account in ((seen.token, other), (seen.token + "x", provider), ("", provider)):
        with pytest.raises(ActionRefused, match="What was shown is too old"):
            model_import.create_model(actor=boss, provider=account, token=token)


def test_nobody_else_imports(server_of: Any) -> None:
    editor = access.actor_for(make_user("ed", groups=["Image editors"]))
    provider = server_of("openai")

    for act in (
        lambda: model_import.list_models(actor=editor, provider=provider),
        lambda: model_import.preview_model(actor=editor, provider=provider, name="m"),
        lambda: model_import.create_model(actor=editor, provider=provider, token=""),
    ):
        with pytest.raises(access.NotPermitted):
            act()


@pytest.fixture
def odd_server(db: None, settings: Any) -> Iterator[Any]:
    """Return a function that makes a provider whose server answers everything with these bytes."""
    servers: list[ThreadingHTTPServer] = []
    released = Event()

    def make(body: bytes | None, adapter: str = "openai_compatible", **options: Any) -> Provider:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if body is None:
                    released.wait(30)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        settings.IMAGEGEN = {**settings.IMAGEGEN, "TRUSTED_ORIGINS": [url]}
        return make_provider(adapter=adapter, base_url=f"{url}/v1", options=options)

    yield make
    released.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_list_of_a_hundred_thousand_models_is_read_in_pages(
    boss: Person, odd_server: Any
) -> None:
    listed = {"data": [{"id": f"model-{n:06}"} for n in range(100_000)]}
    provider = odd_server(json.dumps(listed).encode(), profile="vllm_omni")

    first = model_import.list_models(actor=boss, provider=provider)
    second = model_import.list_models(actor=boss, provider=provider, page=first.next_page)
    found = model_import.list_models(actor=boss, provider=provider, search="009999")
    seen = model_import.preview_model(actor=boss, provider=provider, name="model-099999")

    assert (len(first.models), first.models[0].name) == (50, "model-000000")
    assert second.models[0].name == "model-000050"
    assert [one.name for one in found.models] == ["model-009999"]
    assert seen.description.is_known


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000])
def test_an_answer_that_is_none_is_a_refusal(boss: Person, odd_server: Any, body: bytes) -> None:
    provider = odd_server(body, profile="vllm_omni")

    with pytest.raises(ActionRefused, match="The server could not be asked"):
        model_import.list_models(actor=boss, provider=provider)
    with pytest.raises(ActionRefused, match="The server could not be asked"):
        model_import.preview_model(actor=boss, provider=provider, name="m")


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b'{"data": "x"}', b'{"data": [1, null, {"id": 3}, {"id": ""}]}']
)
def test_a_list_that_is_none_names_no_models(boss: Person, odd_server: Any, body: bytes) -> None:
    provider = odd_server(body, profile="vllm_omni")

    assert names(boss, provider) == []
    with pytest.raises(ActionRefused, match="The server does not have the model “m”"):
        model_import.preview_model(actor=boss, provider=provider, name="m")


def test_a_server_that_hangs_is_left_after_a_while(
    boss: Person, odd_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_lookup, "ASK_SECONDS", 0.3)
    provider = odd_server(None, profile="vllm_omni")

    with pytest.raises(ActionRefused) as refused:
        model_import.list_models(actor=boss, provider=provider)

    assert "did not answer in time" in str(refused.value)
    with pytest.raises(ActionRefused):
        model_import.preview_model(actor=boss, provider=provider, name="m")


@pytest.mark.parametrize("name", ["", "  ", "x" * 121])
def test_a_name_that_is_none_is_not_asked_about(boss: Person, odd_server: Any, name: str) -> None:
    with pytest.raises(ActionRefused, match="A name of 1 to 120 characters"):
        model_import.preview_model(actor=boss, provider=odd_server(b"{}"), name=name)
