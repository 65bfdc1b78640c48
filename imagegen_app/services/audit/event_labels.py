"""Labels for the raw values in audit events: objects, actors, codes and states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.states import Lifecycle, VerdictOutcome, WaitingReason
from imagegen_app.core.types import Operation
from imagegen_app.models.audit import ACTOR_KINDS
from imagegen_app.models.labels import choices
from imagegen_app.models.money import PURPOSES, SCOPES
from imagegen_app.services.foundation import error_help

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise

#: What people call some kinds of rows, where the tables have a word of their own.
_WORDS = {"asset": gettext_lazy("image"), "attempt": gettext_lazy("call")}
#: The same in the middle of a sentence, where it is clear which one is meant.
_KNOWN = {
    "asset": gettext_lazy("the image"),
    "attempt": gettext_lazy("the call"),
    "batch": gettext_lazy("the batch"),
    "job": gettext_lazy("the job"),
}
_ACTOR_KINDS = dict(ACTOR_KINDS)
_LIFECYCLES = dict(choices(Lifecycle))
_OPERATIONS = dict(choices(Operation))
#: Labels of values by data key and value; a value that is not listed is shown as it is.
VALUES: dict[str, Mapping[str, _StrPromise]] = {
    "decision": dict(choices(VerdictOutcome)),
    "hard_category": dict(choices(HardCategory)),
    "lifecycle": _LIFECYCLES,
    "operation": _OPERATIONS,
    "operations": _OPERATIONS,
    "purpose": dict(PURPOSES),
    "scope": dict(SCOPES),
    "because": {
        "step": _("the previous pass produced no image"),
    },
    "error": {
        "fewer_images": _("fewer images than requested"),
        "forged": _("invalid signature"),
        "never_accepted": _("the call never reached the provider"),
        "not_granted": _("The requester no longer has a grant for this model."),
        "request_gone": _("Data that the job needs no longer exists."),
        "images_not_stored": _("The storage did not take the images before the job's deadline."),
        "input_missing": _(
            "The file of an input image is missing from the storage; nothing was sent."
        ),
        "inputs_unreadable": _(
            "The storage did not give the input images before the job's deadline; nothing was sent."
        ),
        "internal_error": _("The site's own software failed unexpectedly."),
        "worker_lost_repeatedly": _("The worker crashed three times on this job."),
    },
    "finding": {
        "tree_not_continued": _("it does not continue what was signed"),
        "changed_body": _("an event was changed"),
        "changed_column": _("a column of an event was changed"),
        "changed_leaf": _("a leaf was changed"),
        "changed_text": _("a personal text was changed"),
        "checkpoint": _("a checkpoint does not fit the log"),
        "deleted_event": _("an event was deleted"),
        "gap": _("entries are missing"),
        "missing_leaf": _("an event has no position"),
        "missing_text": _("a personal text is gone without an erasure"),
        "no_receipt": _("entries were not written by the application"),
        "published": _("the published checkpoint cannot be trusted"),
        "rollback": _("the log is shorter than what was signed"),
        "tile_mismatch": _("a tile was changed"),
        "unrecorded_erasure": _("more or fewer texts are erased than recorded"),
    },
    "ground": {
        "all of one person": _("all texts of one person"),
        "erased with the prompt": _("erased with the prompt"),
        "deleted by its owner": _("deleted by its owner"),
        "older than allowed": _("older than they are kept"),
        "the prompt of one job": _("the prompt of one job"),
    },
    "kind": {
        "audit events": _("audit events"),
        "evidence pack": _("evidence pack"),
        "images": _("images"),
        "original": _("original"),
        "published": _("published file"),
    },
    "outcome": {
        "applied": _("applied"),
        "closed": _("closed, counted as billed"),
        "ignored": _("nothing to do"),
        "sent_again": _("sent again"),
    },
    "reason_code": {
        "blocks": _("too many rows blocked by the content check"),
        "budget": _("the remaining budget does not cover the next rows"),
        "spending_limit": _("the spending limit is reached"),
        "failures": _("too many rows failed"),
        "images": _("the server of the rows' images does not answer"),
        "internal_error": _("the site's own software failed"),
        "person": _("paused by a person"),
        "pilot": _("the pilot is complete"),
        "refused": _("the next rows were refused"),
    },
    "rule": {
        "invalid_pass": _("invalid follow-up pass"),
        "currency_mismatch": _("the budget has another currency"),
        "invalid_job_request": _("invalid request"),
        "no_price": _("no price"),
        "not_granted": _("no valid grant"),
        "not_permitted": _("no permission"),
        "over_budget": _("over budget"),
    },
    "waiting_for": dict(choices(WaitingReason)),
    "stage": {
        "caption": _("suggested alternative text"),
        "input": _("input image"),
        "output": _("output image"),
        "prompt": _("prompt"),
        "unknown": _("unknown"),
    },
}


def value_label(fact: str, value: str) -> str:
    """Return the label of a value under a data key, in the reader's language."""
    labels = VALUES.get(fact, {})
    if value in labels:
        return str(labels[value]).rstrip(".")
    return (error_help.error_title(value) if fact == "error" else "") or value


def object_label(kind: str, key: str, *, name: str = "") -> str:
    """Return the label of an event's object: what it is, and its name or the end of its key."""
    if not key:
        return ""
    if kind == get_user_model()._meta.model_name:  # noqa: SLF001 - Django's documented API
        # As actors are named: an account is a person, whatever the site calls its model.
        return name or actor_label("person", key)
    try:
        model = apps.get_app_config("imagegen").get_model(kind)
        called = str(_WORDS.get(kind) or model._meta.verbose_name)  # noqa: SLF001 - Django's documented API
    except LookupError:
        called = kind
    if name:
        return gettext("%(kind)s “%(name)s”") % {"kind": called, "name": name}
    return f"{called} {key[-8:]}"


def known_object_label(kind: str, key: str) -> str:
    """Return the label of an object where the reader knows which one is meant."""
    known = _KNOWN.get(kind)
    return object_label(kind, key) if known is None else str(known)


def actor_label(kind: str, key: str) -> str:
    """Return the label of an actor: its kind and pseudonymous id."""
    return f"{_ACTOR_KINDS.get(kind, kind)} {key}"
