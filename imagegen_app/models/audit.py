"""Store the tamper-evident log: events, erasable personal texts, leaves, tiles, checkpoints."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from imagegen_app.core.ids import uuid7
from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey

#: From the least to the most severe.
SEVERITIES = [
    ("info", _("Info")),
    ("notice", _("Notice")),
    ("warning", _("Warning")),
    ("alarm", _("Alarm")),
]
#: The kinds of actors, see `core.actors`.
ACTOR_KINDS = [("person", _("person")), ("system", _("system"))]


class AuditEvent(Record):
    """One event of the log; inserted in the transaction of its change and never updated.

    `body` is the canonical JSON text that is hashed; the other columns are copies for queries,
    which verification compares with it. They are plain columns instead of foreign keys, since an
    event remains when its object is deleted.
    """

    is_audit_table: ClassVar[bool] = True

    uid = models.UUIDField(_("identifier"), unique=True, default=uuid7, editable=False)
    at = models.DateTimeField(_("time"))
    type = models.CharField(_("event"), max_length=60)
    severity = models.CharField(_("severity"), max_length=8, choices=SEVERITIES)
    actor_kind = models.CharField(_("kind of actor"), max_length=10, choices=ACTOR_KINDS)
    actor_id = models.CharField(_("actor"), max_length=64)
    object_type = models.CharField(_("kind of object"), max_length=40, blank=True)
    object_id = models.CharField(_("object"), max_length=64, blank=True)
    job_id = models.UUIDField(_("job"), null=True, blank=True, db_index=True)
    asset_id = models.UUIDField(_("asset"), null=True, blank=True, db_index=True)
    request_id = models.CharField(_("request ID"), max_length=64, blank=True)
    body = models.TextField(_("body"))

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        default_permissions = ("view",)
        permissions = [
            ("export_audit", "Can export the audit log"),
            ("verify_audit", "Can verify the audit log"),
            ("erase_personal_data", "Can erase personal data"),
        ]
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="imagegen_event_object"),
            models.Index(fields=["-at", "-id"], name="imagegen_event_newest"),
            # Not the column's own index: PostgreSQL would get a second one for patterns.
            models.Index(fields=["type", "at"], name="imagegen_event_type"),
            models.Index(fields=["severity", "-at", "-id"], name="imagegen_event_severity"),
            # All that one person did, and all that one request did.
            models.Index(fields=["actor_id", "-at", "-id"], name="imagegen_event_actor"),
            models.Index(fields=["request_id"], name="imagegen_event_request"),
        ]

    def __str__(self) -> str:
        return self.type


class AuditPersonalText(Record):
    """Personal text of an event, and the salt of its commitment.

    Erasure blanks text, salt and person, and says by which event; the row stays, so that a text
    that is missing without an erasure is found.
    """

    is_audit_table: ClassVar[bool] = True

    # The unique constraint below begins with it.
    event = ForeignKey(
        AuditEvent, on_delete=models.PROTECT, related_name="personal_texts", db_index=False
    )
    field = models.CharField(max_length=40)
    subject = models.CharField(_("person"), max_length=80)
    salt = models.BinaryField(max_length=16)
    value = models.TextField()
    #: The identifier (`uid`) of the erasure's event; None while the text exists.
    erased_by = models.UUIDField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("personal text")
        verbose_name_plural = _("personal texts")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["event", "field"], name="imagegen_personal_text_once"),
        ]
        indexes = [models.Index(fields=["subject"], name="imagegen_personal_text_subject")]

    def __str__(self) -> str:
        return f"{self.field} of event {self.event_id}"


class AuditPending(Record):
    """An event that has no position in the log yet."""

    is_audit_table: ClassVar[bool] = True

    event = models.OneToOneField(
        AuditEvent, on_delete=models.PROTECT, primary_key=True, related_name="pending"
    )
    #: Hex of a keyed hash of the body: shows that the application wrote it, see `event_receipts`.
    receipt = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("event to seal")
        verbose_name_plural = _("events to seal")
        default_permissions = ()

    def __str__(self) -> str:
        return f"event {self.event_id}"


class AuditLeaf(Record):
    """An event's position in the log, assigned by sealing; without gaps from 0, insert only."""

    is_audit_table: ClassVar[bool] = True

    seq = models.PositiveBigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, on_delete=models.PROTECT, related_name="leaf")
    hash = models.BinaryField(max_length=32)
    #: Hex of a keyed hash of position and hash: shows that the sealer wrote it, see
    #: `event_receipts`. It counts until a signed checkpoint covers the position.
    receipt = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("leaf")
        verbose_name_plural = _("leaves")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.seq)


class AuditTile(Record):
    """Up to 256 hashes of one level of the tree; a tile is rewritten until it is full."""

    is_audit_table: ClassVar[bool] = True

    level = models.PositiveSmallIntegerField()
    index = models.PositiveBigIntegerField()
    data = models.BinaryField()

    class Meta:
        verbose_name = _("tile")
        verbose_name_plural = _("tiles")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["level", "index"], name="imagegen_tile_once"),
        ]

    def __str__(self) -> str:
        return f"{self.level}/{self.index}"


class Checkpoint(Record):
    """A signed statement of the log's size and root hash."""

    is_audit_table: ClassVar[bool] = True

    size = models.PositiveBigIntegerField(_("events"))
    root = models.CharField(_("root hash"), max_length=64)
    note = models.TextField(_("signed note"))
    #: Part of the note, too.
    created_at = models.DateTimeField(_("signed at"))

    class Meta:
        verbose_name = _("checkpoint")
        verbose_name_plural = _("checkpoints")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["-size"], name="imagegen_checkpoint_largest")]

    def __str__(self) -> str:
        return ngettext("%(number)s entry", "%(number)s entries", self.size) % {"number": self.size}


class CheckpointCopy(Record):
    """A copy of a checkpoint in a place outside of this database."""

    is_audit_table: ClassVar[bool] = True

    # The unique constraint below begins with it.
    checkpoint = ForeignKey(
        Checkpoint, on_delete=models.PROTECT, related_name="copies", db_index=False
    )
    #: Name of the place in `AUDIT["PUBLISH_TO"]`.
    place = models.CharField(_("place"), max_length=60)
    published_at = models.DateTimeField(_("published at"))

    class Meta:
        verbose_name = _("copy of a checkpoint")
        verbose_name_plural = _("copies of checkpoints")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["checkpoint", "place"], name="imagegen_checkpoint_copy_once"
            ),
        ]
        indexes = [models.Index(fields=["place", "published_at"], name="imagegen_copy_newest")]

    def __str__(self) -> str:
        return self.place


class LogKeyHandover(Record):
    """A key of the log that was replaced, and the note with which both keys say so."""

    is_audit_table: ClassVar[bool] = True

    #: The retired key, as a verifier key line.
    vkey = models.CharField(_("public key"), max_length=255, unique=True)
    size = models.PositiveBigIntegerField(_("events"))
    note = models.TextField(_("signed note"))
    retired_at = models.DateTimeField(_("retired at"))

    class Meta:
        verbose_name = _("retired key of the log")
        verbose_name_plural = _("retired keys of the log")
        default_permissions = ()

    def __str__(self) -> str:
        return self.vkey
