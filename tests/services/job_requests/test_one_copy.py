"""Single requests and rows of a batch become jobs by the same use case."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils.translation import override

from imagegen_app.core.types import Operation
from imagegen_app.models import AuditEvent, Batch, BudgetPeriod, Job, JobInput, LedgerEntry, Verdict
from imagegen_app.moderation.base import PASSED, ScreenerDecision
from imagegen_app.services.audit import descriptions
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import screening
from imagegen_app.services.job_requests import _screened_parts, creation
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import evidence, inspection
from imagegen_app.testing.factories import make_image, make_template
from tests.services.batches.test_lifecycle import VARIABLES, prepare, products, start

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

#: Fields that may differ between two jobs of the same request.
OWN_FIELDS = {
    "id",
    "asks_for_review",
    "batch_id",
    "row_key",
    "priority",
    "queue_order",
    "idempotency_key",
    "due_at",
    "deadline_at",
    "created_at",
    "root_id",
    "follows_id",
}


@pytest.fixture
def version(site: Site) -> TemplateVersion:
    return make_template(
        body="A {{ product }}",
        negative="chrome",
        variables=VARIABLES,
        width=64,
        height=64,
        image_model=site.model,
        passes=[{"operation": "upscale", "model": site.model.slug, "factor": 2}],
    )


def content(job: Job) -> dict[str, object]:
    fields = Job._meta.concrete_fields
    return {f.attname: getattr(job, f.attname) for f in fields if f.attname not in OWN_FIELDS}


def event_data(job: Job, kind: str) -> dict[str, object]:
    body = json.loads(AuditEvent.objects.get(job_id=job.pk, type=kind).body)
    data: dict[str, object] = body["data"]
    data.pop("screened", None)
    data.pop("follows", None)
    return data


def test_a_single_request_and_a_row_of_a_batch_are_the_same_job(
    site: Site, version: TemplateVersion
) -> None:
    (key,) = products(1)
    batch = start(site, version, [key])
    prepare()
    row = batch.jobs.get(root=None)
    single = creation.request_images(
        actor=site.actor,
        job_request=site.job_request(
            prompt="", size=None, template=version, variables=row.variables
        ),
    )

    assert content(row) == content(single)
    assert content(row.chain.get()) == content(single.chain.get())
    for one, other in ((row, single), (row.chain.get(), single.chain.get())):
        assert event_data(one, "job.requested") == event_data(other, "job.requested")
        lines = [LedgerEntry.objects.filter(job=j).values("kind", "amount") for j in (one, other)]
        assert list(lines[0]) == list(lines[1])
    decided = [j.verdicts.values_list("part", "outcome").order_by("pk") for j in (row, single)]
    assert list(decided[0]) == list(decided[1])
    assert BudgetPeriod.objects.get().reserved == Decimal("0.08")


def test_many_requests_need_no_more_statements_than_few(
    site: Site, django_assert_max_num_queries: object
) -> None:
    from django.db import connection  # noqa: PLC0415 - beside its only use
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415 - as above

    @use_case()
    def create(number: int) -> list[Job]:
        job_requests = [site.job_request(prompt=f"Mug {number} {n}") for n in range(number)]
        checked = creation.check_requests(actor=site.actor, job_requests=job_requests)
        return creation.create_jobs(actor=site.actor, checked=checked)

    create(1)
    asked = []
    for number in (2, 20):
        with CaptureQueriesContext(connection) as found:
            assert len(create(number)) == number
        asked.append(len(found))

    # SQLite takes only so many values in one statement.
    assert asked[1] <= asked[0] + 2
    assert Job.objects.count() == 23
    assert BudgetPeriod.objects.get().reserved == 23 * Decimal("0.02")


def test_different_requests_have_prices_of_their_own(site: Site) -> None:
    @use_case()
    def create() -> list[Job]:
        job_requests = [
            site.job_request(),
            site.job_request(count=2),
            site.job_request(negative_prompt="chrome"),
        ]
        checked = creation.check_requests(actor=site.actor, job_requests=job_requests)
        return creation.create_jobs(actor=site.actor, checked=checked)

    jobs = create()

    assert [job.estimated_cost for job in jobs] == [
        Decimal("0.02"),
        Decimal("0.04"),
        Decimal("0.02"),
    ]
    assert [job.queue_order for job in jobs] == sorted({job.queue_order for job in jobs})
    reserved = AuditEvent.objects.filter(type="money.reserved")
    assert {event.job_id for event in reserved} == {job.pk for job in jobs}


def test_input_images_are_stored_with_their_rows_in_order(site: Site) -> None:
    files = [make_image(size=(64, 64)), make_image(size=(64, 48))]
    job = site.request(
        operation=Operation.EDIT, inputs=[InputSource(data=file) for file in files], size="64x64"
    )

    rows = JobInput.objects.filter(job=job).order_by("position")
    assert [(row.position, row.height) for row in rows] == [(0, 64), (1, 48)]
    assert all(row.storage_key.startswith("inputs/") for row in rows)
    assert all(row.storage_key.endswith(".png") for row in rows)


def test_the_counts_of_a_batch_include_its_passes(site: Site, version: TemplateVersion) -> None:
    batch = start(site, version, products(1))
    prepare()
    before = Batch.objects.get(pk=batch.pk)

    assert (before.job_count, before.reserved) == (2, Decimal("0.04"))


def test_verdicts_and_events_name_the_part_by_a_code_in_every_language(site: Site) -> None:
    with override("de"):
        site.request(negative_prompt="chrome")

    assert set(Verdict.objects.values_list("part", flat=True)) == {"prompt", "negative_prompt"}
    bodies = [json.loads(e.body) for e in AuditEvent.objects.filter(type="moderation.decided")]
    assert {body["data"]["subject"] for body in bodies} == {"prompt", "negative_prompt"}


class Looking:
    """A screener that lets every image pass."""

    def screen_text(self, text: str) -> ScreenerDecision:
        del text
        return PASSED

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        del data, media_type
        return PASSED


def test_each_input_image_is_screened_as_such_and_numbered_from_one(site: Site, small: Any) -> None:
    entry = {"BACKEND": f"{__name__}.Looking", "NAME": "eyes", "STAGES": ["input"]}
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [entry]}
    files = [make_image(size=(64, 64)), make_image(size=(64, 48))]

    site.request(
        operation=Operation.EDIT, inputs=[InputSource(data=file) for file in files], size="64x64"
    )

    assert list(Verdict.objects.order_by("pk").values_list("part", "stage", "screener")) == [
        ("input_image:1", "input", "eyes"),
        ("input_image:2", "input", "eyes"),
    ]


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("en", ["prompt", "negative prompt", "input image 2", "image 3"]),
        ("de", ["Prompt", "negativer Prompt", "Eingabebild 2", "Bild 3"]),
        ("fr", ["prompt", "prompt négatif", "image d", "image 3"]),
    ],
)
def test_the_code_of_a_part_has_a_label_in_the_readers_language(
    language: str, names: list[str]
) -> None:
    codes = ["prompt", "negative_prompt", "input_image:2", "output_image:3"]

    with override(language):
        found = [stored_messages.screened_part(code) for code in codes]

    assert all(one.startswith(name) for one, name in zip(found, names, strict=True))
    assert stored_messages.screened_part("something else") == "something else"


def test_event_descriptions_name_parts_in_the_readers_language(
    site: Site, version: TemplateVersion
) -> None:
    start(site, version, products(1))
    prepare()
    site.request(negative_prompt="chrome")

    with override("de"):
        rows = AuditEvent.objects.filter(type__in=["job.requested", "moderation.decided"])
        facts = [text for one in descriptions.describe_events(rows) for _name, text in one.facts]
        sentences = [one.sentence for one in descriptions.describe_events(rows)]

    assert any("negativer Prompt: Bestanden" in text for text in facts) or any(
        "negativer Prompt:" in text for text in facts
    )
    assert any("negativer Prompt" in sentence for sentence in sentences)


def test_a_refusal_names_the_part_in_the_requesters_language(site: Site) -> None:
    with override("de"), pytest.raises(creation.PromptBlocked) as refusal:
        site.request(prompt="revenge  porn")

    assert "Prompt" in refusal.value.reason
    assert refusal.value.job.verdicts.get(outcome="blocked").part == "prompt"


def test_events_of_verdicts_can_be_built_before_they_are_stored(site: Site) -> None:
    job = site.request()
    screened = _screened_parts.screen_request(site.job_request(negative_prompt="chrome"))

    entries = screening.entries(job, screened)

    assert [entry.data["subject"] for entry in entries] == ["prompt", "negative_prompt"]
    assert {entry.kind for entry in entries} == {"moderation.decided"}


def test_the_evidence_names_the_part_by_its_code(site: Site) -> None:
    from imagegen_app.services.worker import driver  # noqa: PLC0415 - this test only

    job = site.request(negative_prompt="chrome")
    driver.drive(seconds=10)

    facts = evidence._facts(
        job.assets.get(),
        [],
        [],
        reader=site.actor,
        inspected=inspection.inspect_stored(job.assets.get()),
    )
    parts = [verdict["part"] for verdict in facts["verdicts"]]  # type: ignore[attr-defined]
    assert parts[:2] == ["prompt", "negative_prompt"]
