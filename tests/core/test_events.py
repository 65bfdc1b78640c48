from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen_app.core import canonical
from imagegen_app.core.actors import System
from imagegen_app.core.event_table import ROWS
from imagegen_app.core.events import (
    ABSENT,
    EVENTS,
    PERSONAL_EVERYWHERE,
    SEVERITIES,
    EventType,
    InvalidCommitment,
    InvalidParty,
    ObjectRef,
    PersonalDataInClear,
    UnknownEvent,
    build_body,
    event_type,
    make_commitment,
    matches_commitment,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

each_event = pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)

UID = UUID("0192f000-0000-7000-8000-000000000001")
AT = datetime(2026, 11, 20, 22, tzinfo=UTC)
SALT = bytes(range(16))

#: Names of events may be added, but not removed or renamed: audit logs contain them for years.
NEEDED = {
    "grant.created",
    "grant.changed",
    "grant.revoked",
    "grant.expired",
    "model.registered",
    "model.changed",
    "model.deprecated",
    "model.retired",
    "model.price_changed",
    "provider.created",
    "provider.changed",
    "template.created",
    "template.changed",
    "template.version_published",
    "template.archived",
    "budget.created",
    "budget.changed",
    "job.requested",
    "job.denied",
    "job.cached",
    "job.submitted",
    "job.accepted",
    "job.answered",
    "job.retried",
    "job.succeeded",
    "job.failed",
    "job.blocked",
    "job.cancelled",
    "job.cancel_requested",
    "job.expired",
    "job.became_uncertain",
    "job.resolved",
    "money.reserved",
    "money.charged",
    "money.released",
    "money.overage",
    "moderation.decided",
    "moderation.overridden",
    "review.approved",
    "review.rejected",
    "asset.created",
    "asset.withdrawn",
    "asset.downloaded",
    "asset.prompt_viewed",
    "placement.created",
    "placement.removed",
    "webhook.received",
    "webhook.applied",
    "webhook.refused",
    "log.verified",
    "log.verification_failed",
    "privacy.erased",
    "batch.created",
    "batch.finished",
    "batch.cancelled",
    "export.created",
    "site.started",
}


def body(**changes: Any) -> str:
    """Return the body of a typical event, with the given changes."""
    arguments: dict[str, Any] = {
        "uid": UID,
        "at": AT,
        "type": "job.requested",
        "actor": ObjectRef("person", "7"),
        "object": ObjectRef("job", "42"),
        "request_id": "req-1",
        "data": {"model": "painter-1", "count": 2, "price": Decimal("0.040")},
    }
    return build_body(**arguments | changes)


def test_every_needed_event_is_there() -> None:
    assert NEEDED - set(EVENTS) == set()


def test_no_event_is_listed_twice() -> None:
    assert len(EVENTS) == len(ROWS)


@each_event
def test_every_event_has_a_sentence_with_plain_placeholders(event: EventType) -> None:
    assert re.fullmatch(r"[A-Z{0-9][^\n]*\.", event.sentence)
    assert re.sub(r"\{[a-z_]+\}", "", event.sentence).count("{") == 0
    assert event.severity in SEVERITIES


@each_event
def test_no_sentence_contains_a_personal_field(event: EventType) -> None:
    assert set(event.placeholders) & set(event.personal) == set()


@each_event
def test_every_personal_field_is_named_once(event: EventType) -> None:
    assert len(event.personal) == len(set(event.personal))
    assert set(PERSONAL_EVERYWHERE) <= set(event.personal)


@each_event
def test_no_event_accepts_a_personal_field_in_clear(event: EventType) -> None:
    for field in event.personal:
        with pytest.raises(PersonalDataInClear, match=field):
            body(type=event.name, data={field: "Ada"})
        assert "Ada" not in body(
            type=event.name, data={}, commitments={field: make_commitment("Ada", SALT)}
        )


def test_an_event_knows_its_noun() -> None:
    assert event_type("log.verified").noun == "log"


def test_an_unknown_event_names_the_most_similar() -> None:
    with pytest.raises(UnknownEvent, match=r"the nearest is 'job\.succeeded'") as caught:
        event_type("job.suceeded")

    assert (caught.value.name, caught.value.nearest) == ("job.suceeded", "job.succeeded")


@pytest.mark.parametrize("name", ["", "§"])
def test_every_unknown_name_has_a_most_similar_event(name: str) -> None:
    with pytest.raises(UnknownEvent) as caught:
        event_type(name)

    assert caught.value.nearest in EVENTS


@pytest.mark.parametrize("name", ["job", "Job.made", "job.made.twice", "job.", "job made"])
def test_an_event_type_has_a_noun_and_a_participle(name: str) -> None:
    with pytest.raises(ValueError, match="past_participle"):
        EventType(name=name, sentence="", severity="info", personal=())


# Sentences


def test_a_sentence_is_filled_and_marks_missing_values() -> None:
    event = event_type("money.charged")

    assert (
        event.describe({"amount": Decimal("0.04"), "currency": "USD", "object": ""})
        == f"0.04 USD were charged for {ABSENT}."
    )


def test_a_translation_is_filled_in_the_same_way() -> None:
    event = event_type("job.expired")

    assert event.describe({"object": "Job 3"}, sentence="{object} abgelaufen") == "Job 3 abgelaufen"


@pytest.mark.parametrize("value", ["{actor.__class__}", "{0}", "{actor}", "%s", "{"])
def test_placeholders_in_values_and_format_syntax_in_translations_are_not_evaluated(
    value: str,
) -> None:
    event = event_type("job.expired")

    assert event.describe({"object": value}) == f"{value} was not finished in time."
    assert event.describe({"actor": "A"}, sentence="{actor.__class__}{actor!r}") == (
        "{actor.__class__}{actor!r}"
    )


# Commitments


def test_a_commitment_is_the_salted_hash_and_the_length() -> None:
    digest = hashlib.sha256(SALT + "Größe".encode()).hexdigest()

    assert make_commitment("Größe", SALT) == {"c": digest, "n": 5}


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(InvalidCommitment, match="16 bytes"):
        make_commitment("a cat", SALT[:15])


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary(min_size=16, max_size=32))
def test_a_commitment_matches_its_own_text_and_salt_only(text: str, salt: bytes) -> None:
    commitment = make_commitment(text, salt)

    assert matches_commitment(text, salt=salt, commitment=commitment)
    assert not matches_commitment(text + "x", salt=salt, commitment=commitment)
    assert not matches_commitment(text, salt=salt + b"x", commitment=commitment)
    assert not matches_commitment(text, salt=salt, commitment=commitment | {"n": len(text) + 1})


MALFORMED: list[dict[str, object]] = [
    {},
    {"c": "0" * 64},
    {"c": "0" * 63, "n": 1},
    {"c": "G" * 64, "n": 1},
    {"c": 5, "n": 1},
    {"c": "0" * 64, "n": -1},
    {"c": "0" * 64, "n": "1"},
    {"c": "0" * 64, "n": 1, "value": "a cat"},
]


@pytest.mark.parametrize("commitment", MALFORMED)
def test_a_malformed_commitment_is_refused(commitment: Mapping[str, object]) -> None:
    with pytest.raises(InvalidCommitment, match="malformed"):
        matches_commitment("a cat", salt=SALT, commitment=commitment)
    with pytest.raises(InvalidCommitment, match="malformed"):
        body(commitments={"prompt": commitment})


def test_a_commitment_to_a_field_that_is_not_personal_is_refused() -> None:
    with pytest.raises(InvalidCommitment, match="not among"):
        body(commitments={"model": make_commitment("painter-1", SALT)})


# Bodies


def test_a_body_is_canonical_and_complete() -> None:
    text = body(
        on_behalf_of=ObjectRef("person", "u_7f3a"),
        asset=UID,
        commitments={"prompt": make_commitment("cat", SALT)},
    )

    assert text == canonical.dumps(json.loads(text))
    assert json.loads(text) == {
        "v": 2,
        "uid": str(UID),
        "at": "2026-11-20T22:00:00.000000Z",
        "type": "job.requested",
        "severity": "info",
        "actor": {"kind": "person", "id": "7"},
        "on_behalf_of": {"kind": "person", "id": "u_7f3a"},
        "object": {"kind": "job", "id": "42"},
        "job": None,
        "asset": str(UID),
        "request_id": "req-1",
        "data": {"model": "painter-1", "count": 2, "price": "0.04"},
        "commitments": {"prompt": make_commitment("cat", SALT)},
    }


def test_the_format_of_a_body_does_not_change() -> None:
    # Logs contain such texts: if the format changes, increase BODY_VERSION and still read this one.
    assert body() == (
        '{"actor":{"id":"7","kind":"person"},"asset":null,"at":"2026-11-20T22:00:00.000000Z",'
        '"commitments":{},"data":{"count":2,"model":"painter-1","price":"0.04"},"job":null,'
        '"object":{"id":"42","kind":"job"},"on_behalf_of":null,"request_id":"req-1",'
        '"severity":"info","type":"job.requested",'
        '"uid":"0192f000-0000-7000-8000-000000000001","v":2}'
    )


def test_an_event_without_optional_values_has_a_body_too() -> None:
    read = json.loads(build_body(uid=UID, at=AT, type="site.started", actor=System("worker")))

    assert read["actor"] == {"kind": "system", "id": "worker"}
    assert (read["object"], read["on_behalf_of"]) == (None, None)
    assert (read["data"], read["commitments"], read["request_id"]) == ({}, {}, "")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"prompt": "a cat"}, "prompt"),
        ({"before": {"prompt": "a cat"}}, "before.prompt"),
        ({"rows": [{"n": 1}, {"variables": {}}]}, "rows.variables"),
        ({"rows": ({"x": [{"email": "a@b.example"}]},)}, "rows.x.email"),
    ],
)
def test_personal_fields_are_found_at_any_depth(data: dict[str, object], path: str) -> None:
    with pytest.raises(PersonalDataInClear) as caught:
        body(data=data)

    assert f" {path} " in str(caught.value)
    assert "cat" not in str(caught.value)
    assert "a@b" not in str(caught.value)


@pytest.mark.parametrize("actor_id", ["ada@site.example", "Ada Lovelace", "", "x" * 101, "a\nb"])
def test_an_actor_id_must_be_a_pseudonym(actor_id: str) -> None:
    with pytest.raises(InvalidParty, match="pseudonym"):
        body(actor=ObjectRef("person", actor_id))
    with pytest.raises(InvalidParty, match="pseudonym"):
        body(on_behalf_of=ObjectRef("person", actor_id))


@pytest.mark.parametrize(
    "thing",
    [
        ObjectRef("", "1"),
        ObjectRef("a kind", "1"),
        ObjectRef("page", "1\n2"),
        ObjectRef("page", "x" * 256),
    ],
)
def test_an_object_must_have_a_plain_kind_and_a_short_id(thing: ObjectRef) -> None:
    with pytest.raises(InvalidParty):
        body(object=thing)


def test_ids_of_a_sites_own_objects_may_contain_any_characters() -> None:
    read = json.loads(body(object=ObjectRef("shop.Product", "SKU 12/b é")))

    assert read["object"] == {"kind": "shop.Product", "id": "SKU 12/b é"}


def test_data_that_contain_themselves_are_refused() -> None:
    data: dict[str, object] = {}
    data["again"] = [data]

    with pytest.raises(canonical.NotCanonical, match="nested deeper"):
        body(data=data)


def test_data_may_be_lists_and_groups() -> None:
    data = {"marks": ["c2pa", "xmp"], "before": {"limit": "5"}, "rules": [{"id": 1}]}

    assert json.loads(body(data=data))["data"] == data


def test_a_body_that_is_too_long_is_refused() -> None:
    with pytest.raises(canonical.NotCanonical):
        body(data={"model": "x" * 70_000})


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(canonical.NotCanonical, match="time zone"):
        body(at=AT.replace(tzinfo=None))
