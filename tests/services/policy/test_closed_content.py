"""What a screener closes for good is opened by no role, grant, review, retry or setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.core.types import InputRole
from imagegen_app.models import Asset, AuditEvent, Job, JobInput, KeptAnswer, Verdict
from imagegen_app.services.job_requests import cache_hits, creation, job_actions, rereading
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import (
    chooser,
    delivery,
    evidence,
    pictures,
    placement,
    review,
    withdrawal_tasks,
)
from imagegen_app.services.policy import access, closed_content, use_of_assets
from imagegen_app.services.policy.closed_content import ClosedForGood
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_asset, make_user
from tests.kept_answer_rows import make_kept_answer
from tests.services.closing import (
    MINORS,
    Closing,
    closed_asset,
    configure,
    edit,
    hard_category,
    set_up,
    stored_hashes,
    upload,
)
from tests.services.conftest import Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagegen_app.core.actors import Person
    from imagegen_app.core.hard_categories import HardCategory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def closing(small: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Closing]:
    return set_up(small, monkeypatch, tmp_path)


@pytest.fixture
def boss(small: Any) -> Person:
    """Return a superuser on a site where superusers need no grant, and no second reviewer."""
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "SUPERUSER_BYPASS": True,
        "REQUIRE_SECOND_REVIEWER": False,
    }
    return access.actor_for(make_user("boss", is_superuser=True, is_staff=True))


@pytest.mark.parametrize("outcome", list(VerdictOutcome))
def test_a_hard_category_blocks_whatever_the_screener_says_beside_it(
    site: Site, closing: type[Closing], outcome: VerdictOutcome
) -> None:
    closing.closes, closing.outcome = {"text"}, outcome

    with pytest.raises(creation.PromptBlocked) as refused:
        site.request()

    verdict = Verdict.objects.get(job=refused.value.job, part="prompt")
    assert (verdict.outcome, verdict.hard_category) == ("blocked", MINORS.value)
    assert "nobody can release it" in refused.value.reason
    assert "minors" not in str(refused.value)
    assert refused.value.job.error_message == closed_content.CLOSED_MESSAGE
    event = AuditEvent.objects.get(type="moderation.hard_category_found")
    assert event.severity == "alarm"
    assert MINORS.value in event.body


def test_on_error_pass_opens_no_hard_category(
    site: Site, small: Any, closing: type[Closing]
) -> None:
    configure(small, "prompt", on_error="pass")
    closing.closes = {"text"}

    with pytest.raises(creation.PromptBlocked):
        site.request()

    closing.closes, closing.fails = set(), True
    assert site.request().state == "queued"


def test_a_cost_that_is_none_opens_no_hard_category(
    site: Site, small: Any, closing: type[Closing], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(small, "prompt", on_error="pass")
    closing.closes = {"text"}
    monkeypatch.setattr(closing, "cost", 0.002)

    with pytest.raises(creation.PromptBlocked):
        site.request()

    assert Verdict.objects.get(part="prompt").hard_category == MINORS.value


def test_a_closed_job_is_not_requested_again(
    site: Site, boss: Person, closing: type[Closing]
) -> None:
    closing.closes = {"text"}
    with pytest.raises(creation.PromptBlocked) as refused:
        site.request()
    closing.closes = set()

    for actor in (site.actor, boss):
        with pytest.raises(ClosedForGood, match="nobody can release it"):
            job_actions.request_again(actor=actor, job=refused.value.job)
    assert Job.objects.count() == 1


def test_an_uploaded_image_in_a_hard_category_is_not_stored(
    site: Site, closing: type[Closing]
) -> None:
    closing.closes = {"image"}

    with pytest.raises(creation.PromptBlocked) as refused:
        edit(site, upload())

    verdict = refused.value.job.verdicts.get(part="input_image:1")
    assert len(verdict.content_sha256) == 64
    assert not JobInput.objects.exists()
    assert stored_hashes() == set()


def test_the_same_file_stays_closed_without_the_screener_and_nothing_is_sent(
    site: Site, small: Any, closing: type[Closing]
) -> None:
    closing.closes = {"image"}
    with pytest.raises(creation.PromptBlocked):
        edit(site, upload())
    calls = len(closing.calls)
    configure(small)

    with pytest.raises(ClosedForGood):
        edit(site, upload())

    assert len(closing.calls) == calls
    assert Job.objects.count() == 1


OPENERS: dict[str, Callable[[Person, Asset], object]] = {
    "approve": lambda actor, asset: review.approve(actor=actor, asset=asset),
    "choose": lambda actor, asset: chooser.choose(actor=actor, asset=asset),
    "original": lambda actor, asset: delivery.original_url(actor=actor, asset=asset),
    "evidence": lambda actor, asset: evidence.build_pack(actor=actor, asset=asset),
    "place": lambda actor, asset: placement.attach(
        actor=actor, asset=asset, target=actor.user, field="image"
    ),
}


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("who", ["boss", "reviewer"])
def test_nobody_opens_a_closed_image(
    site: Site, boss: Person, closing: type[Closing], opener: str, who: str
) -> None:
    asset = closed_asset(site, closing)
    reviewer = access.actor_for(make_user("rita", groups=["Image reviewers", "Compliance"]))
    actor = boss if who == "boss" or opener in {"choose", "place"} else reviewer
    events = AuditEvent.objects.count()

    with pytest.raises(ClosedForGood, match="nobody can release it"):
        OPENERS[opener](actor, asset)

    assert AuditEvent.objects.count() == events
    assert not AuditEvent.objects.filter(type="moderation.overridden").exists()


def test_the_system_itself_opens_no_closed_image(site: Site, closing: type[Closing]) -> None:
    asset = closed_asset(site, closing)

    with pytest.raises(ClosedForGood):
        review.approve(actor=System("sweep"), asset=asset)


def test_a_closed_image_is_served_to_nobody(site: Site, closing: type[Closing]) -> None:
    asset = make_asset(requester=site.actor.user)
    public = delivery.public_url(asset).rpartition("/")[2]
    *_rest, token, name = delivery.signed_url(asset).rstrip("/").split("/")
    assert delivery.open_public(public).key == delivery.open_signed(token, name).key
    closing.closes = {"image"}

    with pytest.raises(creation.PromptBlocked):
        edit(site, InputSource(role=InputRole.IMAGE, asset=asset))

    asset.refresh_from_db()
    rendition = asset.renditions.first()
    assert rendition is not None
    for path in (public, delivery.public_url(rendition).rpartition("/")[2]):
        with pytest.raises(delivery.NoSuchFile):
            delivery.open_public(path)
    with pytest.raises(delivery.NoSuchFile):
        delivery.open_signed(token, name)
    assert pictures.build_picture(asset, preview=True) is None
    assert delivery.preview_url(asset).endswith(delivery.CLOSED_IMAGE)
    assert asset not in use_of_assets.usable_assets(site.actor)


@pytest.mark.parametrize("state", ["pending", "approved", "rejected", "withdrawn"])
def test_no_address_of_a_closed_image_works_however_new(
    site: Site, closing: type[Closing], state: str
) -> None:
    asset = make_asset(requester=site.actor.user, review_state=state)
    before = delivery.signed_url(asset)
    hard_category(asset)

    asset.refresh_from_db()
    for url in (before, delivery.signed_url(asset)):
        *_rest, token, name = url.rstrip("/").split("/")
        with pytest.raises(delivery.NoSuchFile):
            delivery.open_signed(token, name)


def test_a_form_that_was_open_does_not_take_a_closed_image(
    site: Site, closing: type[Closing]
) -> None:
    asset = make_asset(requester=site.actor.user)
    token = chooser.make_token(actor=site.actor, asset=asset)
    hard_category(asset)

    assert chooser.asset_from_token(actor=site.actor, token=token).review_state == "withdrawn"


def test_a_closed_image_is_no_input_again_and_nothing_is_asked(
    site: Site, boss: Person, closing: type[Closing]
) -> None:
    asset = closed_asset(site, closing)
    # Its file is gone by then, which is no reason to say anything else.
    withdrawal_tasks.run()
    calls = len(closing.calls)

    with pytest.raises(ClosedForGood):
        edit(site, InputSource(role=InputRole.IMAGE, asset=asset))

    assert len(closing.calls) == calls


def test_a_generated_image_in_a_hard_category_is_never_stored(
    site: Site, closing: type[Closing]
) -> None:
    job = site.request()
    closing.closes = {"image"}

    driver.drive(seconds=20)

    job.refresh_from_db()
    assert (job.state, job.error_message) == ("blocked", closed_content.CLOSED_MESSAGE)
    verdict = job.verdicts.get(stage="output")
    assert (verdict.hard_category, len(verdict.content_sha256)) == (MINORS.value, 64)
    assert not Asset.objects.exists()
    assert stored_hashes() == set()
    assert not KeptAnswer.objects.exists()


@pytest.mark.parametrize("hard_category", [MINORS, None])
def test_no_sibling_of_a_blocked_image_leaves_a_file_behind(
    site: Site,
    closing: type[Closing],
    monkeypatch: pytest.MonkeyPatch,
    hard_category: HardCategory | None,
) -> None:
    job = site.request(count=3)
    closing.closes, closing.passed_images = {"image"}, 2
    monkeypatch.setattr(closing, "hard_category", hard_category)

    driver.drive(seconds=20)

    job.refresh_from_db()
    assert job.state == "blocked"
    assert [v.outcome for v in job.verdicts.filter(stage="output").order_by("pk")] == [
        "passed",
        "passed",
        "blocked",
    ]
    assert not Asset.objects.exists()
    assert stored_hashes() == set()


def test_a_cached_result_that_was_closed_answers_nothing(
    site: Site, closing: type[Closing]
) -> None:
    site.request(seed=7)
    driver.drive(seconds=20)
    asset = Asset.objects.get()
    review.approve(actor=System("test"), asset=asset)
    again = site.job_request(seed=7)
    assert cache_hits.find_cached_jobs([again])
    closed_content.close_asset(actor=System("test"), asset=asset, category=MINORS, job=asset.job)

    assert cache_hits.find_cached_jobs([again]) == {}


def test_a_kept_answer_of_a_closed_job_is_neither_read_nor_downloaded(
    site: Site, boss: Person, closing: type[Closing]
) -> None:
    closing.closes = {"text"}
    with pytest.raises(creation.PromptBlocked) as refused:
        site.request()
    kept = KeptAnswer(attempt=make_asset().attempt)
    kept.attempt.job = refused.value.job

    with pytest.raises(ClosedForGood):
        rereading.read_again(actor=boss, kept=kept)
    with pytest.raises(ClosedForGood):
        rereading.record_download(actor=boss, kept=kept, part="body")


def test_a_kept_answer_whose_image_is_found_is_deleted(
    site: Site, boss: Person, closing: type[Closing]
) -> None:
    kept = make_kept_answer(image_model=site.model, width=64, height=64)
    closing.closes = {"image"}
    job = rereading.read_again(actor=boss, kept=kept)

    driver.drive(seconds=20)

    job.refresh_from_db()
    kept.refresh_from_db()
    assert job.state == "blocked"
    assert kept.removed_at is not None
    assert not Asset.objects.exists()
    with pytest.raises(ClosedForGood):
        job_actions.request_again(actor=boss, job=job)
