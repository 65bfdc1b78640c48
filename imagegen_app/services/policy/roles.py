"""The roles that come with the app, as Django groups; the site decides who belongs to them."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission

from imagegen_app import database

_REQUEST = frozenset({"request_job", "place_asset", "approve_own_asset"})
_READ_CATALOG = frozenset(
    {
        "view_provider",
        "view_imagemodel",
        "view_grant",
        "view_prompttemplate",
        "view_templateversion",
        "view_brandkit",
        "view_brandkitversion",
        "view_workflowversion",
    }
)
_READ_WORK = frozenset(
    {
        "view_job",
        "view_jobinput",
        "view_attempt",
        "view_batch",
        "view_asset",
        "view_rendition",
        "view_placement",
        "view_verdict",
        "view_lineage",
    }
)
_READ_MONEY = frozenset(
    {"view_budget", "view_budgetperiod", "view_ledgerentry", "view_textcall", "view_costs"}
)
_READ_LOG = frozenset(
    {
        "view_auditevent",
        "view_checkpoint",
        "view_incident",
        "view_webhookdelivery",
        "verify_audit",
    }
)

#: Each role's permissions, by codename.
ROLES: dict[str, frozenset[str]] = {
    "Image editors": _REQUEST
    | {"view_prompttemplate", "view_templateversion", "view_brandkit", "view_brandkitversion"},
    "Template authors": frozenset(
        {
            "add_prompttemplate",
            "change_prompttemplate",
            "add_brandkit",
            "change_brandkit",
            "request_job",
        }
    )
    | _READ_CATALOG,
    "Image reviewers": frozenset({"approve_asset", "change_asset", "view_prompt"}) | _READ_WORK,
    "Compliance": frozenset(
        {
            "view_prompt",
            "export_audit",
            "erase_personal_data",
            "download_original",
            "withdraw_asset",
            "decide_escalated_asset",
        }
    )
    | _READ_CATALOG
    | _READ_WORK
    | _READ_MONEY
    | _READ_LOG,
    "Image administrators": frozenset(
        {
            "add_provider",
            "change_provider",
            "revoke_credential",
            "add_imagemodel",
            "change_imagemodel",
            "add_workflowversion",
            "add_grant",
            "change_grant",
            "delete_grant",
            "add_budget",
            "change_budget",
            "delete_budget",
            "add_prompttemplate",
            "change_prompttemplate",
            "add_brandkit",
            "change_brandkit",
            "cancel_any_job",
            "resolve_job",
            "approve_asset",
            "decide_escalated_asset",
            "change_asset",
            "view_worker",
            "view_keptanswer",
            "reread_kept_answer",
            "download_kept_answer",
        }
    )
    | _REQUEST
    | _READ_CATALOG
    | _READ_WORK
    | _READ_MONEY
    | _READ_LOG,
}


def create_groups() -> None:
    """Create the groups of all roles, or add missing permissions to them; nothing is removed."""
    known = {
        p.codename: p
        for p in database.accounts(Permission).filter(content_type__app_label="imagegen")
    }
    for name, codenames in ROLES.items():
        group, _created = database.accounts(Group).get_or_create(name=name)
        group.permissions.add(*(known[codename] for codename in sorted(codenames)))
