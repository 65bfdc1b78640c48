"""Find images that wait for a review that nobody can give."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app import conf
from imagegen_app.models import Asset
from imagegen_app.services.policy import reviewers

if TYPE_CHECKING:
    from collections.abc import Iterator


class ReviewFinding(NamedTuple):
    """Why images are not reviewed, and what a site does about it."""

    message: str
    remedy: str


def review_findings() -> Iterator[ReviewFinding]:
    """Yield what keeps images from being approved; nothing if only the site's own code knows."""
    people = reviewers.reviewers()
    if people is None:
        return
    waiting = Asset.objects.awaiting_review()
    keys = list(people.values_list("pk", flat=True)[:2])
    if not keys and (count := waiting.count()):
        yield ReviewFinding(
            ngettext(
                "%(count)s image waits for review, and nobody may approve images.",
                "%(count)s images wait for review, and nobody may approve images.",
                count,
            )
            % {"count": count},
            _("Put an account into the group “Image reviewers”."),
        )
    if len(keys) != 1 or not conf.get().require_second_reviewer:
        return
    if count := waiting.filter(job__requester=keys[0]).count():
        yield ReviewFinding(
            ngettext(
                "%(count)s image waits for a second reviewer, and only its requester may approve images.",
                "%(count)s images wait for a second reviewer, and only their requester may approve images.",
                count,
            )
            % {"count": count},
            reviewers.remedy(),
        )
