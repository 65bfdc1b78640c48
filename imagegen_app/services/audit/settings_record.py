"""Record with which settings the site runs, whenever they differ from those last recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from imagegen_app import conf
from imagegen_app.core import canonical
from imagegen_app.models import AuditEvent
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

_KINDS: Final = ("site.started", "config.changed")
#: Characters of a summary's hash that the sentence shows.
_SHOWN: Final = 12
#: Names in one list of the summary, at most: an event's size is limited.
_MOST_NAMES: Final = 200


@use_case()
def record_settings(actor: Actor) -> bool:
    """Record the settings that decide who may do what; return whether they had changed.

    The first time, `site.started` is recorded, and later `config.changed` with what differs.
    """
    present = summary()
    digest = canonical.digest(present)
    last = AuditEvent.objects.filter(type__in=_KINDS).order_by("-pk").first()
    recorded = None if last is None else _recorded(last.body)
    if recorded is None:
        event_log.record(actor, "site.started", data={"settings_hash": digest, "settings": present})
        return True
    if recorded["settings_hash"] == digest:
        return False
    before = recorded["settings"]
    event_log.record(
        actor,
        "config.changed",
        data={
            "before": recorded["settings_hash"][:_SHOWN],
            "after": digest[:_SHOWN],
            "settings_hash": digest,
            "changes": {
                name: {"before": before.get(name), "after": present.get(name)}
                for name in sorted(before.keys() | present.keys())
                if before.get(name) != present.get(name)
            },
            "settings": present,
        },
    )
    return True


def _recorded(body: str) -> dict[str, Any] | None:
    """Return what was recorded last; None if somebody changed it, so that all is recorded again."""
    try:
        data: Any = json.loads(body)["data"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("settings"), dict):
        return None
    return data if isinstance(data.get("settings_hash"), str) else None


def summary() -> dict[str, Any]:
    """Return the settings that decide who may do what, what is checked and what is marked.

    Only settings that are listed here, so that no secret can come in: no options of the site's
    own classes, no source of a key, no path and no address but the hosts that may receive a key.
    """
    site = conf.get()
    return {
        "superuser_bypass": site.superuser_bypass,
        "require_second_reviewer": site.require_second_reviewer,
        "engine": site.engine,
        "storage": site.storage,
        "adapters": _names(f"{name}: {path}" for name, path in site.adapters.items()),
        "credentials": _names(
            f"{name}: {', '.join(sorted(entry.hosts))}" for name, entry in site.credentials.items()
        ),
        "provider_origins": _names(site.provider_origins),
        "trusted_origins": _names(site.trusted_origins),
        "input_origins": _names(site.input_origins),
        "screeners": [
            f"{one.name}: {one.backend} ({', '.join(one.stages)}; {one.on_error})"
            for one in site.screeners[:_MOST_NAMES]
        ],
        "captioner": site.captioner.backend,
        "text_model": site.text_model.backend,
        "targets": _names(site.targets),
        "signing": {
            "certificate": bool(site.c2pa.certificate),
            "algorithm": site.c2pa.algorithm,
            "time_stamps": bool(site.c2pa.tsa_url),
            "trust_anchors": bool(site.c2pa.trust_anchors),
        },
        "marks": {
            "include_prompt": site.marks.include_prompt,
            "include_names": site.marks.include_names,
            "forbid_ai_training": site.marks.forbid_ai_training,
        },
        "log": {
            "origin": site.audit.origin,
            "signing_key": bool(site.audit.signing_key),
            "published": bool(site.audit.publish_to),
            "record_sign_ins": site.audit.record_sign_ins,
        },
        "keep_original_inputs": site.images.keep_original_inputs,
        "keep_answers_days": site.spool.keep_days,
        "uploaded_table_days": site.uploaded_table_days,
    }


def _names(found: Any) -> list[str]:
    return sorted(str(one) for one in found)[:_MOST_NAMES]
