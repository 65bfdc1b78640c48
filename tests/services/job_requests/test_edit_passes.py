"""A follow-up pass edits each image by a fixed instruction, or restores its faces."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.passes import Pass
from imagegen_app.core.types import Operation, Size
from imagegen_app.models import Asset, AuditEvent, Job
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.job_requests import (
    _follow_ups,
    cache_hits,
    composition,
    creation,
    from_job,
    pass_planning,
    template_drafts,
    template_publishing,
    templates,
)
from imagegen_app.services.job_requests.creation import PromptBlocked
from imagegen_app.services.job_requests.values import InvalidJobRequest, InvalidPass
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotGranted
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image_model,
    make_provider,
    make_template,
    make_user,
)
from tests.services.job_requests.test_worded_parameters import Listening, screened

if TYPE_CHECKING:
    from tests.services.conftest import Site

__all__ = ["screened"]

FIX = "Correct the spelling on the sign"


def edit(site: Site, words: str = FIX) -> str:
    return f"edit:{site.model.slug}:{words}"


def test_each_image_is_edited_and_the_edited_one_is_the_result(site: Site) -> None:
    faces = f"restore_faces:{site.model.slug}"
    root = site.request(count=2, passes=[edit(site), faces])

    driver.drive(seconds=20)

    jobs = list(Job.objects.filter(root=root).order_by("image_number", "created_at", "pk"))
    assert {job.state for job in jobs} == {"succeeded"}
    assert [job.operation for job in jobs] == ["edit", "restore_faces"] * 2
    assert [job.prompt for job in jobs] == [FIX, ""] * 2
    assert {(job.width, job.height) for job in jobs} == {(64, 64)}
    results = Asset.objects.filter(is_intermediate=False)
    assert [asset.job.operation for asset in results] == ["restore_faces"] * 2


def test_an_edit_is_priced_like_every_pass(site: Site) -> None:
    plain = creation.total_cost(site.job_request(count=3))
    edited = creation.total_cost(site.job_request(count=3, passes=[edit(site)]))

    assert edited.amount - plain.amount == 3 * Decimal("0.02")


def test_another_instruction_is_another_request(site: Site) -> None:
    fingerprints = {
        cache_hits.fingerprint_of(site.job_request(seed=1, passes=passes))
        for passes in ([], [edit(site)], [edit(site, "Brighten the sky")])
    }

    assert len(fingerprints) == 3


def test_an_edit_needs_a_grant_of_its_own(site: Site) -> None:
    other = make_image_model()
    job_request = site.job_request(passes=[f"edit:{other.slug}:{FIX}"])

    with pytest.raises(NotGranted):
        creation.request_images(actor=site.actor, job_request=job_request)

    make_grant(group=make_group("Image editors"), image_model=other, operations=["generate"])
    offer = creation.offer(actor=site.actor, job_request=job_request)
    assert not offer.is_possible
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("adapter", "name", "text", "reason"),
    [
        ("fal", "fal-ai/flux/dev", f"edit:there:{FIX}", "is not offered by this model"),
        ("openai", "gpt-image-2", "restore_faces:there", "is not offered by this model"),
        ("openai", "gpt-image-2", "edit:there", "needs an instruction"),
        ("openai", "gpt-image-2", "edit:nowhere:x", "“nowhere” is not a valid model."),
        ("openai", "gpt-image-2", f"edit:there:{'x' * 1001}", "more than 1000 characters"),
    ],
)
def test_what_is_no_pass_of_the_model_is_refused(
    site: Site, adapter: str, name: str, text: str, reason: str
) -> None:
    make_image_model(
        slug="there", provider=make_provider(adapter=adapter), provider_model_name=name
    )

    with pytest.raises(InvalidJobRequest) as refused:
        site.job_request(passes=[text], size="1024x1024")

    assert refused.value.field == "passes"
    assert reason in refused.value.reason
    assert not Job.objects.exists()


def test_an_instruction_is_as_long_as_the_model_accepts(site: Site) -> None:
    short = make_image_model(slug="short", capabilities={"max_prompt_chars": 10})

    with pytest.raises(InvalidJobRequest, match="at most 10 characters"):
        site.job_request(passes=[f"edit:{short.slug}:{FIX}"])


def test_an_edit_of_a_model_with_few_sizes_keeps_the_proportions(site: Site) -> None:
    listed = make_image_model(
        slug="listed", provider=make_provider(adapter="openai"), provider_model_name="gpt-image-1"
    )

    planned = site.job_request(size="1248x832", passes=[f"edit:{listed.slug}:{FIX}"]).passes

    assert [str(one.size) for one in planned] == ["1536x1024"]


def test_an_edit_is_asked_for_in_a_format_that_its_model_has(site: Site) -> None:
    gemini = make_image_model(
        slug="gemini",
        provider=make_provider(adapter="gemini"),
        provider_model_name="gemini-nano-banana-2.1",
    )

    planned = site.job_request(size="1:1", passes=[f"edit:{gemini.slug}:{FIX}"]).passes

    assert [one.output_format for one in planned] == ["jpeg"]


def test_the_instruction_is_screened_with_the_prompt(screened: Site) -> None:
    with pytest.raises(PromptBlocked):
        screened.request(passes=[edit(screened, "Add Ada")])

    assert Listening.asked == ["A red mug\nAdd Ada"]


def test_an_instruction_is_recorded_and_erased_as_a_prompt(site: Site) -> None:
    root = site.request(passes=[edit(site)])
    follower = Job.objects.get(root=root)
    event = AuditEvent.objects.get(type="job.requested", job_id=follower.pk)
    texts = event.personal_texts.filter(field="prompt")
    stored = [one.value for one in texts]
    driver.drive(seconds=20)
    officer = access.actor_for(make_user("officer", permissions=["imagegen.erase_personal_data"]))

    erasure.erase_prompt(officer, job=root, reason="names a neighbour")

    follower.refresh_from_db()
    assert stored == [FIX]
    assert FIX not in event.body
    assert (follower.prompt, [one.value for one in texts.all()]) == ("", [""])


def test_a_job_is_made_again_with_its_edits(site: Site) -> None:
    root = site.request(passes=[edit(site)])
    expected = Pass(Operation.EDIT, site.model.slug, instruction=FIX)
    assert _follow_ups.requested_passes(root) == (expected,)
    driver.drive(seconds=20)

    root.refresh_from_db()
    again = from_job.job_request_from(actor=site.actor, job=root)
    only_edit = from_job.job_request_from(actor=site.actor, job=Job.objects.get(root=root))

    assert [one.instruction for one in again.passes] == [FIX]
    assert only_edit.provider_request.prompt == FIX
    assert only_edit.provider_request.operation is Operation.EDIT


def test_a_template_edits_each_of_its_images(site: Site) -> None:
    stored: Any = {"operation": "edit", "model": site.model.slug, "factor": 1, "instruction": FIX}
    version = make_template(image_model=site.model, passes=[stored])

    found = composition.compose(actor=site.actor, template=version, variables={"product": "mug"})

    assert [one.label for one in found.passes] == [f"Edit with {site.model.name}: “{FIX}”"]


def test_edits_and_faces_are_offered_where_a_model_has_them(site: Site) -> None:
    plain = make_image_model(
        slug="plain", provider=make_provider(adapter="openai"), provider_model_name="gpt-image-2"
    )

    offered = [value for value, _label in pass_planning.available_passes()]

    assert {f"edit:{plain.slug}", f"edit:{site.model.slug}"} <= set(offered)
    assert f"restore_faces:{site.model.slug}" in offered
    assert f"restore_faces:{plain.slug}" not in offered


def test_the_log_tells_versions_with_other_instructions_apart(site: Site) -> None:
    author = access.actor_for(
        make_user(permissions=["imagegen.add_prompttemplate", "imagegen.change_prompttemplate"])
    )

    def draft(*words: str) -> template_drafts.Draft:
        passes = [Pass(Operation.EDIT, site.model.slug, instruction=one) for one in words]
        return template_drafts.Draft(body="A shop", image_model=site.model, passes=passes)

    made = templates.create(actor=author, name="Shops", slug="shops", draft=draft())
    template_publishing.publish(actor=author, template=made, draft=draft(FIX))
    template_publishing.publish(actor=author, template=made, draft=draft("Brighten the sky"))

    events = AuditEvent.objects.filter(type="template.version_published")
    assert len({json.loads(event.body)["data"]["digest"] for event in events}) == 3


def test_a_model_that_decides_how_much_larger_takes_no_factor(site: Site) -> None:
    provider = make_provider(slug="recraft", adapter="recraft")
    crisp = make_image_model(slug="crisp", provider=provider, provider_model_name="recraftv3")
    label = dict(pass_planning.available_passes())

    assert [one for one in label if one.endswith(":crisp") and "upscale" in one] == [
        "upscale:2:crisp"
    ]
    assert "as much as it does" in label["upscale:2:crisp"]
    assert pass_planning.plan_passes(["upscale:crisp"], start=Size(64, 64))
    with pytest.raises(InvalidPass, match="decides itself"):
        pass_planning.plan_passes([f"upscale:4:{crisp.slug}"], start=Size(64, 64))
