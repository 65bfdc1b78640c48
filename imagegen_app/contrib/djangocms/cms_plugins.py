"""Offer generated images in django CMS."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cms.plugin_base import CMSPluginBase
from cms.plugin_pool import plugin_pool
from django.utils.translation import gettext_lazy as _

from imagegen_app.contrib.djangocms import page_history, page_texts
from imagegen_app.contrib.djangocms.models import GeneratedImage
from imagegen_app.core.states import ReviewState
from imagegen_app.forms.fields import AssetChoiceField
from imagegen_app.models import Asset
from imagegen_app.services.library import review_requests
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.db.models import Field
    from django.http import HttpRequest


@plugin_pool.register_plugin
class GeneratedImagePlugin(CMSPluginBase):  # type: ignore[misc]  # the CMS has no types
    """A generated image with its caption and its AI label."""

    model = GeneratedImage
    name = _("Generated image")
    module = _("AI images")
    render_template = "imagegen_app/djangocms/generated_image.html"
    text_enabled = True
    # An image may be withdrawn at any time, without a change of the page.
    cache = False
    fieldsets = [
        (None, {"fields": ["asset", "alt_text", "is_decorative", "caption"]}),
        (_("Layout"), {"classes": ["collapse"], "fields": ["is_wide", "loads_eagerly"]}),
    ]

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer only assets that the person may see."""
        if db_field.name == "asset":
            return AssetChoiceField(
                actor=access.actor_for(request.user), required=False, label=db_field.verbose_name
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_form(
        self, request: HttpRequest, obj: GeneratedImage | None = None, **kwargs: Any
    ) -> Any:
        """Offer the current image too, and disable the choice for people who may not place images."""
        form = super().get_form(request, obj, **kwargs)
        field = form.base_fields.get("asset")
        if field is None:
            return form
        if obj is not None and obj.asset_id:
            # Otherwise saving another field of the form would silently clear this one.
            field.queryset = field.queryset | Asset.objects.filter(pk=obj.asset_id)
        _select_of(field).history = page_history.history_url(request, obj)
        _select_of(field).texts = page_texts.place_of(request, obj)
        if not access.has_permission(access.actor_for(request.user), "place_asset"):
            field.disabled = True
            field.help_text = _("You do not have permission to place images. %(contact)s") % {
                "contact": access.contact_sentence()
            }
        return form

    def save_model(
        self, request: HttpRequest, obj: GeneratedImage, form: Any, change: bool
    ) -> None:
        """Save the plugin; an image that visitors may not see yet asks for its review."""
        super().save_model(request, obj, form, change)
        if obj.asset is not None and obj.asset.review_state == ReviewState.PENDING.value:
            # It may wait already, and who may place no images has not chosen it.
            with suppress(access.ActionRefused):
                review_requests.request_review(
                    actor=access.actor_for(request.user), asset=obj.asset
                )

    def render(self, context: Any, instance: GeneratedImage, placeholder: Any) -> Any:
        """Show an approved image to everybody, and any other image to editors alone."""
        context = super().render(context, instance, placeholder)
        request = context.get("request")
        toolbar = getattr(request, "toolbar", None)
        editing = bool(toolbar and (toolbar.edit_mode_active or toolbar.preview_mode_active))
        staff = bool(request and request.user.is_authenticated and request.user.is_staff)
        asset = instance.asset
        context["asset"] = asset
        context["alt"] = instance.alt
        context["preview"] = editing and staff
        context["waits"] = (
            editing
            and staff
            and asset is not None
            and asset.review_state != ReviewState.APPROVED.value
        )
        context["is_empty"] = editing and asset is None
        return context


def _select_of(field: Any) -> Any:
    """Return the list of a field, which the CMS may have wrapped to add links to other forms."""
    return getattr(field.widget, "widget", field.widget)
