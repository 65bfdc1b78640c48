"""Hold the alternative texts of assets: what people who cannot see an image are told, per language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Exists, OuterRef
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core import prompts, shots
from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.core.states import ReviewState
from imagegen_app.models import AltText, Asset
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import shot_choice
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import placed_texts, search_text
from imagegen_app.services.library.review_requests import is_own
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import TemplateVersion


class AltSuggestion(NamedTuple):
    """A text that is offered, and where it comes from: "captioner", "pattern" or "" for none."""

    text: str
    source: str


class NewAltText(NamedTuple):
    """What a person wrote for one asset."""

    asset: Asset
    text: str
    is_decorative: bool
    #: Texts in further languages, by code.
    others: Mapping[str, str]
    #: The placements whose objects get the new text, too, where the old one still stands.
    placements: Collection[int] = ()


class SavedTexts(NamedTuple):
    """How many images have new texts, and how many of their places got them, too."""

    images: int
    places: int


@use_case()
def set_alt_text(
    *,
    actor: Actor,
    asset: Asset,
    alt_text: str,
    is_decorative: bool = False,
    others: Mapping[str, str] | None = None,
    placements: Collection[int] = (),
) -> int:
    """Set an asset's alternative text, or mark it as decorative; return how many places got it, too.

    `others` are the texts in further languages by code; an empty one is removed, and a language that
    is not named keeps its text. `placements` are keys of those whose objects get the new text where
    the old one still stands and the actor may change them: see `placed_texts`.

    :raises NotPermitted: if the actor neither requested it nor may change assets.
    """
    return _change(
        actor, NewAltText(asset, alt_text, is_decorative, others or {}, placements)
    ).places


@use_case()
def set_each(*, actor: Actor, entries: Iterable[NewAltText]) -> SavedTexts:
    """Set the texts of several assets, all or none; return how many were changed, and where.

    :raises NotPermitted: at the first that the actor may not change.
    """
    saved = [_change(actor, one) for one in entries]
    return SavedTexts(sum(one.images for one in saved), sum(one.places for one in saved))


def text_for(asset: Asset, language: str | None = None) -> str:
    """Return the text in a language, by default the active one, else that of the site's own.

    A decorative image has none. Prefetch `alt_texts` for a list.
    """
    if asset.is_decorative:
        return ""
    code = language or get_language() or ""
    if code and not is_own_language(code):
        found = texts_of(asset)
        base = code.partition("-")[0]
        if text := found.get(code) or found.get(base):
            return text
    return str(asset.alt_text)


def texts_of(asset: Asset) -> dict[str, str]:
    """Return the texts in further languages than the site's own, by code."""
    return {one.language: one.text for one in asset.alt_texts.all() if one.text}


def further_languages() -> list[tuple[str, str]]:
    """Return code and name of each language of the site but its own."""
    return [(code, name) for code, name in conf.languages() if not is_own_language(code)]


def own_language() -> str:
    """Return the code of the site's own language."""
    return conf.language_code()


def language_codes() -> list[str]:
    """Return the codes of the site's own language and of the further ones."""
    return [own_language(), *(code for code, _name in further_languages())]


def own_language_name() -> str:
    """Return the name of the site's own language."""
    names = [name for code, name in conf.languages() if is_own_language(code)]
    return names[0] if names else conf.language_code()


def is_own_language(code: str) -> bool:
    """Return whether a code means the site's own language, in which the asset's own field is written."""
    own = conf.language_code()
    return code == own or code == own.partition("-")[0]


def suggested_text(asset: Asset, language: str = "") -> AltSuggestion:
    """Suggest a text: the captioner's, else the template's pattern with the values of the request.

    Images of a batch have the pattern's first: a catalogue is written in one way, and the table knows
    what the product is, which a captioner guesses. Never the values by themselves, which describe nothing. In a further language than the site's own
    there is the captioner's only. Prefetch `alt_texts` for a list.
    """
    if language and not is_own_language(language):
        found = next((one for one in asset.alt_texts.all() if one.language == language), None)
        text = "" if found is None else found.suggestion
        return AltSuggestion(text, "captioner" if text else "")
    if asset.alt_suggestion and asset.job.batch_id is None:
        return AltSuggestion(asset.alt_suggestion, "captioner")
    job = pass_chain.root_job(asset.job)
    version = job.template_version
    # Values that were erased give none.
    text = ""
    if version is not None:
        text = text_of_pattern(version, job.variables, shot=shot_choice.shot_label(job))
    if text:
        return AltSuggestion(text, "pattern")
    return AltSuggestion(asset.alt_suggestion, "captioner" if asset.alt_suggestion else "")


def text_of_pattern(version: TemplateVersion, values: Mapping[str, Any], *, shot: str = "") -> str:
    """Return the text that a version's pattern gives with the values of its variables; else none.

    Where it names the shot, that is called `shot`, as people call it.
    """
    if not version.alt_pattern:
        return ""
    try:
        variables = prompts.variables_from(version.variables)
        if version.shots and shots.names_shot(version.alt_pattern):
            pattern = shots.render_named(version.alt_pattern, variables, values, shot)
        else:
            pattern = prompts.render(version.alt_pattern, variables, values)
        return _cleaned(pattern.text)
    except prompts.PromptTemplateError:
        return ""


def described() -> QuerySet[Asset]:
    """Return the images that may be shown, and so need words or have them."""
    found: QuerySet[Asset] = Asset.objects.filter(
        is_intermediate=False,
        hard_category="",
        review_state__in=[ReviewState.PENDING.value, ReviewState.APPROVED.value],
    )
    return found


def needs_words(language: str = "") -> QuerySet[Asset]:
    """Return the images that nobody has described, in a language, or marked as decorative.

    Without a language: in the site's own. In a further one, those are found that have words in that.
    """
    if not language:
        found: QuerySet[Asset] = Asset.objects.filter(needs_words__in=[True])
        return found
    rows = described().filter(is_decorative=False)
    texts = AltText.objects.filter(asset=OuterRef("pk"), language=language).exclude(text="")
    return rows.exclude(alt_text="").exclude(Exists(texts))


def may_describe_any(actor: Actor) -> bool:
    """Return whether the actor may describe any images: their own, or all."""
    return any(access.has_permission(actor, name) for name in ("change_asset", "request_job"))


def missing_reason(asset: Asset) -> str:
    """Return why an image may not be published without words; empty if it may."""
    if not conf.get().review.require_alt_text or asset.is_decorative or asset.alt_text:
        return ""
    return _("It has no alternative text and is not marked as decorative.")


def _change(actor: Actor, entry: NewAltText) -> SavedTexts:
    """Store what a person wrote; return whether it differs from what was there, and where it went."""
    asset, is_decorative = entry.asset, entry.is_decorative
    if not is_own(actor, asset):
        access.require_permission(actor, "change_asset")
    # Read anew: a second tab may hold the asset as it was before the first one saved.
    stored = Asset.objects.select_for_update().get(pk=asset.pk)
    asset.alt_text, asset.is_decorative = stored.alt_text, stored.is_decorative
    before = placed_texts.texts_by_language(stored) if entry.placements else {}
    text = "" if is_decorative else _cleaned(entry.text)
    languages = _changed_languages(asset, {} if is_decorative else entry.others)
    is_changed = (asset.alt_text, asset.is_decorative) != (text, is_decorative)
    if not is_changed and not languages:
        return SavedTexts(0, 0)
    if is_changed:
        asset.alt_text, asset.is_decorative = text, is_decorative
        asset.save(update_fields=["alt_text", "is_decorative"])
    for code, other in languages.items():
        AltText.objects.update_or_create(asset=asset, language=code, defaults={"text": other})
    search_text.renew([asset.pk])
    suggestion = "" if is_decorative else _use_of(asset.alt_suggestion, text)
    suggested = dict(AltText.objects.filter(asset=asset).values_list("language", "suggestion"))
    uses = {code: _use_of(suggested.get(code, ""), other) for code, other in languages.items()}
    event_log.record(
        actor,
        "asset.changed",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={
            "is_decorative": is_decorative,
            **({"suggestion": suggestion} if suggestion else {}),
            **({"languages": sorted(languages)} if languages else {}),
            **({"suggestions": {k: v for k, v in uses.items() if v}} if any(uses.values()) else {}),
        },
        personal={"alt_text": "\n".join([text, *(f"{k}: {v}" for k, v in languages.items())])},
    )
    if not entry.placements:
        return SavedTexts(1, 0)
    changed = Asset.objects.get(pk=asset.pk)
    places = placed_texts.renew(
        actor=actor,
        asset=asset,
        before=before,
        after=placed_texts.texts_by_language(changed),
        placements=entry.placements,
    )
    return SavedTexts(1, places)


def _use_of(suggestion: str, text: str) -> str:
    """Return what a person made of a suggestion: `taken` or `changed`; empty if there was none."""
    if not suggestion:
        return ""
    return "taken" if text == suggestion else "changed"


def _changed_languages(asset: Asset, others: Mapping[str, str]) -> dict[str, str]:
    offered = {code for code, _name in further_languages()}
    stored = dict(AltText.objects.filter(asset=asset).values_list("language", "text"))
    wanted = {code: _cleaned(text) for code, text in others.items() if code in offered}
    return {code: text for code, text in wanted.items() if stored.get(code, "") != text}


def _cleaned(text: str) -> str:
    return " ".join(text.split())[:MAX_ALT_CHARS]
