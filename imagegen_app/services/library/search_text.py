"""Keep the words by which images are found, in the transaction that changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.models import Asset, AssetSearchText
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

#: Images whose words are written with one statement.
_AT_ONCE = 500


@use_case(audited=False)
def renew(keys: Iterable[UUID]) -> None:
    """Write the words of these images anew; it is no change of its own and has no event.

    Call it inside the use case that changed a title, an alternative text, tags or a prompt.
    """
    wanted = list(keys)
    for start in range(0, len(wanted), _AT_ONCE):
        _renew(wanted[start : start + _AT_ONCE])


def _renew(keys: list[UUID]) -> None:
    assets = Asset.objects.filter(pk__in=keys).select_related(
        "job__root", "job__template_version__template", "attempt"
    )
    known = {row.asset_id: row for row in AssetSearchText.objects.filter(asset__in=keys)}
    added: list[AssetSearchText] = []
    changed: list[AssetSearchText] = []
    for asset in assets.prefetch_related("asset_tags__tag", "alt_texts").order_by(
        "created_at", "pk"
    ):
        row = known.get(asset.pk) or AssetSearchText(asset=asset)
        row.public_text, row.prompt_text = _public_text(asset), _prompt_text(asset)
        (changed if row.pk else added).append(row)
    if added:
        AssetSearchText.objects.bulk_create(added)
    if changed:
        AssetSearchText.objects.bulk_update(changed, ["public_text", "prompt_text"])


def _public_text(asset: Asset) -> str:
    version = asset.job.template_version
    tags = sorted(entry.tag.name for entry in asset.asset_tags.all())
    template = version.template.name if version else ""
    others = sorted(entry.text for entry in asset.alt_texts.all() if entry.text)
    texts = (asset.title, asset.alt_text, *others, template, *tags)
    return "\n".join(dict.fromkeys(filter(None, texts)))


def _prompt_text(asset: Asset) -> str:
    root = asset.job.root or asset.job
    texts = (root.prompt, asset.job.prompt, asset.attempt.revised_prompt)
    return "\n".join(dict.fromkeys(filter(None, texts)))
