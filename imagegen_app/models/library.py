"""Store what makes a library of images: words to search, tags, collections and saved views."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.assets import Asset
from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey


class AssetSearchText(Record):
    """The words by which an image is found, kept beside it in one row that has an index of its own.

    On PostgreSQL that is a trigram index, on SQLite a table of FTS5 that triggers keep; other
    databases read row by row.
    """

    asset = models.OneToOneField(
        Asset, on_delete=models.PROTECT, related_name="search_text", verbose_name=_("asset")
    )
    #: Title, alternative text, template and tags: for everybody who may see the image.
    public_text = models.TextField(blank=True)
    #: The prompts that it was made from: for those who may read them.
    prompt_text = models.TextField(blank=True)

    class Meta:
        verbose_name = _("search text")
        verbose_name_plural = _("search texts")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.asset)


class Tag(Record):
    """A word that people put on images, shared by all."""

    #: As people read it; the same in other letters is the same tag.
    name = models.CharField(_("name"), max_length=60)
    key = models.CharField(max_length=60, unique=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class AssetTag(Record):
    """A tag on an image."""

    asset = ForeignKey(Asset, on_delete=models.PROTECT, related_name="asset_tags")
    tag = ForeignKey(Tag, on_delete=models.PROTECT, related_name="asset_tags", db_index=False)

    class Meta:
        verbose_name = _("tag of an asset")
        verbose_name_plural = _("tags of assets")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["tag", "asset"], name="imagegen_asset_tag_once"),
        ]

    def __str__(self) -> str:
        return f"{self.asset}: {self.tag}"


class Collection(Record):
    """Images that somebody gathered under a name, for themselves or for all."""

    name = models.CharField(_("name"), max_length=80)
    owner = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_collections",
        verbose_name=_("owner"),
    )
    is_shared = models.BooleanField(_("shared with all"), default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("collection")
        verbose_name_plural = _("collections")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="imagegen_collection_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class CollectionItem(Record):
    """An image in a collection."""

    collection = ForeignKey(
        Collection, on_delete=models.PROTECT, related_name="items", db_index=False
    )
    asset = ForeignKey(Asset, on_delete=models.PROTECT, related_name="collection_items")

    class Meta:
        verbose_name = _("image of a collection")
        verbose_name_plural = _("images of collections")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "asset"], name="imagegen_collection_item_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.collection}: {self.asset}"


class SavedView(Record):
    """A filter of the library that a person gave a name."""

    owner = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_saved_views",
    )
    name = models.CharField(_("name"), max_length=60)
    #: The filter as the address of the library holds it.
    query = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="imagegen_saved_view_name_once"),
        ]

    def __str__(self) -> str:
        return self.name
