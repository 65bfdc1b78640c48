"""Widgets with a "Generate" button for image fields and asset fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import AdminFileWidget
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms import Script
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from imagegen_app.core.states import ReviewState
from imagegen_app.forms.admin_urls import find_admin_url
from imagegen_app.services.gateways import content_fields, storage
from imagegen_app.services.library import chooser, delivery, file_names
from imagegen_app.services.policy import access
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.actors import Person
    from imagegen_app.forms.image_actions import OperationLink
    from imagegen_app.models import Asset


class GeneratedUpload(SimpleUploadedFile):
    """An approved asset as the value of a file field, as if it had been uploaded."""

    def __init__(self, asset: Asset) -> None:
        super().__init__(
            file_names.file_name(asset),
            storage.get(asset.storage_key),
            content_type=asset.media_type,
        )
        self.asset = asset


class RejectedUpload(GeneratedUpload):
    """A selected image that may not be used; the form shows the reason."""

    def __init__(self, reason: str) -> None:
        SimpleUploadedFile.__init__(self, "refused", b"")
        self.reason = reason


class Media:
    """Styles and script of the widgets."""

    css = {
        "all": [
            "imagegen_app/css/tokens.css",
            "imagegen_app/css/parts.css",
            "imagegen_app/css/layout.css",
            "imagegen_app/css/studio.css",
        ]
    }
    js = [Script("imagegen_app/js/elements/field.js", type="module")]


class GeneratedImageWidget(AdminFileWidget):
    """Django's file widget with a link to the studio; the selected image is sent as a signed token."""

    template_name = "imagegen_app/admin/widgets/image.html"
    Media = Media

    def __init__(
        self,
        *,
        actor: Person,
        target: str,
        object_id: str = "",
        variables: Mapping[str, str] | None = None,
        attrs: dict[str, Any] | None = None,
        site: str = "",
    ) -> None:
        super().__init__(attrs=attrs)
        self.actor = actor
        self.target = target
        self.object_id = object_id
        #: Template variable to the name of a field of the same form.
        self.variables = dict(variables or {})
        #: Name of the admin site that the form is on.
        self.site = site

    def __deepcopy__(self, memo: dict[int, Any]) -> GeneratedImageWidget:
        copied = type(self)(
            actor=self.actor,
            target=self.target,
            object_id=self.object_id,
            variables=self.variables,
            attrs=dict(self.attrs),
            site=self.site,
        )
        copied.is_required = self.is_required
        memo[id(self)] = copied
        return copied

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        studio = find_admin_url("imagegen_studio", site=self.site)
        query = {"target": self.target} | ({"object": self.object_id} if self.object_id else {})
        context["widget"] |= {
            "token_name": token_name(name),
            "studio": f"{studio}?{urlencode(query)}",
            "library": _library_url(query, site=self.site),
            "variables": ",".join(f"{k}:{v}" for k, v in self.variables.items() if "." not in v),
            "may_generate": bool(studio) and access.has_permission(self.actor, "request_job"),
            "quick": self._quick_actions(value, query),
            "history": self._history_url(query),
        }
        return context

    def _quick_actions(self, value: Any, query: Mapping[str, str]) -> list[OperationLink]:
        """Return what can be done to the image that the field holds, ours or one that was uploaded."""
        instance = getattr(value, "instance", None)
        if not value or instance is None or not access.has_permission(self.actor, "request_job"):
            return []
        from imagegen_app.services.library import pictures  # noqa: PLC0415 - not for starting

        asset = pictures.placed_asset(instance, value.field.name)
        content = f"{self.target}:{instance.pk}" if asset is None else ""
        return _quick_links(
            self.actor, asset, carried=urlencode(query), site=self.site, content=content
        )

    def _history_url(self, query: Mapping[str, str]) -> str:
        """Return the address of the history of the object that is edited; empty for a new one."""
        page = find_admin_url("imagegen_object_history", site=self.site)
        return f"{page}?{urlencode(query)}" if page and self.object_id else ""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return the selected asset as an upload; a real upload takes precedence."""
        uploaded = super().value_from_datadict(data, files, name)
        token = str(data.get(token_name(name)) or "")
        if uploaded or not token:
            return uploaded
        try:
            access.require_permission(self.actor, "place_asset")
            asset = chooser.asset_from_token(actor=self.actor, token=token)
            if asset.review_state != ReviewState.APPROVED.value:
                return RejectedUpload(chooser.pending_message())
            with refuse_on_storage_failure(_("The image was not placed.")):
                return GeneratedUpload(asset)
        except access.ActionRefused as refusal:
            return RejectedUpload(str(refusal))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return bool(super().value_omitted_from_data(data, files, name)) and not data.get(
            token_name(name)
        )


class AssetSelect(forms.Select):
    """A choice of assets with a link to the studio."""

    template_name = "imagegen_app/admin/widgets/asset.html"
    Media = Media
    #: Who fills in the form; without it nothing can be done to the chosen asset.
    actor: Person | None = None
    #: Address of the AI history of the object that the form is about; empty for none.
    history: str = ""
    #: The place of the image, whose texts the studio may suggest a prompt from; empty for none.
    texts: str = ""

    def optgroups(
        self, name: str, value: list[str], attrs: dict[str, Any] | None = None
    ) -> list[Any]:
        """Return the options of the list, which has room for the newest, and the chosen one."""
        groups: list[Any] = super().optgroups(name, value, attrs)
        listed = {str(option["value"]) for _label, options, _n in groups for option in options}
        for key in value:
            chosen = None if key in listed else self._chosen(key)
            if chosen is not None:
                choices: Any = self.choices
                label = choices.choice(chosen)[1]
                option = self.create_option(name, key, label, True, len(groups), attrs=attrs)
                groups.append((None, [option], len(groups)))
        return groups

    def _chosen(self, value: Any) -> Asset | None:
        choices: Any = self.choices
        # A refused form shows again what was sent, which may be no key at all.
        key = content_fields.parse_key(choices.queryset.model, str(value)) if value else None
        found: Asset | None = None if key is None else choices.queryset.filter(pk=key).first()
        return found

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        chosen = self._chosen(value)
        may_generate = self.actor is None or access.has_permission(self.actor, "request_job")
        context["widget"] |= {
            "studio": self._studio_url() if may_generate else "",
            "library": _library_url({}),
            "preview": "" if chosen is None else delivery.preview_url(chosen),
            "preview_alt": "" if chosen is None else chosen.alt_text,
            "waits": chosen is not None and chosen.review_state != ReviewState.APPROVED.value,
            "quick": [] if chosen is None else self._quick_actions(chosen),
            "history": self.history,
        }
        return context

    def _studio_url(self) -> str:
        address = find_admin_url("imagegen_studio")
        query = urlencode({"texts": self.texts}) if self.texts else ""
        return f"{address}?{query}" if address and query else address

    def _quick_actions(self, asset: Asset) -> list[OperationLink]:
        return [] if self.actor is None else _quick_links(self.actor, asset)


def _library_url(query: Mapping[str, str], *, site: str = "") -> str:
    """Return the address of the library for choosing an image; empty where there is none."""
    address = find_admin_url("imagegen_library", site=site)
    return f"{address}?{urlencode(query)}" if address and query else address


def _quick_links(
    actor: Person, asset: Asset | None, *, carried: str = "", site: str = "", content: str = ""
) -> list[OperationLink]:
    from imagegen_app.forms import image_actions  # noqa: PLC0415 - not for starting

    if asset is None:
        offered = image_actions.offered_for_upload(actor)
    else:
        offered = image_actions.offered_for(actor, asset, among=image_actions.QUICK_OPERATIONS)
    links = [
        image_actions.operation_link(one, asset, carried=carried, site=site, content=content)
        for one in offered
    ]
    return [one for one in links if one.url]


def token_name(name: str) -> str:
    """Return the name of the hidden field that holds the signed token of a file field."""
    return f"{name}-generated"
