"""Pin the types of the public API; this file is checked by mypy and never run.

A change that makes mypy complain here is a change that a site would notice. Each `type: ignore`
stands at a call that must be refused: without an error there, mypy reports the comment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Self, assert_type

from django.contrib.auth.models import AbstractBaseUser, Group
from django.db.models import Model
from django.dispatch import Signal

from imagegen_app import (
    ActionRefused,
    CannotPlace,
    IdempotencyConflict,
    ImageFileMissing,
    InvalidJobRequest,
    InvalidSetup,
    NoPrice,
    NotGranted,
    NotPermitted,
    OverBudget,
    PromptBlocked,
    StorageUnavailable,
    TemplateNotAllowed,
    attach,
    conf,
    estimate,
    generate,
    set_up,
    signals,
)
from imagegen_app.captioning.base import Caption, Captioner
from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.core.types import (
    Call,
    Cost,
    GenerationRequest,
    Operation,
    ProviderImage,
    ProviderResult,
    RecoveryMethod,
    Size,
    Submission,
    SubmissionStatus,
)
from imagegen_app.engines.base import Engine, SettingsIssue
from imagegen_app.models import (
    Asset,
    Attempt,
    Grant,
    ImageModel,
    Job,
    Placement,
    Rendition,
    TemplateVersion,
)
from imagegen_app.models import (
    Provider as ProviderRow,
)
from imagegen_app.moderation.base import PASSED, Screener, ScreenerDecision
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.base import CancelOutcome, ProviderAdapter, WebhookNotice
from imagegen_app.services.job_requests.creation import Offer
from imagegen_app.services.policy.budgets import Allowance
from imagegen_app.services.policy.site_setup import SetupReport
from imagegen_app.templatetags import imagegen as tags
from imagegen_app.testing import factories, plugin
from imagegen_app.testing.contract import AdapterContract, Samples, sample_requests
from imagegen_app.testing.simulator import asgi
from imagegen_app.testing.simulator.process import ForeignCall, SimulatorProcess
from imagegen_app.testing.simulator.protocol import Protocol


def shortcuts(user: AbstractBaseUser, product: Model, asset: Asset) -> None:
    """Request, price and place, as a site's own code does."""
    assert_type(generate(user=user, template="mug", variables={"colour": "red"}), Job)
    assert_type(generate(user=user, prompt="A mug", model="sandbox", size="64x64", count=2), Job)
    assert_type(estimate(user=user, prompt="A mug"), Offer)
    assert_type(attach(asset, product, "image", user=user), Placement)
    generate(prompt="A mug")  # type: ignore[call-arg]  # somebody has to ask
    generate(user, prompt="A mug")  # type: ignore[call-arg]  # by keyword
    estimate(prompt="A mug")  # type: ignore[call-arg]  # somebody has to pay
    attach(asset, product, "image")  # type: ignore[call-arg]  # somebody has to answer for it
    attach(asset, "catalog.Product.image", user=user)  # type: ignore[call-arg,arg-type]


def set_ups(user: AbstractBaseUser) -> None:
    """Set a site up from a dict or a file, and read what it changed."""
    report = set_up({"providers": [{"adapter": "sandbox"}]})
    assert_type(report, SetupReport)
    assert_type(set_up(Path("imagegen.toml"), user=user, dry_run=True), SetupReport)
    assert_type(report.has_changes, bool)
    assert_type([one.name for one in report.changes], list[str])
    assert_type(InvalidSetup([("models[1]", "Why.")]), InvalidSetup)
    assert_type(InvalidSetup([]).problems, tuple[tuple[str, str], ...])
    set_up(providers=[])  # type: ignore[call-arg]  # one description
    set_up({}, user)  # type: ignore[call-arg]  # by keyword


def prices(quote: Offer) -> None:
    """Read what a request would cost, and what is left of the budget."""
    assert_type(quote.cost, Cost)
    assert_type(quote.cost.amount, Decimal)
    assert_type(quote.cost.currency, str)
    assert_type(quote.allowance, Allowance | None)
    assert_type(quote.is_cached, bool)


def kinds_of_refusals(job: Job) -> None:
    """Catch what a request may be refused for, and tests of a site may raise it."""
    assert_type(ActionRefused("No.", reason="Why.", remedy="Ask."), ActionRefused)
    assert_type(CannotPlace("No.", reason="Why.", remedy="Ask."), CannotPlace)
    assert_type(IdempotencyConflict("No.", reason="Why.", remedy="Ask."), IdempotencyConflict)
    assert_type(ImageFileMissing("No.", reason="Why.", remedy="Ask."), ImageFileMissing)
    assert_type(NoPrice("No.", reason="Why.", remedy="Ask."), NoPrice)
    assert_type(NotGranted("No.", reason="Why.", remedy="Ask."), NotGranted)
    assert_type(TemplateNotAllowed("No.", reason="Why.", remedy="Ask."), TemplateNotAllowed)
    assert_type(NotPermitted("No.", reason="Why.", remedy="Ask."), NotPermitted)
    assert_type(OverBudget("No.", reason="Why.", remedy="Ask."), OverBudget)
    assert_type(PromptBlocked("No.", reason="Why.", remedy="Ask.", job=job), PromptBlocked)
    assert_type(StorageUnavailable("No.", reason="Why.", remedy="Ask."), StorageUnavailable)
    assert_type(InvalidJobRequest("Why.", field="size"), InvalidJobRequest)


def refusals(refusal: ActionRefused) -> None:
    """Show why something is refused."""
    assert_type(refusal.code, str)
    assert_type(refusal.message, str)
    assert_type(refusal.reason, str)
    assert_type(refusal.remedy, str)


def receivers() -> None:
    """React to what happened."""
    assert_type(signals.job_finished, Signal)
    assert_type(signals.asset_created, Signal)
    assert_type(signals.asset_reviewed, Signal)
    assert_type(signals.placement_created, Signal)
    assert_type(signals.copy_deleted, Signal)


def settings_of_the_site() -> None:
    """Read the settings."""
    settings = conf.get()
    assert_type(settings, conf.Settings)
    assert_type(settings.engine, str)
    assert_type(settings.credentials, dict[str, conf.KeySettings])
    assert_type(settings.screeners, tuple[conf.ScreenerSettings, ...])
    assert_type(settings.captioner, conf.CaptionerSettings)
    assert_type(settings.c2pa, conf.SigningSettings)
    assert_type(settings.marks, conf.MarksSettings)
    assert_type(settings.renditions, conf.RenditionSettings)
    assert_type(settings.audit, conf.AuditSettings)
    assert_type(settings.images, conf.ImageSettings)
    assert_type(settings.targets, dict[str, dict[str, Any]])
    assert_type(conf.state_dir(), Path)
    settings.engine = "another"  # type: ignore[misc]  # they are frozen


class WebcomicProvider:
    """An adapter that a stranger wrote."""

    name: ClassVar[str] = "webcomic"
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset({RecoveryMethod.IDEMPOTENCY_KEY})

    def capabilities(self, model: str) -> Capabilities:
        rule = SizeRule(allowed=(Size(1024, 1024),))
        return Capabilities(operations=frozenset({Operation.GENERATE}), sizes=rule)

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        return Submission(status=SubmissionStatus.ACCEPTED, ref=request.idempotency_key)

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        return Submission(status=SubmissionStatus.RUNNING, ref=call.ref, progress=0.5)

    async def cancel(self, call: Call) -> CancelOutcome:
        return "not_offered"

    async def reconcile(
        self, call: Call, request: GenerationRequest, *, answer: SpooledAnswer
    ) -> Submission | None:
        return None

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        return ProviderResult(images=(ProviderImage(data=b""),), reported_cost=Cost(Decimal(1)))

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice:
        return WebhookNotice(delivery_id="1", ref="1", status="succeeded")


class StrictScreener:
    """A screener that a stranger wrote."""

    def screen_text(self, text: str) -> ScreenerDecision:
        return ScreenerDecision(
            outcome=VerdictOutcome.BLOCKED,
            categories=("names",),
            cost=Decimal("0.001"),
            model="names-2",
            hard_category=HardCategory.INTIMATE_IMAGES,
        )

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        return PASSED


class PlainCaptioner:
    """A captioner that a stranger wrote."""

    def describe(self, data: bytes, *, media_type: str, language: str, purpose: str) -> Caption:
        return Caption("A red mug", cost=Decimal("0.0004"))


class CronEngine:
    """An engine that a stranger wrote."""

    label: ClassVar[str] = "cron"
    can_delay: ClassVar[bool] = False
    has_worker: ClassVar[bool] = True
    default_concurrency: ClassVar[int] = 1

    def enqueue(self, name: str, *, delay: float = 0) -> None: ...

    def check_settings(self, site: Any) -> list[SettingsIssue]:
        return []

    def ping(self) -> None: ...

    def run_worker(self, *, stopping: Callable[[], None], drives: int) -> None: ...


def what_a_stranger_wrote() -> tuple[ProviderAdapter, Screener, Captioner, Engine]:
    """Take each for what it wants to be."""
    wrong: Captioner = StrictScreener()  # type: ignore[assignment]  # it describes nothing
    del wrong
    return WebcomicProvider(), StrictScreener(), PlainCaptioner(), CronEngine()


def template_tags(asset: Asset | None, product: Model | None, context: Any) -> None:
    """Call the tags as the template engine does."""
    assert_type(tags.imagegen_picture(asset, sizes="50vw", lazy=False), dict[str, Any])
    assert_type(tags.imagegen_url(asset, 640, "webp"), str)
    assert_type(tags.imagegen_label(asset, "badge"), dict[str, Any])
    assert_type(tags.imagegen_asset_for(product, "image"), Asset | None)
    assert_type(tags.imagegen_label_for(context, product, "image", among=[]), dict[str, Any])


def rows_for_tests() -> None:
    """Make the rows that a site's own tests need."""
    model = factories.make_image_model(provider=factories.make_provider())
    group = factories.make_group("Image editors")
    asset = factories.make_asset()
    assert_type(group, Group)
    assert_type(model, ImageModel)
    assert_type(model.provider, ProviderRow)
    assert_type(factories.make_grant(group=group, image_model=model), Grant)
    assert_type(factories.make_template(), TemplateVersion)
    assert_type(factories.make_job(), Job)
    assert_type(factories.make_attempt(), Attempt)
    assert_type(asset, Asset)
    assert_type(factories.make_rendition(asset=asset, format="webp", width=64), Rendition)
    assert_type(factories.make_image(size=(8, 8)), bytes)


def simulator_for_tests() -> None:
    """Start the simulator, make it fail, and read its bill."""
    with SimulatorProcess(quick=True) as simulator:
        assert_type(simulator, SimulatorProcess)
        assert_type(simulator.base_url, str)
        assert_type(simulator.openai_url, str)
        assert_type(simulator.key, str)
        assert_type(simulator.bill(), dict[str, Any])
        assert_type(simulator.calls(), dict[str, int])
        assert_type(simulator.elsewhere(), list[ForeignCall])
        simulator.fail("status", status=503)
        simulator.script(latency=0.2)
        simulator.reset()


class PainterProtocol(Protocol):
    """The protocol of a stranger's provider."""

    name = "painter"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        """Answer one path."""
        return asgi.Answer(200) if call.path == "/paint" and self.state.knows_key(call) else None


class TestPainter(AdapterContract):
    """The contract for a stranger's adapter."""

    samples = Samples(
        adapter="mysite.images:Painter",
        model="painter-1",
        requests=sample_requests([Operation.GENERATE], model="painter-1", size=Size(64, 64)),
    )


class GuardedSite(SimulatorProcess):
    """A subclass keeps its own type as a context manager."""

    def itself(self) -> Self:
        with self as same:
            assert_type(same, Self)
        return self


#: The fixtures that `pytest_plugins = ["imagegen_app.testing.plugin"]` brings.
FIXTURES = (plugin.unguarded_log,)
