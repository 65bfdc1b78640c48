"""The page of one asset: decisions first, then the image and all that is known of it, in panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.exceptions import NotRegistered
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import EMPTY, definition_list, link
from imagegen_app.admin.owned import closed_badge, closed_notice, timeline
from imagegen_app.admin.withdrawals import WithdrawalAdmin
from imagegen_app.forms.admin_urls import admin_url, find_admin_url
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.foundation.local_times import format_day, format_minute
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import alt_texts, delivery, lineage, review_requests, summary
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset, Placement

#: The width of the image on the page, and of those in strips.
_LARGE, _SMALL = 1280, 320
#: Images of one strip.
_MOST_TILES = 12


class AssetPageAdmin(WithdrawalAdmin):
    """The page of an asset; its raw fields are one click deeper."""

    change_form_template = "imagegen_app/admin/records/asset.html"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("id", "job", "attempt", "position", "created_at"),
                    *("title", "alt_text", "alt_suggestion", "is_decorative"),
                    *("focal_x", "focal_y", "colour", "seed"),
                    *("media_type", "width", "height", "byte_size", "sha256", "original_sha256"),
                    *("phash", "digital_source_type", "c2pa_state", "c2pa_signer"),
                    *("is_parent_reduced", "marked_at", "stamped_at"),
                ]
            },
        ),
        (
            gettext_lazy("Review"),
            {
                "fields": [
                    *("review_state", "review_requested_at", "review_request_note"),
                    *("sent_back_at", "escalated_at", "reviewed_by", "reviewed_at"),
                    *("review_note", "rejection_reason", "is_label_required"),
                    *("is_intermediate", "hard_category", "files_removed_at"),
                ]
            },
        ),
    ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Add to the context what the panels show."""
        asset = kwargs.get("obj")
        if asset is not None:
            context["record"] = self._record(request, asset)
        return super().render_change_form(request, context, *args, **kwargs)

    def _record(self, request: HttpRequest, asset: Any) -> dict[str, Any]:
        """Return what the panels show of an asset; reading the prompt is recorded."""
        from imagegen_app.admin import mark_facts  # noqa: PLC0415 - a starting site shows nothing

        reader = asset.reader
        family = lineage.family_of(reader, asset)
        # The family comes with its files: see `get_queryset`.
        whole: Any = next((one for one in family.turn if one == asset), asset)
        placements = sorted(asset.placements.all(), key=lambda one: one.removed_at is not None)
        return {
            "picture": _picture(whole),
            "outstanding": self.outstanding_lines(asset),
            "story": summary.summarize(reader, asset),
            "prompt": _prompt(reader, asset),
            "revised": _revised_prompt(reader, asset),
            "words": _words(reader, asset),
            "strips": [
                (heading, key, [_tile(one, asset) for one in assets[:_MOST_TILES]])
                for heading, key, assets in (
                    (_("Made from"), "parents", family.parents),
                    (_("Images of this request"), "turn", family.turn),
                    (_("Made from this image"), "children", family.children),
                )
                if assets and assets != [asset]
            ],
            "placements": [self._place(request, one) for one in placements],
            "renditions": [
                (
                    one.format.upper(),
                    f"{one.width} \N{MULTIPLICATION SIGN} {one.height}",
                    _size(one),
                )
                for one in sorted(whole.renditions.all(), key=lambda r: (r.format, r.width))
            ],
            "marks": mark_facts.stored_facts(asset),
            "origin": _origin(asset),
            "trail": timeline(asset.job),
        }

    def _place(self, request: HttpRequest, placement: Placement) -> dict[str, Any]:
        return {
            "name": _("%(content)s: %(field)s")
            % {
                "content": placement.object_label or placement.object_id,
                "field": _field_name(placement),
            },
            "is_shown": placement.removed_at is None,
            "placed": format_minute(placement.placed_at),
            "removed": format_minute(placement.removed_at) if placement.removed_at else "",
            "object_url": self._object_url(request, placement),
            "record_url": find_admin_url("imagegen_placement_change", placement.pk),
        }

    def _object_url(self, request: HttpRequest, placement: Placement) -> str:
        """Return where the object is edited; empty without its admin, or the permission to see it."""
        # From Django's own cache of them.
        model = ContentType.objects.get_for_id(placement.content_type_id).model_class()
        if model is None:
            return ""
        try:
            model_admin = self.admin_site.get_model_admin(model)
        except NotRegistered:
            return ""
        if not model_admin.has_view_or_change_permission(request):
            return ""
        meta = model._meta  # noqa: SLF001 - Django's documented API
        name = f"{self.admin_site.name}:{meta.app_label}_{meta.model_name}_change"
        return reverse(name, args=[placement.object_id])


def _field_name(placement: Placement) -> str:
    """Return what people call the field; a place of a page keeps its name."""
    model = ContentType.objects.get_for_id(placement.content_type_id).model_class()
    try:
        field = None if model is None else model._meta.get_field(placement.field)  # noqa: SLF001 - as above
    except FieldDoesNotExist:
        field = None
    return str(getattr(field, "verbose_name", placement.field))


def _picture(asset: Asset) -> SafeString:
    """Return the image; of one that was closed for good, all that can be said of it."""
    if asset.hard_category:
        return closed_notice(asset)
    return format_html(
        '<a href="{}" target="_blank" rel="noopener"><img src="{}" alt="{}" width="{}" height="{}"></a>',
        delivery.signed_url(asset),
        delivery.preview_url(asset, width=_LARGE),
        asset.alt_text or _("no alternative text yet"),
        asset.width,
        asset.height,
    )


def _prompt(reader: Person, asset: Asset) -> SafeString | str:
    root = pass_chain.root_job(asset.job)
    if root.prompt_erased_at is not None:
        return _("erased on %(day)s") % {"day": format_day(root.prompt_erased_at)}
    prompt = prompt_access.read_prompt(reader, root)
    if prompt is None:
        return _("You do not have permission to read other people's prompts.")
    return format_html('<p class="imagegen-prompt-text" dir="auto">{}</p>', prompt or EMPTY)


def _revised_prompt(reader: Person, asset: Asset) -> SafeString | str:
    """Return the prompt as reworded by the provider if the reader may see it; empty without one."""
    text = asset.attempt.revised_prompt
    if not text or prompt_access.read_prompt(reader, pass_chain.root_job(asset.job)) is None:
        return ""
    return format_html('<p class="imagegen-prompt-text" dir="auto">{}</p>', text)


def _words(reader: Person, asset: Asset) -> dict[str, Any]:
    """Return the alternative texts, and where they are written."""
    names = dict(alt_texts.further_languages())
    may_edit = review_requests.is_own(reader, asset) or access.has_permission(
        reader, "change_asset"
    )
    edit = find_admin_url("imagegen_alt_texts") if may_edit and not asset.hard_category else ""
    return {
        "text": asset.alt_text,
        "suggestion": "" if asset.alt_text else asset.alt_suggestion,
        "is_decorative": asset.is_decorative,
        "further": [
            (names.get(code, code), code, text)
            for code, text in sorted(alt_texts.texts_of(asset).items())
        ],
        "edit_url": f"{edit}?{urlencode({'asset': str(asset.pk)})}" if edit else "",
    }


def _tile(asset: Asset, shown: Asset) -> dict[str, Any]:
    return {
        "asset": asset,
        "badge": closed_badge(asset) if asset.hard_category else "",
        "url": "" if asset.hard_category else delivery.preview_url(asset, width=_SMALL),
        "page": admin_url("imagegen_asset_change", asset.pk),
        "compare": "",
        "is_shown": asset.pk == shown.pk,
    }


def _origin(asset: Asset) -> SafeString:
    """Return the job, the attempt and the provider's original file."""
    original = f"{asset.original_media_type}, {asset.original_byte_size / 1024:.0f} KB"
    return definition_list(
        [
            (_("Job"), link(admin_url("imagegen_job_change", asset.job_id), asset.job)),
            (
                _("Attempt"),
                link(admin_url("imagegen_attempt_change", asset.attempt_id), asset.attempt),
            ),
            (_("Provider's request ID"), asset.attempt.provider_request_id),
            (_("Seed"), "" if asset.seed is None else asset.seed),
            (_("Original"), f"{original}, {asset.original_sha256}"),
        ]
    )


def _size(file: Any) -> str:
    return f"{file.byte_size / 1024:.0f} KB"
