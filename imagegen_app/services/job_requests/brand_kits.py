"""Store brand kits and their versions, and check what they say."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Max
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core import canonical, kit_values
from imagegen_app.core.actors import Person
from imagegen_app.core.types import Lora
from imagegen_app.models import Asset, BrandKit, BrandKitVersion, PromptTemplate
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.messages import sentence_of
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests.composition import LARGEST_SEED
from imagegen_app.services.job_requests.fixed_guides import require_visible_assets, unusable_reason
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Job

#: Templates that a refusal names.
_MAX_NAMED = 5


class KitInUse(ActionRefused):
    """Published templates inherit the kit."""

    code = "kit_in_use"


@dataclass(frozen=True, slots=True)
class KitDraft:
    """The content of a brand kit version that is not stored yet."""

    palette: Sequence[kit_values.PaletteColour] = ()
    #: Appended to each prompt.
    style_words: str = ""
    #: Terms that commas separate.
    negative_words: str = ""
    #: Assets of the library whose look is followed.
    references: Sequence[UUID] = ()
    #: Of requests that have no seed of their own; None for none.
    seed: int | None = None
    loras: Sequence[Lora] = ()
    note: str = ""


@use_case()
def create(*, actor: Actor, name: str, slug: str, draft: KitDraft) -> BrandKit:
    """Create a brand kit with a first version, which is published at once.

    :raises NotPermitted: if the actor may not add brand kits, or may not see a reference image.
    :raises InvalidRecord: if the short name is taken, or the draft is not valid.
    """
    access.require_permission(actor, "add_brandkit")
    kit = BrandKit(name=name, slug=slug)
    if BrandKit.objects.filter(slug=slug).exists():
        raise _slug_taken()
    try:
        with database.atomic():
            kit.save(force_insert=True)
    except IntegrityError:
        # Somebody else, or the same button pressed twice, was first.
        raise _slug_taken() from None
    event_log.record(actor, "brand_kit.created", subject=kit, data={"kit": slug})
    publish(actor=actor, kit=kit, draft=draft)
    return kit


@use_case()
def publish(*, actor: Actor, kit: BrandKit, draft: KitDraft) -> BrandKitVersion:
    """Add a version, and make it the one that new requests use.

    If the published version has this content already, it is returned and nothing changes.

    :raises NotPermitted: if the actor may not change brand kits, or may not see a reference image.
    :raises InvalidRecord: if the draft is not valid.
    """
    if kit.versions.exists():
        access.require_permission(actor, "change_brandkit")
    draft = cleaned(draft)
    check(draft)
    stored = BrandKit.objects.select_for_update().get(pk=kit.pk)
    before = KitDraft() if stored.current is None else draft_of(stored.current)
    require_visible_assets(actor, [one for one in draft.references if one not in before.references])
    if stored.current is not None and is_same(before, draft):
        kit.current = stored.current
        return stored.current
    last = kit.versions.aggregate(last=Max("number"))["last"] or 0
    version: BrandKitVersion = BrandKitVersion.objects.create(
        kit=kit,
        number=last + 1,
        **_columns(draft),
        note=draft.note[:200],
        created_by=actor.user if isinstance(actor, Person) else None,
    )
    kit.current = version
    kit.save(update_fields=["current"])
    event_log.record(
        actor,
        "brand_kit.version_published",
        subject=kit,
        data={"kit": kit.slug, "version": version.number, "digest": digest_of(version)},
        personal={"note": draft.note},
    )
    return version


@use_case()
def rename(*, actor: Actor, kit: BrandKit, name: str) -> None:
    """Change a brand kit's name.

    :raises NotPermitted: if the actor may not change brand kits.
    """
    access.require_permission(actor, "change_brandkit")
    stored = BrandKit.objects.select_for_update().get(pk=kit.pk)
    kit.name = name
    if stored.name == name:
        return
    kit.save(update_fields=["name"])
    event_log.record(
        actor,
        "brand_kit.changed",
        subject=kit,
        data={"kit": kit.slug, "before": stored.name, "after": name},
    )


@use_case()
def archive(*, actor: Actor, kit: BrandKit, archived: bool = True) -> None:
    """Archive a brand kit, or restore it with `archived=False`; its versions and jobs stay.

    :raises NotPermitted: if the actor may not change brand kits.
    :raises KitInUse: if published templates inherit it.
    """
    access.require_permission(actor, "change_brandkit")
    stored = BrandKit.objects.select_for_update().get(pk=kit.pk)
    kit.is_archived = archived
    if stored.is_archived == archived:
        return
    if archived:
        _require_unused(kit)
    kit.save(update_fields=["is_archived"])
    kind = "brand_kit.archived" if archived else "brand_kit.restored"
    event_log.record(actor, kind, subject=kit, data={"kit": kit.slug})


def cleaned(draft: KitDraft) -> KitDraft:
    """Return a draft with one kind of line end, and without spaces around its words."""
    # Browsers send form text with CRLF line ends.
    words = (
        text.replace("\r\n", "\n").strip() for text in (draft.style_words, draft.negative_words)
    )
    style, negative = words
    return replace(draft, style_words=style, negative_words=negative)


def check(draft: KitDraft) -> None:
    """Validate a draft.

    :raises InvalidRecord: if it is not valid; `field` names the part.
    """
    try:
        kit_values.read_palette([one.as_dict() for one in draft.palette])
    except kit_values.InvalidColour as error:
        raise InvalidRecord(sentence_of(error.message), field="palette") from None
    for field in ("style_words", "negative_words"):
        if len(getattr(draft, field)) > kit_values.MAX_WORDS_CHARS:
            reason = _("At most %(most)s characters.") % {"most": kit_values.MAX_WORDS_CHARS}
            raise InvalidRecord(reason, field=field)
    if draft.seed is not None and not 0 <= draft.seed <= LARGEST_SEED:
        reason = _("A seed must be between 0 and %(most)s.") % {"most": LARGEST_SEED}
        raise InvalidRecord(reason, field="seed")
    if len(draft.loras) > kit_values.MAX_LORAS:
        reason = _("At most %(most)s LoRA are accepted.") % {"most": kit_values.MAX_LORAS}
        raise InvalidRecord(reason, field="loras")
    _check_references(draft.references)


def draft_of(version: BrandKitVersion) -> KitDraft:
    """Return a version's content as a draft."""
    return KitDraft(
        palette=palette_of(version),
        style_words=version.style_words,
        negative_words=version.negative_words,
        references=tuple(UUID(one) for one in version.references),
        seed=version.seed,
        loras=tuple(Lora(**one) for one in version.loras),
        note=version.note,
    )


def palette_of(version: BrandKitVersion) -> tuple[kit_values.PaletteColour, ...]:
    """Return the colours of a brand kit."""
    return tuple(kit_values.PaletteColour(**one) for one in version.palette)


def digest_of(version: BrandKitVersion) -> str:
    """Return the digest of all that a version says, as its event and the evidence name it."""
    return canonical.digest(_columns(draft_of(version)) | {"loras": _lora_texts(version)})


def evidence_of(job: Job) -> dict[str, object] | None:
    """Return with which version of which kit a job was requested, and the digest of what it says."""
    version = job.brand_kit_version
    if version is None:
        return None
    # The event of the version's publication has the same digest.
    return {"kit": f"{version.kit.slug} v{version.number}", "digest": digest_of(version)}


def is_same(one: KitDraft, other: KitDraft) -> bool:
    """Return whether two drafts have the same content; the note does not count."""
    return _columns(one) == _columns(other)


def _columns(draft: KitDraft) -> dict[str, object]:
    return {
        "palette": [one.as_dict() for one in draft.palette],
        "style_words": draft.style_words,
        "negative_words": draft.negative_words,
        "references": [str(one) for one in draft.references],
        "seed": draft.seed,
        "loras": [asdict(one) for one in draft.loras],
    }


def _lora_texts(version: BrandKitVersion) -> list[str]:
    # Numbers with a fraction have no canonical form.
    return [f"{one['name']}={one['weight']:g}" for one in version.loras]


def _check_references(keys: Sequence[UUID]) -> None:
    if len(keys) > kit_values.MAX_REFERENCES:
        reason = _("At most %(most)s images are accepted.") % {"most": kit_values.MAX_REFERENCES}
        raise InvalidRecord(reason, field="references")
    assets = Asset.objects.in_bulk(list(keys)) if keys else {}
    for number, key in enumerate(keys, start=1):
        if key in keys[: number - 1]:
            reason = _("Reference %(number)s is there twice.") % {"number": number}
            raise InvalidRecord(reason, field="references")
        if reason := unusable_reason(assets.get(key)):
            text = _("Reference %(number)s cannot be used: %(reason)s")
            raise InvalidRecord(text % {"number": number, "reason": reason}, field="references")


def _require_unused(kit: BrandKit) -> None:
    users = PromptTemplate.objects.filter(is_archived=False, current__brand_kit=kit)
    names = list(users.order_by("name").values_list("name", flat=True)[: _MAX_NAMED + 1])
    if names:
        shown = ", ".join(names[:_MAX_NAMED]) + (" …" if len(names) > _MAX_NAMED else "")
        raise KitInUse(
            _("The brand kit was not archived."),
            reason=_("Published templates inherit it: %(names)s.") % {"names": shown},
            remedy=_("Publish them without it first, or archive them."),
        )


def _slug_taken() -> InvalidRecord:
    return InvalidRecord(_("A brand kit with this short name already exists."), field="slug")
