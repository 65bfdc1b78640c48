"""Audit events, errors and stored messages are shown in the language of the reader."""

from __future__ import annotations

import re
from gettext import GNUTranslations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.utils.translation import gettext, override, pgettext

import imagegen_app
import imagegen_app.services.worker._decisions
import imagegen_app.services.worker.driver
from imagegen_app.core.actors import System
from imagegen_app.core.errors import ProviderError, all_errors
from imagegen_app.core.event_table import ROWS
from imagegen_app.core.states import JobState, ReviewState, VerdictOutcome
from imagegen_app.core.types import Operation, Size
from imagegen_app.imaging.errors import MESSAGES
from imagegen_app.models import AuditEvent, Grant
from imagegen_app.models.labels import LABELS
from imagegen_app.services.audit import descriptions, event_labels
from imagegen_app.services.audit._log_findings import Findings
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.policy import access, model_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.conftest import Site

LANGUAGES = ("de", "fr")
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
VALUE = re.compile(r"%\(\w+\)s|\{\w*\}|%s")
LOCALE = Path(imagegen_app.__file__).parent / "locale"
#: Labels that are spelt alike in English and the other language.
#: In German or French as in English.
SAME_SPELLING = {"Image", "Magenta", "Orange", "Pilot", "Text", "Turquoise", "Violet"}


def error_classes(kind: type[ProviderError] = ProviderError) -> Iterator[type[ProviderError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from error_classes(subclass)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_is_translated_with_the_same_placeholders(language: str) -> None:
    with override(language):
        translated = {row.name: gettext(row.sentence) for row in ROWS}

    assert [row.name for row in ROWS if translated[row.name] == row.sentence] == []
    wrong = [
        row.name
        for row in ROWS
        if set(PLACEHOLDER.findall(row.sentence)) != set(PLACEHOLDER.findall(translated[row.name]))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_stored_error_message_and_remedy_is_translated(language: str) -> None:
    stored = {
        sentence
        for kind in error_classes()
        if kind.__module__.startswith("imagegen_app.")
        for sentence in ((kind.__doc__ or "").split("\n", maxsplit=1)[0], kind.remedy)
    }

    assert stored - set(stored_messages.STORED) == set()
    with override(language):
        untranslated = [
            s
            for s in (*stored_messages.STORED, *MESSAGES.values())
            if stored_messages.translate_stored(s) == s
        ]
    assert untranslated == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_enumeration_value_has_a_translated_label(language: str) -> None:
    for kind, labels in LABELS.items():
        assert set(labels) == set(kind)
        with override("en"):
            english = {member: str(label) for member, label in labels.items()}
        with override(language):
            untranslated = [
                english[member]
                for member, label in labels.items()
                if str(label) == english[member] and english[member] not in SAME_SPELLING
            ]
        assert untranslated == []


def test_the_history_of_a_request_is_described_in_german(site: Site) -> None:
    job = site.request()
    with override("de"):
        history = descriptions.describe_job_history(job)
        state_label = job.get_state_display()

    assert "angefordert" in " ".join(entry.sentence for entry in history)
    assert state_label == "In der Warteschlange"
    assert AuditEvent.objects.filter(job_id=job.pk).count() == len(history)


def catalogue(language: str) -> dict[str, str]:
    """Return the translations of the app's own messages, by context and English text."""
    with (LOCALE / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        messages: dict[Any, str] = vars(GNUTranslations(file))["_catalog"]
    return {key if isinstance(key, str) else key[0]: text for key, text in messages.items() if key}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_loses_or_adds_a_placeholder(language: str) -> None:
    wrong = {
        message: text
        for message, text in catalogue(language).items()
        if set(VALUE.findall(message)) != set(VALUE.findall(text))
    }

    assert wrong == {}


def test_french_uses_typographic_apostrophes() -> None:
    straight = re.compile(r"[^\W\d_]'[^\W\d_]")

    assert [text for text in catalogue("fr").values() if straight.search(text)] == []


def test_a_word_with_two_meanings_has_two_translations() -> None:
    with override("fr"):
        assert str(LABELS[ReviewState][ReviewState.APPROVED]) == "Approuvée"
        assert pgettext("several images", "Approved") == "Approuvées"
        assert str(LABELS[JobState][JobState.BLOCKED]) == "Bloquée par le filtre de contenu"
        assert str(LABELS[VerdictOutcome][VerdictOutcome.BLOCKED]) == "Bloqué"


def test_event_data_is_shown_with_labels_instead_of_stored_values() -> None:
    with override("de"):
        assert event_labels.object_label("imagemodel", "12") == "Bildmodell 12"
        assert event_labels.object_label("unknown_model", "12") == "unknown_model 12"
        assert event_labels.actor_label("person", "7") == "Person 7"
        assert event_labels.value_label("outcome", "sent_again") == "erneut gesendet"
        assert event_labels.value_label("lifecycle", "canary") == "In Erprobung"
        assert event_labels.value_label("operations", "vary") == "Variante erzeugen"
        assert event_labels.value_label("reason_code", "pilot") == "der Pilotlauf ist fertig"
        assert (
            event_labels.value_label("error", "rate_limited")
            == "Das Anfragelimit des Anbieters ist erreicht"
        )
        assert event_labels.value_label("error", "code_of_the_site") == "code_of_the_site"


def test_every_error_code_has_a_label() -> None:
    with override("de"):
        unlabelled = [
            code for code in all_errors() if event_labels.value_label("error", code) == code
        ]

    assert unlabelled == []


def test_log_findings_are_shown_in_german_and_printed_in_english() -> None:
    findings = Findings()
    findings.add_gap(3, 4)
    findings.add_gap(3, 6, at_end=True)

    with override("de"):
        shown = [finding.translated for finding in findings.named]
        printed = [finding.message for finding in findings.named]

    assert shown == [
        "Eintrag 3 fehlt.",
        "Die Einträge 3 bis 5 fehlen am Ende des Protokolls.",
    ]
    assert printed == [
        "Entry 3 is missing.",
        "Entries 3 to 5 are missing at the end of the log.",
    ]


def test_a_refusal_shows_the_labels_of_the_operation_and_the_status(site: Site) -> None:
    requested: dict[str, Any] = {"size": Size(64, 64), "count": 1}
    grant = Grant.objects.get()
    grant.operations = ["generate"]
    model_catalog.save(actor=System("test"), record=grant)
    with override("de"):
        operation_reason = access.check_grant(
            site.actor, image_model=site.model, operation=Operation.VARY, **requested
        ).reason
        site.model.lifecycle = "draft"
        status_reason = access.check_grant(
            site.actor, image_model=site.model, operation=Operation.GENERATE, **requested
        ).reason

    assert "„Variante erzeugen“" in operation_reason
    assert status_reason.endswith("(Status: Entwurf).")
