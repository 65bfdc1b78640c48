"""Workflows are uploaded, shown with what is wrong, and never changed."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from imagegen_app.core.i18n import Message
from imagegen_app.core.model_descriptions import ModelDescription
from imagegen_app.models import ImageModel, WorkflowVersion
from imagegen_app.providers.families import comfy_examples
from imagegen_app.services.gateways import model_lookup
from imagegen_app.testing.factories import make_image_model, make_provider

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import Provider

TEXT: Any = comfy_examples.WORKFLOWS["text-to-image"]
ADD = reverse("admin:imagegen_workflowversion_add")
LIST = reverse("admin:imagegen_workflowversion_changelist")


@pytest.fixture
def provider(db: None, monkeypatch: pytest.MonkeyPatch) -> Provider:
    says(monkeypatch)
    return make_provider(adapter="comfyui", base_url="https://images.example")


@pytest.fixture
def admin(client: Client, people: dict[str, Any]) -> Client:
    client.force_login(people["Image administrators"])
    return client


def says(monkeypatch: pytest.MonkeyPatch, *problems: Message) -> None:
    found = ModelDescription(problems=problems)
    monkeypatch.setattr(model_lookup, "describe_model", lambda _model: found)


def sent(client: Client, provider: Provider, document: Any, **fields: Any) -> Any:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    file = SimpleUploadedFile("workflow.json", data)
    values = {"provider": provider.pk, "name": "portrait", "file": file, "note": "first"}
    return client.post(ADD, values | fields, follow=True)


def page_of(version: WorkflowVersion) -> str:
    return reverse("admin:imagegen_workflowversion_change", args=[version.pk])


def test_an_export_is_uploaded_with_suggested_slots_and_shown(
    client: Client, people: dict[str, Any], provider: Provider
) -> None:
    client.force_login(people["Image administrators"])

    sent(client, provider, TEXT["graph"])
    version = WorkflowVersion.objects.get()
    page = client.get(page_of(version)).content.decode()
    file = client.get(reverse("admin:imagegen_workflowversion_download", args=[version.pk]))

    assert (version.number, version.note) == (1, "first")
    assert version.document["slots"]["prompt"] == "2.text"
    for text in (
        "It fits the server",
        "2.text",
        "Generate",
        "CLIPTextEncode, CheckpointLoaderSimple",
    ):
        assert text in page
    assert json.loads(file.content) == version.document
    assert file.headers["Content-Disposition"].startswith("attachment;")
    assert 'name="_save"' not in page


def test_given_slots_and_operations_go_before_suggested_ones(
    client: Client, people: dict[str, Any], provider: Provider
) -> None:
    client.force_login(people["Image administrators"])
    slots = json.dumps({"prompt": "2.text", "width": "5.width", "height": "5.height"})

    sent(client, provider, TEXT["graph"], slots=slots, operations=["generate"])

    document = WorkflowVersion.objects.get().document
    assert document["slots"].keys() == {"prompt", "width", "height"}
    assert document["operations"] == ["generate"]


@pytest.mark.parametrize(
    ("document", "fields", "problem"),
    [
        ({"nodes": [], "links": []}, {}, "export it in API format."),
        (b"{", {}, "The file is not JSON."),
        (b" " * 1_000_001, {}, "larger than 1,000 kB"),
        (TEXT["graph"], {"slots": "[]"}, "A JSON object is needed"),
        (TEXT["graph"], {"slots": "{"}, "A JSON object is needed"),
        (TEXT["graph"], {"name": ""}, "This field is required."),
        (TEXT["graph"], {"operations": ["edit"]}, "image: edit needs a slot of this name."),
    ],
)
def test_what_is_wrong_is_said_on_the_form_and_nothing_is_stored(
    admin: Client, provider: Provider, document: Any, fields: dict[str, Any], problem: str
) -> None:
    page = sent(admin, provider, document, **fields).content.decode()

    assert problem in page
    assert not WorkflowVersion.objects.exists()


def test_all_that_is_missing_is_listed(
    client: Client, people: dict[str, Any], provider: Provider
) -> None:
    client.force_login(people["Image administrators"])

    page = sent(client, provider, TEXT["graph"], slots='{"seed": "99.x"}').content.decode()

    for text in (
        "seed: there is no 99.x in the graph.",
        "prompt: generate needs a slot of this name.",
        "width: generate needs a slot of this name.",
        "height: generate needs a slot of this name.",
    ):
        assert f"<li>{text}</li>" in page


def test_another_provider_has_no_workflows(
    client: Client, people: dict[str, Any], provider: Provider
) -> None:
    client.force_login(people["Image administrators"])

    page = sent(client, make_provider(adapter="sandbox"), TEXT["graph"]).content.decode()

    assert "The models of this provider are no workflows." in page


def test_what_the_server_lacks_is_named_until_it_is_there(
    client: Client, people: dict[str, Any], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, Message("the server has no node %(node)s", {"node": "<Run>"}))
    client.force_login(people["Image administrators"])

    answer = sent(client, provider, TEXT["graph"]).content.decode()
    version = WorkflowVersion.objects.get()
    page = client.get(page_of(version)).content.decode()
    says(monkeypatch)
    action = {"action": "check_again", "_selected_action": [str(version.pk)]}
    checked = client.post(LIST, action, follow=True).content.decode()

    assert "The workflow does not fit the server; its page says why." in answer
    assert "The server has no node &lt;Run&gt;." in page
    assert "1 workflow was checked." in checked
    assert "fits the server" in checked


def test_a_model_is_pinned_to_a_version_in_its_form(
    client: Client, people: dict[str, Any], provider: Provider
) -> None:
    client.force_login(people["Image administrators"])
    sent(client, provider, TEXT["graph"])
    other: Any = copy.deepcopy(dict(TEXT["graph"]))
    other["4"]["inputs"]["steps"] = 30
    sent(client, provider, other)
    newest = WorkflowVersion.objects.get(number=2)
    model = make_image_model(provider=provider)
    data = {
        "provider": provider.pk,
        "name": model.name,
        "slug": model.slug,
        "lifecycle": "active",
        "capabilities": "{}",
        "currency": "USD",
        "amount_0": "0.02",
        "workflow": newest.pk,
    }
    address = reverse("admin:imagegen_imagemodel_change", args=[model.pk])

    client.post(address, data)
    stored = ImageModel.objects.get(pk=model.pk)
    without = client.post(address, data | {"workflow": ""}).content.decode()

    assert (stored.workflow, stored.provider_model_name, stored.version) == (
        newest,
        "portrait",
        "v2",
    )
    assert without.count("This field is required.") == 2
    assert model.name in client.get(page_of(newest)).content.decode()


def test_only_those_who_may_see_a_workflow_download_it(
    client: Client, people: dict[str, Any], provider: Provider
) -> None:
    client.force_login(people["Image administrators"])
    sent(client, provider, TEXT["graph"])
    version = WorkflowVersion.objects.get()
    address = reverse("admin:imagegen_workflowversion_download", args=[version.pk])
    found = {}
    for name, person in people.items():
        client.force_login(person)
        found[name] = client.get(address).status_code

    seen = {name for name, status in found.items() if status == 200}
    assert seen == {"Image administrators", "Compliance", "Template authors", "superuser"}
    assert {found[name] for name in found.keys() - seen} == {302, 404}
