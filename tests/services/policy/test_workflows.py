"""Workflows are uploaded as versions, checked by themselves and by their server, and pinned by models."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.types import Operation
from imagegen_app.models import AuditEvent, ImageModel, WorkflowVersion
from imagegen_app.providers.families import comfy_examples
from imagegen_app.services.gateways import adapters
from imagegen_app.services.policy import access, model_catalog, workflows
from imagegen_app.services.policy.access import ActionRefused, NotPermitted
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import make_image_model, make_provider, make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Provider
    from imagegen_app.testing.simulator.process import SimulatorProcess

TEXT: Any = comfy_examples.WORKFLOWS["text-to-image"]
INPAINT: Any = comfy_examples.WORKFLOWS["inpaint"]


@pytest.fixture
def boss(db: None) -> Person:
    return access.actor_for(make_user("boss", groups=["Image administrators"]))


@pytest.fixture
def provider(db: None, simulator: SimulatorProcess, settings: Any) -> Provider:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "TRUSTED_ORIGINS": [simulator.base_url]}
    return make_provider(adapter="comfyui", base_url=simulator.base_url)


def changed(place: str, value: Any) -> Any:
    """Return the workflow with another value at `node.input`, or another class of a node."""
    document = copy.deepcopy({"graph": dict(TEXT["graph"]), "slots": dict(TEXT["slots"])})
    node, _, part = place.partition(".")
    entry: Any = document["graph"][node]
    if part == "class_type":
        entry["class_type"] = value
    else:
        entry["inputs"][part] = value
    return document


def upload(actor: Person, provider: Provider, document: Any = TEXT, **more: Any) -> WorkflowVersion:
    return workflows.upload(
        actor=actor, provider=provider, name="portrait", document=document, **more
    )


def data_of(kind: str) -> Any:
    return json.loads(AuditEvent.objects.get(type=kind).body)["data"]


def test_each_other_content_is_the_next_version_and_an_equal_one_is_none(
    boss: Person, provider: Provider
) -> None:
    first = upload(boss, provider, note="from the studio")
    same = upload(boss, provider)
    second = upload(boss, provider, changed("4.steps", 30))
    other = workflows.upload(actor=boss, provider=provider, name="inpaint", document=INPAINT)

    assert (first.pk, first.number, second.number, other.number) == (same.pk, 1, 2, 1)
    assert (first.problems, first.created_by) == ([], boss.user)
    assert first.checked_at is not None
    assert WorkflowVersion.objects.get(pk=first.pk).document == json.loads(json.dumps(TEXT))
    events = AuditEvent.objects.filter(type="workflow.version_uploaded")
    assert [json.loads(one.body)["data"]["version"] for one in events.order_by("pk")] == [1, 2, 1]
    assert "from the studio" not in "".join(event.body for event in events)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (changed("7.class_type", "RunShell"), "The server has no node RunShell."),
        (changed("4.scheduler", "odd"), "4.scheduler: the server does not have “odd”."),
        (changed("1.ckpt_name", "x.ckpt"), "1.ckpt_name: the server does not have “x.ckpt”."),
        # The editor need not choose a sampler: then the graph's own one is sent.
        (changed("4.sampler_name", "odd"), "4.sampler_name: the server does not have “odd”."),
        (changed("4.denoise", 1.5), "4.denoise: 1.5 is out of range."),
    ],
)
def test_what_the_server_would_refuse_is_named_and_keeps_models_from_it(
    boss: Person, provider: Provider, document: Any, problem: str
) -> None:
    version = upload(boss, provider, document)
    model = make_image_model(provider=provider)
    model.workflow = version

    assert workflows.in_words(version.problems) == [problem]
    with pytest.raises(InvalidRecord) as refused:
        model_catalog.save(actor=boss, record=model)
    assert refused.value.field == "workflow"
    assert ImageModel.objects.get(pk=model.pk).workflow is None


def test_every_problem_is_named_not_only_the_first(boss: Person, provider: Provider) -> None:
    document = changed("7.class_type", "RunShell")
    document["graph"]["6"]["class_type"] = "Unknown"
    del document["graph"]["4"]["inputs"]["scheduler"]
    version = upload(boss, provider, document)

    assert workflows.in_words(version.problems) == [
        "The server has no node RunShell.",
        "The server has no node Unknown.",
        "4.scheduler: the node needs this input.",
    ]
    broken = {"graph": TEXT["graph"], "slots": {"seed": "99.seed", "steps": "4.model"}}
    with pytest.raises(workflows.WorkflowRefused) as refused:
        upload(boss, provider, broken)
    assert refused.value.problems == (
        "seed: there is no 99.seed in the graph.",
        "steps: 4.model is linked to a node, and takes no value.",
        "prompt: generate needs a slot of this name.",
        "width: generate needs a slot of this name.",
        "height: generate needs a slot of this name.",
    )


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"nodes": [], "links": []}, "export it in API format"),
        ({"graph": {"nodes": [], "links": []}, "slots": {}}, "export it in API format"),
        ([], "an object with a graph and slots"),
        ({"graph": {}, "slots": {}}, "an object with a graph and slots"),
        ({"graph": {str(n): {} for n in range(1001)}, "slots": {}}, "more than 1000 nodes"),
    ],
)
def test_what_is_no_workflow_is_refused_and_not_stored(
    boss: Person, provider: Provider, document: Any, reason: str
) -> None:
    with pytest.raises(workflows.WorkflowRefused) as refused:
        upload(boss, provider, document)

    assert reason in refused.value.reason
    assert not WorkflowVersion.objects.exists()


def test_a_file_that_is_too_large_or_no_json_is_refused() -> None:
    for data, reason in (
        (b" " * 1_000_001, "larger than 1,000 kB"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
    ):
        with pytest.raises(InvalidRecord) as refused:
            workflows.read_document(data)
        assert reason in refused.value.reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a\x00b", "\ud800"])
def test_what_a_database_cannot_hold_is_refused(
    boss: Person, provider: Provider, value: Any
) -> None:
    with pytest.raises(InvalidRecord, match="cannot be stored"):
        upload(boss, provider, changed("4.cfg", value))


def test_a_document_that_is_too_large_is_refused_whoever_made_it(
    boss: Person, provider: Provider
) -> None:
    for text in ("x" * workflows.MAX_WORKFLOW_BYTES, "ü" * (workflows.MAX_WORKFLOW_BYTES // 2)):
        with pytest.raises(InvalidRecord, match="larger than 1,000 kB"):
            upload(boss, provider, changed("2.text", text))

    assert not WorkflowVersion.objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "n" * 121, "two\nlines", "a\x00b"])
def test_a_version_needs_a_name_that_can_be_stored(
    boss: Person, provider: Provider, name: str
) -> None:
    with pytest.raises(InvalidRecord, match="at most 120 characters") as refused:
        workflows.upload(actor=boss, provider=provider, name=name, document=TEXT)

    assert refused.value.field == "name"
    assert not WorkflowVersion.objects.exists()


def test_a_bare_export_gets_the_slots_that_can_be_told(provider: Provider) -> None:
    bare = workflows.document_of(provider, TEXT["graph"])
    told = workflows.document_of(provider, INPAINT["graph"], operations=["inpaint"])
    given = workflows.document_of(provider, TEXT["graph"], slots={"prompt": "2.text"})

    assert bare["slots"] == {**TEXT["slots"], "scheduler": "4.scheduler"}
    assert told["slots"] == {**INPAINT["slots"], "scheduler": "4.scheduler"}
    assert told["operations"] == ["inpaint"]
    assert given["slots"] == {"prompt": "2.text"}
    assert workflows.document_of(provider, [3]) == [3]


def test_a_server_that_cannot_be_asked_leaves_the_version_unchecked(
    boss: Person, provider: Provider
) -> None:
    address = provider.base_url
    provider.base_url = "https://127.0.0.1:9"
    version = upload(boss, provider)
    with pytest.raises(ActionRefused):
        workflows.check(actor=boss, version=version)
    provider.base_url = address

    checked = workflows.check(actor=boss, version=version)
    again = workflows.check(actor=boss, version=version)

    assert (version.checked_at, version.problems) == (None, [])
    assert checked.checked_at == again.checked_at is not None
    assert data_of("workflow.version_checked") == {
        "workflow": "portrait",
        "version": 1,
        "count": 0,
    }


def test_a_model_takes_its_workflows_name_and_version(boss: Person, provider: Provider) -> None:
    model = make_image_model(provider=provider, provider_model_name="old", version="1")
    for document in (TEXT, changed("4.steps", 30)):
        model.workflow = upload(boss, provider, document)
        model_catalog.save(actor=boss, record=model)

    stored = ImageModel.objects.get(pk=model.pk)
    assert (stored.provider_model_name, stored.version) == ("portrait", "v2")
    offered = adapters.capabilities(stored)
    assert offered.operations == {Operation.GENERATE}
    assert offered.parameters["steps"].default == 30
    events = AuditEvent.objects.filter(type="model.changed")
    assert [json.loads(one.body)["data"]["version"] for one in events.order_by("pk")] == [
        "v1",
        "v2",
    ]


def test_anothers_workflow_is_no_models_of_this_provider(boss: Person, provider: Provider) -> None:
    other = make_image_model(provider=make_provider(adapter="comfyui", slug="other"))
    other.workflow = upload(boss, provider)

    with pytest.raises(InvalidRecord, match="another provider"):
        model_catalog.save(actor=boss, record=other)


def test_other_providers_have_no_workflows(boss: Person, db: None) -> None:
    for adapter in ("sandbox", "no.such:Adapter"):
        with pytest.raises(InvalidRecord) as refused:
            upload(boss, make_provider(adapter=adapter))
        assert refused.value.field == "provider"


def test_nobody_else_uploads_or_checks(boss: Person, provider: Provider) -> None:
    version = upload(boss, provider)
    for group in ("Image editors", "Compliance", "Template authors"):
        person = access.actor_for(make_user(f"p-{group[:4]}", groups=[group]))
        with pytest.raises(NotPermitted):
            upload(person, provider, changed("4.steps", 3))
        with pytest.raises(NotPermitted):
            workflows.check(actor=person, version=version)
