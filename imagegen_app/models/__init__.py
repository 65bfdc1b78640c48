"""The app's models: fields, constraints and querysets; business rules are in `services`."""

from __future__ import annotations

from imagegen_app.models.answers import KeptAnswer
from imagegen_app.models.asset_details import AltText, AssetRating, FormerFile
from imagegen_app.models.assets import (
    Asset,
    Lineage,
    Rendition,
    Verdict,
)
from imagegen_app.models.attempts import Attempt
from imagegen_app.models.audit import (
    AuditEvent,
    AuditLeaf,
    AuditPending,
    AuditPersonalText,
    AuditTile,
    Checkpoint,
    CheckpointCopy,
    LogKeyHandover,
)
from imagegen_app.models.base import Record, RecordQuerySet
from imagegen_app.models.batch_work import RequestedRerun, ScheduledPlacement
from imagegen_app.models.batches import Batch
from imagegen_app.models.brand_kits import BrandKit, BrandKitVersion
from imagegen_app.models.catalog import Grant, ImageModel, Provider
from imagegen_app.models.credentials import RevokedCredential
from imagegen_app.models.job_inputs import JobInput
from imagegen_app.models.jobs import Job
from imagegen_app.models.library import (
    AssetSearchText,
    AssetTag,
    Collection,
    CollectionItem,
    SavedView,
    Tag,
)
from imagegen_app.models.money import Budget, BudgetPeriod, LedgerEntry
from imagegen_app.models.outbox import OutboxEntry
from imagegen_app.models.pacing import CircuitBreaker, Incident, RateLimitState
from imagegen_app.models.placements import OutdatedDismissal, Placement
from imagegen_app.models.preferences import MailPreference
from imagegen_app.models.previews import JobPreview
from imagegen_app.models.sessions import StudioSession
from imagegen_app.models.templates import (
    PromptTemplate,
    TemplateFavourite,
    TemplateGroup,
    TemplateVersion,
)
from imagegen_app.models.text_calls import TextCall, WrittenColumn, WrittenText
from imagegen_app.models.uploaded_tables import UploadedTable, UploadedTableRow
from imagegen_app.models.workers import PeriodicRun, WebhookDelivery, Worker
from imagegen_app.models.workflows import WorkflowVersion

__all__ = [
    "AltText",
    "Asset",
    "AssetRating",
    "AssetSearchText",
    "AssetTag",
    "Attempt",
    "AuditEvent",
    "AuditLeaf",
    "AuditPending",
    "AuditPersonalText",
    "AuditTile",
    "Batch",
    "BrandKit",
    "BrandKitVersion",
    "Budget",
    "BudgetPeriod",
    "Checkpoint",
    "CheckpointCopy",
    "CircuitBreaker",
    "Collection",
    "CollectionItem",
    "FormerFile",
    "Grant",
    "ImageModel",
    "Incident",
    "Job",
    "JobInput",
    "JobPreview",
    "KeptAnswer",
    "LedgerEntry",
    "Lineage",
    "LogKeyHandover",
    "MailPreference",
    "OutboxEntry",
    "OutdatedDismissal",
    "PeriodicRun",
    "Placement",
    "PromptTemplate",
    "Provider",
    "RateLimitState",
    "Record",
    "RecordQuerySet",
    "Rendition",
    "RequestedRerun",
    "RevokedCredential",
    "SavedView",
    "ScheduledPlacement",
    "StudioSession",
    "Tag",
    "TemplateFavourite",
    "TemplateGroup",
    "TemplateVersion",
    "TextCall",
    "UploadedTable",
    "UploadedTableRow",
    "Verdict",
    "WebhookDelivery",
    "Worker",
    "WorkflowVersion",
    "WrittenColumn",
    "WrittenText",
]
