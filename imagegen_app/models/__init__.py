"""Tables: fields, constraints and querysets; no input or output, and no policy."""

from __future__ import annotations

from imagegen_app.models.assets import Asset, Lineage, Placement, Rendition, Verdict
from imagegen_app.models.audit import (
    AuditEvent,
    AuditLeaf,
    AuditPending,
    AuditSecret,
    AuditTile,
    Checkpoint,
)
from imagegen_app.models.base import Record, RecordQuerySet
from imagegen_app.models.batches import Batch
from imagegen_app.models.catalog import Grant, ImageModel, Provider
from imagegen_app.models.jobs import Attempt, Job, JobInput
from imagegen_app.models.money import Budget, BudgetPeriod, LedgerEntry
from imagegen_app.models.pacing import Breaker, Throttle
from imagegen_app.models.templates import PromptTemplate, TemplateVersion
from imagegen_app.models.workers import Pulse, WebhookDelivery, Worker

__all__ = [
    "Asset",
    "Attempt",
    "AuditEvent",
    "AuditLeaf",
    "AuditPending",
    "AuditSecret",
    "AuditTile",
    "Batch",
    "Breaker",
    "Budget",
    "BudgetPeriod",
    "Checkpoint",
    "Grant",
    "ImageModel",
    "Job",
    "JobInput",
    "LedgerEntry",
    "Lineage",
    "Placement",
    "PromptTemplate",
    "Provider",
    "Pulse",
    "Record",
    "RecordQuerySet",
    "Rendition",
    "TemplateVersion",
    "Throttle",
    "Verdict",
    "WebhookDelivery",
    "Worker",
]
