"""What each role may do, and what is left to others."""

from __future__ import annotations

import pytest

from imagegen_app.services.policy import access, roles
from imagegen_app.testing.factories import make_user

pytestmark = pytest.mark.django_db

READS_CATALOG = {"view_provider", "view_imagemodel", "view_grant", "view_prompttemplate"}
READS_WORK = {"view_job", "view_attempt", "view_batch", "view_asset", "view_verdict"}
READS_MONEY = {"view_budget", "view_ledgerentry", "view_costs"}
READS_LOG = {"view_auditevent", "view_checkpoint", "verify_audit"}
ADMINISTERS = {"add_provider", "change_imagemodel", "delete_grant", "add_budget", "resolve_job"}
AUTHORS = {"add_prompttemplate", "change_prompttemplate"}
REQUESTS = {"request_job", "place_asset"}
REVIEWS = {"approve_asset", "change_asset"}
ERASES = {"erase_personal_data", "withdraw_asset", "export_audit", "download_original"}
ALL = {
    *(READS_CATALOG | READS_WORK | READS_MONEY | READS_LOG | ADMINISTERS | AUTHORS | REQUESTS),
    *(REVIEWS | ERASES | {"view_prompt"}),
}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("Image editors", REQUESTS | {"view_prompttemplate"}),
        ("Template authors", AUTHORS | READS_CATALOG | {"request_job"}),
        ("Image reviewers", REVIEWS | READS_WORK | {"view_prompt"}),
        (
            "Compliance",
            ERASES | READS_CATALOG | READS_WORK | READS_MONEY | READS_LOG | {"view_prompt"},
        ),
        (
            "Image administrators",
            ADMINISTERS
            | AUTHORS
            | REQUESTS
            | REVIEWS
            | READS_CATALOG
            | READS_WORK
            | READS_MONEY
            | READS_LOG,
        ),
    ],
)
def test_a_role_may_do_its_part_and_no_more(role: str, allowed: set[str]) -> None:
    person = access.actor_for(make_user(groups=[role]))

    found = {permission for permission in ALL if access.has_permission(person, permission)}

    assert found == allowed


def test_there_are_no_other_roles() -> None:
    assert len(roles.ROLES) == 5
