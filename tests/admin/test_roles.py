"""Who sees and changes what in the admin: one table for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from imagegen_app.admin.base import RecordAdmin
from imagegen_app.models import PromptTemplate
from imagegen_app.testing.factories import make_asset, make_image_model

if TYPE_CHECKING:
    from django.test import Client

CATALOG = {
    "provider",
    "imagemodel",
    "grant",
    "prompttemplate",
    "templateversion",
    "brandkit",
    "brandkitversion",
    "workflowversion",
}
_ADMINISTRATED = {
    "provider",
    "imagemodel",
    "grant",
    "budget",
    "prompttemplate",
    "brandkit",
    "workflowversion",
}
WORK = {"job", "attempt", "batch", "asset", "rendition", "placement", "verdict"}
MONEY = {"budget", "budgetperiod", "ledgerentry", "textcall"}
LOG = {"auditevent", "checkpoint", "incident", "webhookdelivery"}
SITE = {"keptanswer", "worker"}
#: Role to the tables whose list it may open; editors see their own rows of the work.
LISTS: dict[str, set[str]] = {
    "visitor": set(),
    "plain": set(),
    "Image editors": WORK | {"prompttemplate", "templateversion", "brandkit", "brandkitversion"},
    "Template authors": WORK | CATALOG,
    "Image reviewers": WORK,
    "Compliance": CATALOG | WORK | MONEY | LOG,
    "Image administrators": CATALOG | WORK | MONEY | LOG | SITE,
    "superuser": CATALOG | WORK | MONEY | LOG | SITE,
}
ADDS: dict[str, set[str]] = {
    "Template authors": {"prompttemplate", "brandkit"},
    "Image administrators": _ADMINISTRATED,
    "superuser": _ADMINISTRATED,
}
TABLES = sorted(
    model._meta.model_name or ""
    for model in admin.site._registry
    if model._meta.app_label == "imagegen"
)
#: What nobody may change or delete, superusers included.
HISTORY = (
    WORK | LOG | MONEY | SITE | {"templateversion", "brandkitversion", "workflowversion"}
) - {"budget"}


def test_every_model_admin_is_in_the_table_of_roles() -> None:
    assert set(TABLES) == CATALOG | WORK | MONEY | LOG | SITE


def _statuses(client: Client, page: str) -> dict[str, int]:
    """Open a page of every table, and return what each answered."""
    return {
        table: client.get(reverse(f"admin:imagegen_{table}_{page}")).status_code for table in TABLES
    }


@pytest.mark.parametrize("role", LISTS)
def test_a_list_opens_for_those_who_may_see_it(
    client: Client, people: dict[str, Any], role: str
) -> None:
    client.force_login(people[role])

    found = _statuses(client, "changelist")

    refused = 302 if role == "visitor" else 403
    assert found == {table: 200 if table in LISTS[role] else refused for table in TABLES}


@pytest.mark.parametrize("role", LISTS)
def test_a_row_is_added_only_by_those_who_may(
    client: Client, people: dict[str, Any], role: str
) -> None:
    client.force_login(people[role])

    found = _statuses(client, "add")

    refused = 302 if role == "visitor" else 403
    allowed = ADDS.get(role, set())
    assert found == {table: 200 if table in allowed else refused for table in TABLES}


@pytest.mark.parametrize("role", LISTS)
def test_editors_do_not_see_other_peoples_rows(
    client: Client, people: dict[str, Any], rows: dict[str, Any], role: str
) -> None:
    client.force_login(people[role])

    for table in ("job", "attempt", "asset", "rendition", "placement"):
        response = client.get(reverse(f"admin:imagegen_{table}_change", args=[rows[table].pk]))

        sees = role in {"Image reviewers", "Compliance", "Image administrators", "superuser"}
        assert (response.status_code == 200) is sees, (role, table, response.status_code)


def test_history_cannot_be_changed_or_deleted_by_anybody(rf: Any, people: dict[str, Any]) -> None:
    pages = {
        m._meta.model_name: a
        for m, a in admin.site._registry.items()
        if m._meta.app_label == "imagegen" and m._meta.model_name in HISTORY
    }
    request = rf.get("/")
    request.user = people["superuser"]

    assert set(pages) == HISTORY
    for table, page in pages.items():
        assert isinstance(page, RecordAdmin), table
        assert not page.has_change_permission(request), table
        assert not page.has_delete_permission(request), table
        assert "delete_selected" not in page.get_actions(request), table


def test_a_page_of_a_row_opens_and_shows_no_raw_data(
    client: Client, people: dict[str, Any], rows: dict[str, Any]
) -> None:
    client.force_login(people["superuser"])
    tables = {
        "provider",
        "imagemodel",
        "grant",
        "prompttemplate",
        "budget",
        "templateversion",
        "checkpoint",
    }

    pages = {
        table: client.get(reverse(f"admin:imagegen_{table}_change", args=[rows[table].pk]))
        for table in tables
    }

    assert {table: page.status_code for table, page in pages.items()} == dict.fromkeys(tables, 200)
    shown = [
        (table, raw)
        for table, page in pages.items()
        for raw in ('{"', "[{", "{&quot;", "[&#x27;", "{&#x27;")
        if raw in page.content.decode().replace('data-inline-formset="{"', "")
    ]
    assert shown == []


def test_filters_in_the_url_cannot_be_used_to_guess_values(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["Image reviewers"])
    queries = (
        "prompt__startswith=a",
        "job__prompt__contains=a",
        "requester__password__startswith=m",
    )

    answers = {
        query: client.get(reverse("admin:imagegen_job_changelist") + "?" + query).status_code
        for query in queries
    }

    assert {query for query, status in answers.items() if status not in {302, 400}} == set()


def test_reading_a_prompt_needs_permission_and_is_recorded(
    client: Client, people: dict[str, Any]
) -> None:
    from imagegen_app.models import AuditEvent  # noqa: PLC0415 - this test only
    from imagegen_app.testing.factories import make_attempt, make_job  # noqa: PLC0415 - this test only

    job = make_job(prompt="<script>canary-8231</script>")
    make_asset(job=job, attempt=make_attempt(job=job))
    address = reverse("admin:imagegen_job_change", args=[job.pk])

    client.force_login(people["Image administrators"])
    refused = client.get(address).content.decode()
    client.force_login(people["Compliance"])
    shown = client.get(address).content.decode()
    client.get(address)

    assert "canary-8231" not in refused
    assert "&lt;script&gt;canary-8231" in shown
    assert "<script>canary" not in shown
    assert AuditEvent.objects.filter(type="asset.prompt_viewed", job_id=job.pk).count() == 1


def test_a_list_costs_the_same_queries_for_two_rows_and_for_twelve(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["superuser"])

    def count() -> dict[str, int]:
        found = {}
        for table in ("job", "asset", "attempt", "rendition"):
            address = reverse(f"admin:imagegen_{table}_changelist")
            client.get(address)
            with CaptureQueriesContext(connection) as asked:
                assert client.get(address).status_code == 200, table
            found[table] = len(asked)
        return found

    make_asset()
    make_asset()
    few = count()
    for _ in range(10):
        make_asset()

    assert count() == few


def test_an_action_names_its_permission_in_every_table_of_ours() -> None:
    for model, page in admin.site._registry.items():
        if model._meta.app_label != "imagegen":
            continue
        for name in page.actions or []:
            action = getattr(page, name) if isinstance(name, str) else name
            assert getattr(action, "allowed_permissions", None), (model, name)


def test_a_provider_is_saved_through_its_use_case(client: Client, people: dict[str, Any]) -> None:
    from imagegen_app.models import AuditEvent, Provider  # noqa: PLC0415 - this test only

    client.force_login(people["Image administrators"])
    client.post(
        reverse("admin:imagegen_provider_add"),
        {
            "name": "New",
            "slug": "new",
            "adapter": "sandbox",
            "max_in_flight": "4",
            "burst": "5",
            "is_enabled": "on",
        },
    )

    assert Provider.objects.get(slug="new").max_in_flight == 4
    assert AuditEvent.objects.filter(type="provider.created").count() == 1


def test_a_changed_template_is_a_new_version_and_an_unchanged_one_is_not(
    client: Client, people: dict[str, Any], rows: dict[str, Any]
) -> None:
    client.force_login(people["Template authors"])
    template = rows["prompttemplate"]
    address = reverse("admin:imagegen_prompttemplate_change", args=[template.pk])
    sent = {
        "name": "Renamed",
        "purpose": "",
        "body": "A quiet picture of a {{ product }}.",
        "negative": "",
        "variables-total": "1",
        "variables-0-name": "product",
        "variables-0-kind": "text",
        "label_0": "Product",
        "variables-0-required": "on",
        "operation": "generate",
        "size": "1024x1024",
        "count": "1",
        "seed_strategy": "random",
    }
    version = rows["templateversion"]
    sent |= {"size": str(version.size or ""), "count": str(version.count)}

    client.post(address, sent)
    client.post(address, {**sent, "body": "A loud picture of a {{ product }}."})

    template.refresh_from_db()
    assert (template.name, template.versions.count()) == ("Renamed", 2)


def test_a_form_shows_every_field_that_it_would_write(people: dict[str, Any], rf: Any) -> None:
    request = rf.get("/")
    request.user = people["superuser"]
    hidden = {}
    for model, model_admin in admin.site._registry.items():
        if not isinstance(model_admin, RecordAdmin) or not model_admin.is_writable:
            continue
        obj = model()
        form = model_admin.get_form(request, obj)(instance=obj)
        shown = set(flatten_fieldsets(model_admin.get_fieldsets(request, obj)))
        hidden[model.__name__] = set(form.fields) - shown

    assert "ImageModel" in hidden
    assert {name: fields for name, fields in hidden.items() if fields} == {}


def test_a_template_keeps_its_passes_and_refuses_impossible_ones(
    client: Client, people: dict[str, Any], rows: dict[str, Any]
) -> None:
    client.force_login(people["Template authors"])
    model = make_image_model(provider_model_name="sandbox-1")
    sent = {
        "name": "Cut out",
        "slug": "cut-out",
        "body": "A mug",
        "operation": "generate",
        "size": "512x512",
        "count": "1",
        "seed_strategy": "random",
        "pass_0": f"upscale:2:{model.slug}",
        "pass_1": f"remove_background:{model.slug}",
    }
    add = reverse("admin:imagegen_prompttemplate_add")

    refused = client.post(add, {**sent, "pass_0": f"upscale:4:{model.slug}", "size": "1024x1024"})
    client.post(add, sent)

    version = PromptTemplate.objects.get(slug="cut-out").current
    assert version is not None
    assert "does not support this" in refused.content.decode()
    assert [one["operation"] for one in version.passes] == ["upscale", "remove_background"]
    page = reverse("admin:imagegen_prompttemplate_change", args=[version.template_id])
    client.post(page, {**sent, "purpose": "Shop"})
    assert version.template.versions.count() == 1
    shown = client.get(reverse("admin:imagegen_templateversion_change", args=[version.pk]))
    assert "Upscale 2 times with" in shown.content.decode()


def test_a_template_edits_by_an_instruction_which_only_an_edit_takes(
    client: Client, people: dict[str, Any], rows: dict[str, Any]
) -> None:
    client.force_login(people["Template authors"])
    model = make_image_model(provider_model_name="sandbox-1")
    sent = {
        "name": "Signs",
        "slug": "signs",
        "body": "A shop with a sign",
        "operation": "generate",
        "size": "512x512",
        "count": "1",
        "seed_strategy": "random",
        "pass_0": f"edit:{model.slug}",
        "pass_text_0": "Correct the spelling: the sign says BREAD",
        "pass_1": f"restore_faces:{model.slug}",
    }
    add = reverse("admin:imagegen_prompttemplate_add")

    wordless = client.post(add, {**sent, "pass_text_0": " "}).content.decode()
    worded = client.post(add, {**sent, "pass_text_1": "Smile"}).content.decode()
    client.post(add, sent)

    assert "A follow-up edit needs an instruction: what to change." in wordless
    assert "Only an edit takes an instruction." in worded
    version = PromptTemplate.objects.get(slug="signs").current
    assert version is not None
    assert [one.get("instruction", "") for one in version.passes] == [sent["pass_text_0"], ""]
    page = reverse("admin:imagegen_prompttemplate_change", args=[version.template_id])
    assert f'value="{sent["pass_text_0"]}"' in client.get(page).content.decode()
    client.post(page, sent)
    assert version.template.versions.count() == 1


def test_a_template_with_a_forbidden_thing_is_refused_with_its_line(
    client: Client, people: dict[str, Any], rows: dict[str, Any]
) -> None:
    client.force_login(people["Template authors"])
    response = client.post(
        reverse("admin:imagegen_prompttemplate_add"),
        {
            "name": "Bad",
            "slug": "bad",
            "body": "{{ ''.__class__ }}",
            "operation": "generate",
            "size": "1024x1024",
            "count": "1",
            "seed_strategy": "random",
        },
    )

    assert "line 1" in response.content.decode()
