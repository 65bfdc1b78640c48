"""The withdrawal of an asset on its admin page: who may withdraw, and what is still to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.admin.owned import OwnedRecordAdmin
from imagegen_app.core.states import ReviewState
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.foundation.local_times import format_second
from imagegen_app.services.library import provider_marks, review
from imagegen_app.services.monitoring import withdrawal_status

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.models import Asset


class WithdrawalAdmin(OwnedRecordAdmin):
    """Assets of which some are withdrawn."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add to the context whether the person may withdraw the image now."""
        asset = kwargs.get("obj")
        context["can_withdraw"] = asset is not None and not review.refusal_reason(
            self.actor(request), asset, ReviewState.WITHDRAWN
        )
        context["can_check_marks"] = asset is not None and provider_marks.can_check(
            self.actor(request), asset
        )
        if asset is not None:
            from imagegen_app.admin import decisions  # noqa: PLC0415 - a starting site shows nothing

            # Decisions come first: the page's own bar, as on the review desk.
            context |= decisions.decision_context(self.actor(request), asset)
            context["asset"] = asset
            context["decide_url"] = admin_url("imagegen_desk_case", asset.pk)
        return super().render_change_form(request, context, *args, **kwargs)

    def outstanding_lines(self, asset: Asset) -> list[str]:
        """Return what a withdrawal or an erasure still has to do, with the last problem and the next try."""
        return [
            " ".join(
                filter(
                    None,
                    (
                        task.message,
                        task.problem,
                        _("Next try: %(moment)s.") % {"moment": format_second(task.next_try)}
                        if task.next_try
                        else "",
                    ),
                )
            )
            # In any state: an erasure leaves something to do, too, and caches may hold an image that
            # was withdrawn and approved again.
            for task in withdrawal_status.outstanding(asset)
        ]

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may withdraw any images."""
        permissions = ("approve_asset", "approve_own_asset", "withdraw_asset")
        return any(request.user.has_perm(f"imagegen.{name}") for name in permissions)
