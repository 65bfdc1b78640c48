"""Brand kits and their versions in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.admin import kit_form
from imagegen_app.admin.base import EMPTY, RecordAdmin, definition_list, link
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import BrandKit, BrandKitVersion, ImageModel
from imagegen_app.services.foundation.local_times import format_day
from imagegen_app.services.job_requests import brand_kits, kit_checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from imagegen_app.core.kit_values import PaletteColour

#: Versions, templates and models that a kit's page lists.
_MAX_LISTED = 30


@admin.register(BrandKit)
class BrandKitAdmin(RecordAdmin):
    """Brand kits; each change of content is a new version."""

    is_writable = True
    list_display = ["name", "slug", "colours", "current", "is_archived"]
    list_filter = ["is_archived"]
    list_select_related = ["current__kit"]
    search_fields = ["name", "slug"]
    ordering = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["models_table", "templates", "versions"]
    actions = ["archive", "restore"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if not self.has_change_permission(request, obj) and not self.has_add_permission(request):
            shown = ["name", "slug", "content", "templates", "versions"]
            return [(None, {"fields": shown})]
        known = ["models_table", "templates", "versions"]
        return [
            (None, {"fields": ["name", "slug"]}),
            (_("Palette"), {"fields": ["palette"]}),
            (_("Words"), {"fields": ["style_words", "negative_words"]}),
            (_("Look"), {"fields": [*kit_form.REFERENCE_FIELDS, "seed", "loras"]}),
            (None, {"fields": ["version_note"]}),
            *([(_("Use"), {"fields": known})] if obj else []),
        ]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        # The form defines the other fields itself; Django must not look for them on the model.
        own = {"form": kit_form.KitForm, "fields": kit_form.KitForm.Meta.fields}
        form = super().get_form(request, obj, change=change, **{**kwargs, **own})
        # Which images may be chosen as references depends on the person.
        form.actor = self.actor(request)  # type: ignore[attr-defined]  # `KitForm` has it
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        known = ["models_table", "templates", "versions", "content"]
        return ["slug", *known] if obj else known

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else dict(self.prepopulated_fields)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        request.imagegen_draft = form.draft  # type: ignore[attr-defined]  # carried to `write`
        return super().save_form(request, form, change)

    def write(self, request: HttpRequest, obj: Any, *, change: bool) -> None:
        """Create the kit, or rename it and publish a version if its content changed."""
        actor, draft = self.actor(request), request.imagegen_draft  # type: ignore[attr-defined]  # see save_form
        if not change:
            created = brand_kits.create(actor=actor, name=obj.name, slug=obj.slug, draft=draft)
            obj.pk, obj.current = created.pk, created.current
            obj._state.adding = False  # noqa: SLF001 - the row is stored
            return
        stored = BrandKit.objects.select_related("current").get(pk=obj.pk)
        brand_kits.rename(actor=actor, kit=stored, name=obj.name)
        brand_kits.publish(actor=actor, kit=stored, draft=draft)

    def has_write_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may change brand kits."""
        return bool(request.user.has_perm("imagegen.change_brandkit"))

    @admin.display(description=gettext_lazy("palette"))
    def colours(self, obj: BrandKit) -> SafeString | str:
        """Return the colours of the published version as swatches."""
        return EMPTY if obj.current is None else swatches(brand_kits.palette_of(obj.current))

    @admin.display(description=gettext_lazy("content"))
    def content(self, obj: BrandKit) -> SafeString | str:
        """Return what the published version says, for people who may not change it."""
        return EMPTY if obj.current is None else described(obj.current)

    @admin.display(description=gettext_lazy("templates"))
    def templates(self, obj: BrandKit) -> SafeString | str:
        """Return links to the templates whose published version inherits the kit."""
        rows = (
            obj.template_versions.filter(current_of__isnull=False, template__is_archived=False)
            .select_related("template")
            .order_by("template__name")[:_MAX_LISTED]
        )
        links = (
            (link(admin_url("imagegen_prompttemplate_change", one.template_id), one),)
            for one in rows
        )
        return format_html_join(" · ", "{}", links) or _("No published template inherits it.")

    @admin.display(description=gettext_lazy("image models"))
    def models_table(self, obj: BrandKit) -> SafeString | str:
        """Return which models take all that the published version adds, and why others do not."""
        if obj.current is None:
            return EMPTY
        models = ImageModel.objects.filter(lifecycle__in=["active", "canary"])
        rows = [
            (model.name, kit_checks.unfit_reason(obj.current, model) or _("takes all of it"))
            for model in models.select_related("provider", "workflow").order_by("name")[
                :_MAX_LISTED
            ]
        ]
        if not rows:
            return EMPTY
        lines = format_html_join("", "<tr><td>{}</td><td>{}</td></tr>", rows)
        return format_html('<table class="imagegen-small">{}</table>', lines)

    @admin.display(description=gettext_lazy("versions"))
    def versions(self, obj: BrandKit) -> SafeString | str:
        """Return links to the newest versions."""
        rows = [
            (
                admin_url("imagegen_brandkitversion_change", one.pk),
                f"v{one.number}",
                format_day(one.created_at),
                one.note,
            )
            for one in obj.versions.order_by("-number")[:_MAX_LISTED]
        ]
        if not rows:
            return EMPTY
        lines = format_html_join("", '<li><a href="{}">{}</a>, {} {}</li>', rows)
        return format_html('<ul class="imagegen-story">{}</ul>', lines)

    @admin.action(description=gettext_lazy("Archive"), permissions=["write"])
    def archive(self, request: HttpRequest, queryset: QuerySet[BrandKit]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda actor, row: brand_kits.archive(actor=actor, kit=row),
            done=lambda n: (
                ngettext("%(n)s brand kit was archived.", "%(n)s brand kits were archived.", n)
                % {"n": n}
            ),
        )

    @admin.action(description=gettext_lazy("Restore"), permissions=["write"])
    def restore(self, request: HttpRequest, queryset: QuerySet[BrandKit]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda actor, row: brand_kits.archive(actor=actor, kit=row, archived=False),
            done=lambda n: (
                ngettext("%(n)s brand kit was restored.", "%(n)s brand kits were restored.", n)
                % {"n": n}
            ),
        )


@admin.register(BrandKitVersion)
class BrandKitVersionAdmin(RecordAdmin):
    """Immutable versions of brand kits."""

    list_display = ["kit", "number", "created_by", "created_at", "note"]
    list_filter = ["kit"]
    list_select_related = ["kit", "created_by"]
    ordering = ["kit__name", "-number"]
    fields = ["kit_link", "number", "content", "digest", "note", "created_by", "created_at", "jobs"]

    @admin.display(description=gettext_lazy("brand kit"))
    def kit_link(self, obj: BrandKitVersion) -> SafeString:
        """Return a link to the kit."""
        return link(admin_url("imagegen_brandkit_change", obj.kit_id), obj.kit)

    @admin.display(description=gettext_lazy("content"))
    def content(self, obj: BrandKitVersion) -> SafeString:
        """Return all that the version adds to requests."""
        return described(obj)

    @admin.display(description=gettext_lazy("digest"))
    def digest(self, obj: BrandKitVersion) -> str:
        """Return the digest by which the log and the evidence name the content."""
        return brand_kits.digest_of(obj)

    @admin.display(description=gettext_lazy("jobs"))
    def jobs(self, obj: BrandKitVersion) -> SafeString:
        """Return a link to the jobs requested with this version."""
        address = f"{admin_url('imagegen_job_changelist')}?brand_kit_version={obj.pk}"
        return link(address, _("Jobs with this brand kit"))


def swatches(palette: Sequence[PaletteColour]) -> SafeString | str:
    """Return colours as swatches with their names beside them."""
    rows = ((one.code, one.name, one.code) for one in palette)
    # A strict policy forbids inline styles: a picture of the colour needs none.
    lines = format_html_join(
        "",
        '<li><svg class="imagegen-swatch" viewBox="0 0 1 1" aria-hidden="true">'
        '<rect width="1" height="1" fill="{}"/></svg> {} <code>{}</code></li>',
        rows,
    )
    return format_html('<ul class="imagegen-swatches">{}</ul>', lines) if palette else EMPTY


def described(version: BrandKitVersion) -> SafeString:
    """Return what a version adds to requests, part by part."""
    links = (
        (link(admin_url("imagegen_asset_change", key), f"{number}"),)
        for number, key in enumerate(version.references, start=1)
    )
    return definition_list(
        [
            (_("Palette"), swatches(brand_kits.palette_of(version)) if version.palette else ""),
            (_("Style words"), version.style_words),
            (_("Negative words"), version.negative_words),
            (_("Reference images"), format_html_join(" · ", "{}", links)),
            (_("House seed"), "" if version.seed is None else version.seed),
            *(("LoRA", f"{one['name']} ({one['weight']:g})") for one in version.loras),
        ]
    )
