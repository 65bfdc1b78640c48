"""Offer "Generate images" for the objects that are selected in a change list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import HttpResponseRedirect
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from imagegen_app.forms.admin_urls import admin_url, find_admin_url
from imagegen_app.services.batches import lifecycle, selections
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class GenerateImagesAction:
    """A mixin for model admins: a batch of images for the selected objects.

    The model needs a field in `IMAGEGEN["TARGETS"]`; people need the permission to request images.
    """

    model: Any
    admin_site: Any

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Add the action where the model has a target."""
        # Django before 6.1 offers actions in one place, and takes no such argument.
        where = {} if action_location is None else {"action_location": action_location}
        actions: dict[str, Any] = super().get_actions(request, **where)  # type: ignore[misc]  # a mixin
        site = self.admin_site.name
        is_offered = bool(find_admin_url("imagegen_batch_new", site=site))
        if not is_offered or content_fields.target_for_field(self.model) is None:
            actions.pop("generate_images", None)
        return actions

    def has_generate_images_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may request images."""
        return bool(request.user.has_perm("imagegen.request_job"))

    @admin.action(description=_("Generate images…"), permissions=["generate_images"])
    def generate_images(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponseRedirect | None:
        """Sign the selection and go to the batch's page."""
        target = content_fields.target_for_field(self.model)
        if target is None:
            return None
        keys = queryset.order_by("pk").values_list("pk", flat=True)
        try:
            token = selections.dumps(
                actor=access.actor_for(request.user),
                target=target,
                keys=keys[: lifecycle.MAX_ROWS + 1],
            )
        except ActionRefused as refusal:
            messages.error(request, str(refusal))
            return None
        # A long selection fits into the session, but not into a URL.
        name = f"imagegen-selection-{target.path}"
        request.session[name] = token
        query = urlencode({"target": target.path})
        return HttpResponseRedirect(
            f"{admin_url('imagegen_batch_new', site=self.admin_site.name)}?{query}"
        )
