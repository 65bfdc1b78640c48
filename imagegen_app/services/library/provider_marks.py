"""Tell which marks of its provider an image bears: declared, found in the file, found by the provider."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _

from imagegen_app.core import data_handling
from imagegen_app.core.checked_marks import CheckedMark
from imagegen_app.core.errors import ProviderError
from imagegen_app.imaging.manifests import INTACT_STATES
from imagegen_app.models import Asset
from imagegen_app.services.foundation import clock, event_log, stored_messages
from imagegen_app.services.foundation.local_times import format_minute
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import mark_checks, storage
from imagegen_app.services.gateways.adapters import ProviderNotConfigured
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

PERMISSION: Final = "export_audit"


class MarksNotChecked(access.ActionRefused):
    """The provider was not asked about its marks, or did not tell."""

    code = "marks_not_checked"


def can_check(actor: Actor, asset: Asset) -> bool:
    """Return whether the actor may have the provider asked about an image."""
    return (
        access.has_permission(actor, PERMISSION)
        and not asset.hard_category
        and mark_checks.is_allowed(asset.attempt.image_model.provider)
    )


def check(*, actor: Actor, asset: Asset) -> dict[str, list[CheckedMark]]:
    """Ask the provider which of its marks it finds in the original and in the published file.

    Both are sent to it. What it says is stored on the asset, and recorded in the log.

    :raises NotPermitted: without the permission to export the log.
    :raises ClosedForGood: if the image was found in a hard category.
    :raises MarksNotChecked: if the account does not allow it, or the provider does not tell.
    :raises StorageUnavailable: if a file of the image cannot be read at present.
    :raises ImageFileMissing: if one is missing.
    """
    access.require_permission(actor, PERMISSION)
    closed_content.require_open_asset(asset)
    provider = asset.attempt.image_model.provider
    if not mark_checks.is_allowed(provider):
        raise MarksNotChecked(
            _("The provider was not asked."),
            reason=_("“%(provider)s” has no such check, or its account does not allow it.")
            % {"provider": provider.name},
            remedy=access.contact_sentence(),
        )
    with refuse_on_storage_failure(_("The provider was not asked.")):
        files = {
            "original": (storage.get(asset.original_storage_key), asset.original_media_type),
            "published": (storage.get(asset.storage_key), asset.media_type),
        }
    try:
        found = {
            name: list(mark_checks.check_file(provider, data, media_type=media_type))
            for name, (data, media_type) in files.items()
        }
    except (ProviderError, ProviderNotConfigured) as error:
        raise MarksNotChecked(
            _("The provider did not tell which marks it finds."),
            reason=" ".join(
                filter(None, (stored_messages.translate_stored(str(error)), _detail_of(error)))
            ),
            remedy=_("Try again later; nothing was recorded."),
        ) from None
    _store(actor=actor, asset=asset, found=found)
    return found


def _detail_of(error: Exception) -> str:
    detail = getattr(error, "detail", "")
    return f"({detail})" if detail else ""


@use_case()
def _store(*, actor: Actor, asset: Asset, found: dict[str, list[CheckedMark]]) -> None:
    document = {
        "checked_at": clock.now().isoformat(),
        "provider": asset.attempt.image_model.provider.slug,
        "sha256": {"original": asset.original_sha256, "published": asset.sha256},
        "files": {name: [one.as_dict() for one in marks] for name, marks in found.items()},
    }
    is_broken = not is_intact(asset.c2pa_state)
    is_missing = is_broken or _is_mark_lost(asset, found)
    Asset.objects.filter(pk=asset.pk).update(mark_check=document, has_mark_problem=is_missing)
    asset.mark_check, asset.has_mark_problem = document, is_missing
    event_log.record(
        actor,
        "asset.marks_checked",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={
            "provider": document["provider"],
            "sha256": asset.sha256,
            "original_sha256": asset.original_sha256,
            "marks": document["files"],
        },
    )


def is_intact(state: str) -> bool:
    """Return whether a file's Content Credentials are there and whole, by their state."""
    return state in INTACT_STATES


def _is_mark_lost(asset: Asset, found: dict[str, list[CheckedMark]]) -> bool:
    """Return whether a mark that the provider declares was not found where it has to be.

    In the published file our own Content Credentials stand in place of the provider's.
    """
    declared = set(asset.declared_marks.get("marks", []))
    return any(
        one.kind in declared and not one.is_found and (name == "original" or one.kind != "c2pa")
        for name, marks in found.items()
        for one in marks
    )


def document_of(asset: Asset) -> dict[str, Any]:
    """Return what is known, for an evidence pack: told apart by who says it."""
    return {
        "declared_by_provider": asset.declared_marks,
        "found_in_the_file_on_arrival": {
            "c2pa": asset.provider_credentials.get("state", "none"),
            "whole_in_the_published_file": asset.is_provider_embedded,
        },
        "found_by_the_provider": asset.mark_check,
        "note": "That a watermark is declared does not show that it is there, and that a check does "
        "not find one does not show that it is not.",
    }


def lines(asset: Asset) -> list[tuple[str, str]]:
    """Return labels and sentences about the provider's marks, in the reader's language."""
    found = [(_("Declared by the provider"), _declared(asset))]
    if not asset.mark_check:
        return found
    asked = datetime.fromisoformat(asset.mark_check["checked_at"])
    found.append((_("Provider asked"), format_minute(asked)))
    stored = asset.mark_check.get("files", {})
    labels = {"original": _("the original"), "published": _("the published file")}
    for name, label in labels.items():
        marks = [CheckedMark.from_dict(one) for one in stored.get(name, [])]
        found.append((_("Found by the provider in %(file)s") % {"file": label}, _checked(marks)))
    return found


def _declared(asset: Asset) -> str:
    if not asset.declared_marks:
        return _("unknown")
    marks = ", ".join(_name(one) for one in asset.declared_marks.get("marks", []))
    day = asset.declared_marks.get("checked_on", "")
    if not marks:
        return _("none (as of %(day)s)") % {"day": day}
    return _("%(marks)s (as of %(day)s; not checked in this image)") % {"marks": marks, "day": day}


def _checked(marks: list[CheckedMark]) -> str:
    return "; ".join(
        (
            _("%(mark)s found (%(details)s)")
            if one.is_found
            else _("%(mark)s not found, which proves nothing")
        )
        % {
            "mark": _name(one.kind),
            "details": ", ".join(filter(None, (one.state, one.issuer, one.model))) or "-",
        }
        for one in marks
    )


def _name(kind: str) -> str:
    return _(data_handling.MARKS.get(kind, kind))
