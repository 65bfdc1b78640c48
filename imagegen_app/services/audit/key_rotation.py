"""Replace the key that signs the log; what the old key signed verifies for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core import log_keys, notes, translog
from imagegen_app.models import Checkpoint, LogKeyHandover
from imagegen_app.services.audit import log_key, sealing
from imagegen_app.services.audit._log_lock import session_lock, transaction_lock
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import publication_status
from imagegen_app.services.policy.access import require_permission

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from imagegen_app.core.actors import Actor


class CannotRotate(Exception):
    """The key was not replaced; the message says why."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """A replacement of the log's key."""

    #: Verifier key lines.
    old: str
    new: str
    size: int
    #: Whether `SIGNING_KEY` must be changed to the new key's file before the log is signed again.
    must_change_setting: bool


def rotate(actor: Actor, *, new_key: Path | None = None) -> Rotation:
    """Sign the log with the old key a last time, and hand it over to a new one.

    A key in the state folder is replaced by one that is created, and deleted. If `SIGNING_KEY`
    names the old key, `new_key` is the PEM file of the new one.

    :raises NotPermitted: without the permission to verify the log.
    :raises CannotRotate: if the new key is missing, or the log is damaged.
    :raises KeyUnreadable: if a key cannot be read or created.
    :raises SealerBusy: if another process seals for longer than we wait.
    """
    require_permission(actor, "verify_audit")
    is_configured = bool(conf.get().audit.signing_key)
    if is_configured and new_key is None:
        raise CannotRotate(
            "IMAGEGEN['AUDIT']['SIGNING_KEY'] names the key: give the file of the new one."
        )
    if new_key is not None and not is_configured:
        raise CannotRotate("The key is in the state folder, where the new one is created, too.")
    try:
        sealing.seal_all()
    except sealing.LogDamaged as error:
        raise CannotRotate(str(error)) from None
    # This also finishes a replacement that was cut short.
    if sealing.make_checkpoint(actor, force=True) is None:
        refusal = "The log is damaged and was not signed; verify it."
        raise CannotRotate(f"{refusal} {publication_status.restore_remedy()}")
    new = log_key.next_key() if new_key is None else log_key.read_key(new_key)
    with session_lock():
        handover = _hand_over(actor, new)
    if new_key is None:
        log_key.use_next_key()
    return Rotation(handover.old, handover.new, handover.size, must_change_setting=is_configured)


@use_case()
def _hand_over(actor: Actor, new: Ed25519PrivateKey) -> log_keys.Handover:
    transaction_lock()
    size = sealing.log_size()
    root, now = translog.TileReader(sealing.fetch_tile).root(size), clock.now()
    known = {entry.vkey for entry in log_key.ring().keys}
    if log_key.vkey_of(new) in known:
        raise CannotRotate("The new key has signed this log before: a key is not used again.")
    try:
        handover = log_keys.sign_handover(
            origin=conf.get().audit.origin,
            size=size,
            root=root,
            old=log_key.signing_key(),
            new=new,
            at=now,
        )
    except notes.MalformedNote as error:
        raise CannotRotate(f"The key cannot be replaced: {error}.") from None
    Checkpoint.objects.create(size=size, root=root.hex(), note=handover.note, created_at=now)
    LogKeyHandover.objects.create(vkey=handover.old, size=size, note=handover.note, retired_at=now)
    event_log.record(
        actor, "log.key_replaced", data={"size": size, "old": handover.old, "new": handover.new}
    )
    return handover
