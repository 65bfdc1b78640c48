"""Refuse to publish pages with unapproved images, and keep placements up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cms.models import PageContent, Placeholder
from django.contrib.contenttypes.models import ContentType
from django.db.models.signals import post_delete
from django.utils.translation import gettext as _
from djangocms_versioning.constants import OPERATION_PUBLISH, OPERATION_UNPUBLISH
from djangocms_versioning.exceptions import ConditionFailed
from djangocms_versioning.models import StateTracking, Version
from djangocms_versioning.signals import post_version_operation, pre_version_operation

from imagegen_app.contrib.djangocms.models import GeneratedImage
from imagegen_app.core.actors import Actor, System
from imagegen_app.core.states import ReviewState
from imagegen_app.services.library import alt_texts, placement
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

DJANGOCMS_ACTOR = System("djangocms")


def connect() -> None:
    """Add the check to djangocms-versioning; calling it again changes nothing."""
    checks = Version.check_publish
    if _require_approved not in getattr(checks, "functions", checks):
        checks.append(_require_approved)
    pre_version_operation.connect(_before, dispatch_uid="imagegen.djangocms.before")
    post_version_operation.connect(_after, dispatch_uid="imagegen.djangocms.after")
    post_delete.connect(_deleted, sender=PageContent, dispatch_uid="imagegen.djangocms.deleted")


def images_on(content: Model) -> QuerySet[GeneratedImage]:
    """Return the generated images in all placeholders of a page's content."""
    kind = ContentType.objects.get_for_model(content)
    slots = Placeholder.objects.filter(content_type=kind, object_id=content.pk)
    found: QuerySet[GeneratedImage] = GeneratedImage.objects.filter(
        placeholder__in=slots, asset__isnull=False
    ).select_related("asset__job")
    return found


def _require_approved(version: Any, _user: Any) -> None:
    unapproved = [
        image
        for image in images_on(version.content)
        if image.asset is None or image.asset.review_state != ReviewState.APPROVED.value
    ]
    if unapproved:
        raise ConditionFailed(
            _("The page cannot be published: %(number)s of its generated images are not approved.")
            % {"number": len(unapproved)}
        )
    wordless = [image for image in images_on(version.content) if _lacks_words(image)]
    if wordless:
        raise ConditionFailed(
            _(
                "The page cannot be published: %(number)s of its generated images have no "
                "alternative text."
            )
            % {"number": len(wordless)}
        )


def _lacks_words(image: GeneratedImage) -> bool:
    if image.alt is not None or image.asset is None:
        return False  # The page's own words, or its own mark that the image is decorative.
    return bool(alt_texts.missing_reason(image.asset))


def _before(*, operation: str, obj: Any, **_kwargs: Any) -> None:
    # The admin runs the check itself; code that publishes directly does not.
    if operation == OPERATION_PUBLISH:
        _require_approved(obj, None)


def _after(*, operation: str, obj: Any, **_kwargs: Any) -> None:
    if operation == OPERATION_PUBLISH:
        _record(obj)
    elif operation == OPERATION_UNPUBLISH:
        placement.remove_all_from(actor=DJANGOCMS_ACTOR, target=obj.content)


def _deleted(*, instance: Any, **_kwargs: Any) -> None:
    placement.remove_all_from(actor=DJANGOCMS_ACTOR, target=instance)


def _publisher(version: Any) -> Actor:
    """Return who published a version, who may be another person than its author."""
    # djangocms-versioning writes this row before it sends the signal, which names no user.
    tracking = StateTracking.objects.filter(version=version).select_related("user").last()
    user = version.created_by if tracking is None else tracking.user
    if user is None or not user.is_active:
        return DJANGOCMS_ACTOR
    person = access.actor_for(user)
    return person if access.has_permission(person, "place_asset") else DJANGOCMS_ACTOR


def _record(version: Any) -> None:
    """Record a placement for each image of a published page."""
    actor = _publisher(version)
    for image in images_on(version.content):
        if image.asset is None:
            continue
        placement.record_placement(
            actor=actor,
            asset=image.asset,
            target=version.content,
            field=f"{image.placeholder.slot}:{image.position}",
            value=str(image.asset.pk),
        )
