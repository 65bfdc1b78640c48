"""Find out whether the content checks of the settings can decide, and what they leave out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.hard_categories import HardCategory, InvalidHardCategory
from imagegen_app.services.gateways import screening
from imagegen_app.services.gateways.usable_credentials import CredentialUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.conf import ScreenerSettings

#: Harmless, and about nothing of the site's: services are asked about it by the doctor.
TRIAL_TEXT: Final = "A red mug on a wooden table"
_IMAGE_STAGES: Final = frozenset({"input", "output"})


@dataclass(frozen=True, slots=True)
class ScreenerFinding:
    """What the doctor found of one content check, or of all."""

    level: Literal["ok", "warning", "error"]
    message: str
    remedy: str = ""


def load_problem(entry: ScreenerSettings) -> str:
    """Return why a content check cannot be built from its settings; empty if it can.

    In our own words where the error is ours, or else only the name of its class.
    """
    try:
        screening.build_screener(entry, is_check=True)
    except (*screening.PLAIN_ERRORS, InvalidHardCategory, CredentialUnusable) as error:
        return str(error).rstrip(".")
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        return type(error).__name__
    return ""


def lacks_price(entry: ScreenerSettings) -> bool:
    """Return whether its calls are billed and nothing says how much; False if it cannot be built."""
    screener = _built(entry)
    return screener is not None and screening.lacks_price(entry, screener)


def _built(entry: ScreenerSettings) -> Any:
    """Return the screener of an entry; None if it cannot be built."""
    try:
        return screening.build_screener(entry, is_check=True)
    except Exception:  # noqa: BLE001 - see `load_problem`, which tells of it
        return None


def has_image_check() -> bool:
    """Return whether any content check looks at images."""
    return bool(_image_checks())


def _image_checks() -> list[ScreenerSettings]:
    """Return the content checks that are given images, and decide about them."""
    return [
        entry
        for entry in conf.get().screeners
        if _IMAGE_STAGES & set(entry.stages) and screening.judges_images(entry.backend)
    ]


def unseen_in_images() -> tuple[str, ...]:
    """Return the categories that the only content check of images judges in texts alone.

    Empty where there is none, or another one beside it.
    """
    entries = _image_checks()
    if len(entries) != 1:
        return ()
    return tuple(getattr(_built(entries[0]), "text_only_categories", ()))


def hard_categories_unseen_in_images() -> tuple[HardCategory, ...]:
    """Return the hard categories that no content check of images finds; nothing without such a check.

    A class of the site's own that does not tell is taken to find all of them.
    """
    entries = _image_checks()
    found: set[HardCategory] = set() if entries else set(HardCategory)
    for entry in entries:
        screener = _built(entry)
        if screener is None:
            return ()
        found |= set(getattr(screener, "image_hard_categories", HardCategory))
    return tuple(one for one in HardCategory if one not in found)


def screener_findings() -> Iterator[ScreenerFinding]:
    """Yield what is wrong; services that bill nothing are asked about one harmless sentence."""
    for entry in conf.get().screeners:
        values = {"name": entry.name}
        if problem := load_problem(entry):
            yield ScreenerFinding(
                "error",
                _("The content check %(name)s cannot be loaded: %(error)s.")
                % {**values, "error": problem},
                _("Jobs are refused until it works; check its settings."),
            )
        elif lacks_price(entry):
            yield ScreenerFinding(
                "error",
                _("The content check %(name)s is billed and has no price; it is not asked.")
                % values,
                _("Give it a PRICE in IMAGEGEN['SCREENERS']; until then it decides nothing."),
            )
        elif screening.is_hosted(entry.backend):
            yield _asked(entry)
    if not has_image_check():
        yield ScreenerFinding(
            "warning",
            _("No content check looks at images."),
            _("Add one to IMAGEGEN['SCREENERS'] with the stages input and output."),
        )
    elif categories := unseen_in_images():
        yield ScreenerFinding(
            "warning",
            _("The only content check of images does not judge these categories in them: %s.")
            % ", ".join(categories),
            _("Add a second one that does."),
        )
    if unseen := hard_categories_unseen_in_images():
        yield ScreenerFinding(
            "warning",
            _("No content check finds these hard categories in images: %s.") % ", ".join(unseen),
            _(
                "Name the service's categories for them in hard_categories, or add one that has them."
            ),
        )


def _asked(entry: ScreenerSettings) -> ScreenerFinding:
    values = {"name": entry.name}
    try:
        screener = screening.build_screener(entry)
    except CredentialUnusable as refusal:
        return ScreenerFinding(
            "error",
            _("The content check %(name)s cannot decide: %(error)s.")
            % {**values, "error": str(refusal).rstrip(".")},
            _("Jobs are refused until it works; check its settings."),
        )
    if Decimal(entry.price) or getattr(screener, "is_billed", False):
        return ScreenerFinding(
            "ok", _("The content check %(name)s is billed, so it was not asked.") % values
        )
    try:
        decision = screening.answer_within_limit(entry, lambda: screener.screen_text(TRIAL_TEXT))
        is_passed, categories = decision.outcome == "passed", ", ".join(decision.categories)
    except Exception as failure:  # noqa: BLE001 - a site's own class may raise and answer anything
        plain = str(failure) if isinstance(failure, screening.PLAIN_ERRORS) else ""
        return ScreenerFinding(
            "error",
            _("The content check %(name)s cannot decide: %(error)s.")
            % {**values, "error": plain or type(failure).__name__},
            _("Jobs are refused until it works; check its settings."),
        )
    if not is_passed:
        return ScreenerFinding(
            "warning",
            _("The content check %(name)s blocks a harmless sentence: %(categories)s.")
            % {**values, "categories": categories},
            _("Check its thresholds."),
        )
    return ScreenerFinding("ok", _("The content check %(name)s answers.") % values)
