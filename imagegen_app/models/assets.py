"""Store assets with their origin, renditions, placements and verdicts."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.colours import Colour
from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.ids import uuid7
from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.core.states import RejectionReason, ReviewQueue, ReviewState, VerdictOutcome
from imagegen_app.models.attempts import Attempt
from imagegen_app.models.base import Record, RecordQuerySet, money
from imagegen_app.models.jobs import Job
from imagegen_app.models.labels import LABELS, choices
from imagegen_app.models.relations import ForeignKey


class AssetQuerySet(RecordQuerySet["Asset"]):
    """Filters for assets."""

    def showable(self) -> AssetQuerySet:
        """Return the assets that the public may see."""
        return self.filter(review_state=ReviewState.APPROVED.value, hard_category="")

    def awaiting_review(self) -> AssetQuerySet:
        """Return the assets that ask for a decision; an unused draft asks for none."""
        return self.in_queue(ReviewQueue.WAITING, ReviewQueue.ESCALATED)

    def in_queue(self, *queues: ReviewQueue) -> AssetQuerySet:
        """Return the assets in one of these queues, by an index."""
        return self.filter(review_queue__in=[queue.value for queue in queues])

    def results_of(self, job: Job) -> AssetQuerySet:
        """Return the images that are the result of a job, by position.

        For a job answered from the cache these are the images of the earlier job. For a job with
        follow-up passes they are, for each image, the result of the last pass so far.
        """
        source_id = job.cached_from_id or job.pk
        condition = Q(job=source_id)
        if job.chain_length > 1:
            condition = (condition | Q(job__root=source_id)) & Q(is_intermediate=False)
        return self.filter(condition).order_by("position")


class Asset(Record):
    """One image and its record; its bytes are immutable and addressed by content hash."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = ForeignKey(Job, on_delete=models.PROTECT, related_name="assets", verbose_name=_("job"))
    attempt = ForeignKey(
        Attempt, on_delete=models.PROTECT, related_name="assets", verbose_name=_("attempt")
    )
    position = models.PositiveSmallIntegerField(_("number in the job"))
    title = models.CharField(_("title"), max_length=120, blank=True)
    alt_text = models.CharField(_("alternative text"), max_length=MAX_ALT_CHARS, blank=True)
    #: What the site's captioner suggests; used as alternative text only if a person accepts it.
    alt_suggestion = models.CharField(
        _("suggested alternative text"), max_length=MAX_ALT_CHARS, blank=True
    )
    is_decorative = models.BooleanField(_("decorative"), default=False)
    #: What stays visible where the image is cropped, from 0 (left, top) to 1; None for the middle.
    focal_x = models.FloatField(_("focal point, across"), null=True, blank=True)
    focal_y = models.FloatField(_("focal point, down"), null=True, blank=True)

    sha256 = models.CharField(_("SHA-256"), max_length=64, db_index=True)
    storage_key = models.CharField(_("storage key"), max_length=200)
    media_type = models.CharField(_("media type"), max_length=40)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    byte_size = models.PositiveBigIntegerField(_("bytes"))
    #: The provider's bytes, unchanged and never served inline.
    original_sha256 = models.CharField(_("SHA-256 of the original"), max_length=64, db_index=True)
    original_storage_key = models.CharField(max_length=200)
    original_media_type = models.CharField(max_length=40)
    original_byte_size = models.PositiveBigIntegerField()
    seed = models.BigIntegerField(_("seed"), null=True, blank=True)

    #: See `imaging.similarity` for the hashes and `is_flat`.
    phash = models.CharField(_("perceptual hash"), max_length=16, blank=True, db_index=True)
    phash_wide = models.CharField(max_length=64, blank=True)
    is_flat = models.BooleanField(default=False)
    #: What most of it looks like; empty for what was made before this was looked at.
    colour = models.CharField(
        pgettext_lazy("of an image", "colour"), max_length=8, blank=True, choices=choices(Colour)
    )

    digital_source_type = models.CharField(_("digital source type"), max_length=120)
    c2pa_state = models.CharField(_("content credentials"), max_length=12)
    c2pa_signer = models.CharField(_("signed by"), max_length=160, blank=True)
    #: Whether an input's own Content Credentials could not be read or added; it is named by hash.
    is_parent_reduced = models.BooleanField(_("an input is named by its hash only"), default=False)
    #: What the provider's own Content Credentials said when the image came, as
    #: `IngredientFacts.as_dict` stores it; empty without any.
    provider_credentials: models.JSONField[Any, Any] = models.JSONField(
        _("provider's Content Credentials"), default=dict, blank=True
    )
    #: Whether these are whole in the published file, as an ingredient.
    is_provider_embedded = models.BooleanField(default=False)
    #: Which marks the provider declared to embed when the image came, and where that was read, as
    #: `mark_checks.declared_marks` returns it; empty where nobody has declared anything.
    declared_marks: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)
    #: What the provider's own check last found in the files; empty if it was not asked.
    mark_check: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)
    #: Whether its Content Credentials are missing or broken, or that check missed a declared mark.
    has_mark_problem = models.BooleanField(default=False)
    marked_at = models.DateTimeField(_("marked"), null=True, blank=True)
    #: When a time-stamp authority says that its files were signed; None without a stamp.
    stamped_at = models.DateTimeField(_("stamped"), null=True, blank=True)

    #: Whether a follow-up pass works on it: then only the result of the pass is reviewed and used.
    is_intermediate = models.BooleanField(_("intermediate result"), default=False)
    #: What a screener found in it later; nobody can show or approve it then, and its files go.
    hard_category = models.CharField(
        _("hard category"), max_length=20, blank=True, choices=choices(HardCategory)
    )
    #: When its files were deleted, of a hard category; hashes and record stay.
    files_removed_at = models.DateTimeField(_("files removed"), null=True, blank=True)
    review_state = models.CharField(
        _("review"), max_length=10, choices=choices(ReviewState), default=ReviewState.PENDING.value
    )
    reviewed_by = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_reviews",
        verbose_name=_("reviewed by"),
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True, blank=True)
    review_note = models.CharField(_("note"), max_length=300, blank=True)
    #: When somebody, or what uses it, asked for a decision; None for a draft that nobody uses yet.
    review_requested_at = models.DateTimeField(_("review requested"), null=True, blank=True)
    review_request_note = models.CharField(_("author's note"), max_length=300, blank=True)
    #: When a reviewer last sent it back to its author; the note says what to change.
    sent_back_at = models.DateTimeField(_("sent back"), null=True, blank=True)
    #: When a reviewer handed the decision on; then only people with the permission may approve it.
    escalated_at = models.DateTimeField(_("escalated"), null=True, blank=True)
    rejection_reason = models.CharField(
        _("reason of the rejection"), max_length=20, blank=True, choices=choices(RejectionReason)
    )
    #: "yes" or "no" by the key of the site's question; see `IMAGEGEN['REVIEW']['CHECKLIST']`.
    checklist_answers: models.JSONField[Any, Any] = models.JSONField(
        _("answers to the checklist"), default=dict, blank=True
    )
    #: Whether the reviewer wants the AI label shown with it wherever it is; None: the page decides.
    is_label_required = models.BooleanField(_("AI label required"), null=True, blank=True)
    #: Whether a content check did not let it pass, or what it was requested with: the desk lists these.
    is_flagged = models.BooleanField(default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # The database keeps what follows from other columns, so that lists have one index for it. Compare them
    # by `__in`: SQLite looks a truth value by itself up in no index.
    #: The `ReviewQueue` that it is in; empty once it is decided, or if nobody is asked about it.
    review_queue: Any = models.GeneratedField(
        expression=models.Case(
            models.When(
                ~Q(review_state=ReviewState.PENDING.value)
                | Q(is_intermediate=True)
                | ~Q(hard_category=""),
                then=models.Value(""),
            ),
            models.When(
                review_requested_at__isnull=False,
                escalated_at__isnull=True,
                then=models.Value(ReviewQueue.WAITING.value),
            ),
            models.When(
                review_requested_at__isnull=False, then=models.Value(ReviewQueue.ESCALATED.value)
            ),
            models.When(sent_back_at__isnull=False, then=models.Value(ReviewQueue.SENT_BACK.value)),
            default=models.Value(ReviewQueue.DRAFT.value),
        ),
        output_field=models.CharField(max_length=10),
        db_persist=True,
    )
    #: Whether it is shown, or shall be, and lacks its marks.
    is_in_doubt: Any = models.GeneratedField(
        expression=Q(  # type: ignore[arg-type]  # a condition is an expression, too
            Q(review_state=ReviewState.APPROVED.value)
            | Q(review_state=ReviewState.PENDING.value, review_requested_at__isnull=False),
            has_mark_problem=True,
            is_intermediate=False,
            hard_category="",
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    #: Whether it may be shown and nobody has described it.
    needs_words: Any = models.GeneratedField(
        expression=Q(  # type: ignore[arg-type]  # a condition is an expression, too
            alt_text="",
            is_decorative=False,
            is_intermediate=False,
            hard_category="",
            review_state__in=[ReviewState.PENDING.value, ReviewState.APPROVED.value],
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )

    objects: ClassVar[Any] = AssetQuerySet.as_manager()

    class Meta:
        verbose_name = _("asset")
        verbose_name_plural = _("assets")
        constraints = [
            models.UniqueConstraint(
                fields=["attempt", "position"], name="imagegen_asset_position_once"
            ),
            models.CheckConstraint(
                condition=Q(review_state__in=[s.value for s in ReviewState]),
                name="imagegen_asset_review",
            ),
            models.CheckConstraint(
                condition=Q(focal_x=None, focal_y=None)
                | Q(focal_x__gte=0, focal_x__lte=1, focal_y__gte=0, focal_y__lte=1),
                name="imagegen_asset_focal_point",
            ),
        ]
        indexes = [
            # Lists are read in this order, from any row on: see `services.foundation.keyset`.
            models.Index(fields=["-created_at", "-id"], name="imagegen_asset_newest"),
            models.Index(
                fields=["review_state", "-created_at", "-id"], name="imagegen_asset_review_queue"
            ),
            models.Index(fields=["is_in_doubt", "-created_at", "-id"], name="imagegen_asset_doubt"),
            models.Index(
                fields=["review_queue", "review_requested_at", "id"],
                name="imagegen_asset_review_wait",
            ),
            models.Index(
                fields=["review_queue", "is_flagged", "review_requested_at", "id"],
                name="imagegen_asset_flagged",
            ),
            models.Index(
                fields=["review_queue", "-sent_back_at", "-id"], name="imagegen_asset_sent_back"
            ),
            models.Index(
                fields=["review_queue", "-created_at", "-id"], name="imagegen_asset_in_queue"
            ),
            models.Index(
                fields=["needs_words", "-created_at", "-id"], name="imagegen_asset_wordless"
            ),
            models.Index(fields=["colour", "-created_at", "-id"], name="imagegen_asset_colour"),
            models.Index(
                fields=["colour", "review_state", "-created_at", "-id"], name="imagegen_asset_tint"
            ),
        ]
        permissions = [
            ("approve_asset", "Can approve, reject and withdraw images"),
            ("withdraw_asset", "Can withdraw images"),
            ("decide_escalated_asset", "Can decide about escalated images"),
            ("approve_own_asset", "Can approve own images if no second reviewer is required"),
            ("place_asset", "Can place images in content"),
            ("download_original", "Can download a provider's original file"),
        ]

    def get_review_state_display(self) -> str:  # type: ignore[no-redef]  # Django keeps our own
        """Return the state in words; one that nobody was asked to review is a draft."""
        if self.review_state == ReviewState.PENDING.value and self.review_requested_at is None:
            draft = pgettext("state of an image", "Draft")
            return draft if self.sent_back_at is None else gettext("Sent back")
        return str(LABELS[ReviewState][ReviewState(self.review_state)])

    def __str__(self) -> str:
        return self.shown_name or self.title or gettext("image %(id)s") % {"id": str(self.id)[-8:]}


class Lineage(Record):
    """An asset's parent: the image that an edit, an upscale or a variation was made from."""

    child = ForeignKey(Asset, on_delete=models.PROTECT, related_name="parent_links")
    parent = ForeignKey(Asset, on_delete=models.PROTECT, related_name="child_links")
    relationship = models.CharField(
        max_length=12, choices=[("parentOf", "parent"), ("inputTo", "input")]
    )

    class Meta:
        verbose_name = _("lineage")
        verbose_name_plural = _("lineages")
        constraints = [
            models.UniqueConstraint(fields=["child", "parent"], name="imagegen_lineage_once"),
            models.CheckConstraint(
                condition=~Q(child=models.F("parent")), name="imagegen_lineage_not_own_parent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.parent} → {self.child}"


class Rendition(Record):
    """A derived file of an asset."""

    asset = ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="renditions", verbose_name=_("asset")
    )
    format = models.CharField(_("format"), max_length=8)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    sha256 = models.CharField(_("SHA-256"), max_length=64, db_index=True)
    storage_key = models.CharField(_("storage key"), max_length=200)
    byte_size = models.PositiveBigIntegerField(_("bytes"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("rendition")
        verbose_name_plural = _("renditions")
        constraints = [
            models.UniqueConstraint(
                fields=["asset", "format", "width"], name="imagegen_rendition_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.format} {self.width}x{self.height}"


class Verdict(Record):
    """What a screener or a person decided about a prompt, an input or an output."""

    job = ForeignKey(Job, on_delete=models.PROTECT, related_name="verdicts", verbose_name=_("job"))
    asset = ForeignKey(
        Asset,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="verdicts",
        verbose_name=_("asset"),
    )
    stage = models.CharField(
        _("checked content"),
        max_length=8,
        choices=[
            ("prompt", _("Prompt")),
            ("input", _("Input image")),
            ("output", _("Output image")),
            ("caption", _("Suggested alternative text")),
        ],
    )
    screener = models.CharField(_("content check"), max_length=80)
    outcome = models.CharField(_("outcome"), max_length=8, choices=choices(VerdictOutcome))
    categories: models.JSONField[Any, Any] = models.JSONField(
        _("categories"), default=list, blank=True
    )
    #: Scores by category, as text, since the audit log accepts no floats.
    scores: models.JSONField[Any, Any] = models.JSONField(_("scores"), default=dict, blank=True)
    #: The checked part as a code: `prompt`, `negative_prompt`, `input_image:2`.
    part = models.CharField(_("checked part"), max_length=80, blank=True)
    remedy = models.CharField(_("what to do"), max_length=300, blank=True)
    #: What the screener's call cost, in the job's currency.
    cost = money(verbose_name=_("cost"), default=0)
    #: The version of the service's model that decided.
    model = models.CharField(_("model"), max_length=200, blank=True)
    #: What nobody can release: such a verdict blocks, and no later decision changes that.
    hard_category = models.CharField(
        _("hard category"), max_length=20, blank=True, choices=choices(HardCategory)
    )
    #: Of an image in a hard category: the hash of the file, which itself is never stored.
    content_sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True, db_index=True)
    decided_by = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    created_at = models.DateTimeField(_("decided"), auto_now_add=True)

    class Meta:
        verbose_name = _("verdict")
        verbose_name_plural = _("verdicts")
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="imagegen_verdict_newest"),
            models.Index(
                fields=["outcome", "-created_at", "-id"], name="imagegen_verdict_outcome_at"
            ),
            models.Index(fields=["screener", "-created_at"], name="imagegen_verdict_screener"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=[o.value for o in VerdictOutcome]),
                name="imagegen_verdict_outcome",
            ),
            models.CheckConstraint(
                condition=Q(hard_category="") | Q(outcome=VerdictOutcome.BLOCKED.value),
                name="imagegen_verdict_hard_is_blocked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.screener}: {self.get_outcome_display()}"
