"""Count what was made with templates: their requests, and how many of their images were approved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count

from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Job

if TYPE_CHECKING:
    from collections.abc import Collection

#: A withdrawn image was approved once.
APPROVED_STATES = frozenset({ReviewState.APPROVED.value, ReviewState.WITHDRAWN.value})


@dataclass(slots=True)
class TemplateUse:
    """What was made with a template, with all of its versions together."""

    request_count: int = 0
    approved_count: int = 0
    rejected_count: int = 0

    @property
    def approval_percent(self) -> int | None:
        """The share of the decided images that were approved; None before the first decision."""
        decided = self.approved_count + self.rejected_count
        return round(100 * self.approved_count / decided) if decided else None


def use_of_templates(keys: Collection[int]) -> dict[int, TemplateUse]:
    """Return what was made with each of these templates, with two queries."""
    found = {key: TemplateUse() for key in keys}
    requested = (
        Job.objects.filter(template_version__template__in=found, root__isnull=True)
        .order_by()
        .values_list("template_version__template")
    )
    for key, count in requested.annotate(count=Count("pk")):
        found[key].request_count = count
    decided = (
        Asset.objects.filter(
            job__template_version__template__in=found,
            is_intermediate=False,
            review_state__in=[*APPROVED_STATES, ReviewState.REJECTED.value],
        )
        .order_by()
        .values_list("job__template_version__template", "review_state")
    )
    for key, state, count in decided.annotate(count=Count("pk")):
        if state in APPROVED_STATES:
            found[key].approved_count += count
        else:
            found[key].rejected_count += count
    return found
