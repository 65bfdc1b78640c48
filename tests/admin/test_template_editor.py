"""A template is written with its check beside it; without script, buttons do the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.urls import reverse

from imagegen_app.admin.variable_rows import VariableRowsWidget
from imagegen_app.core.limits import MAX_VARIABLES
from imagegen_app.models import PromptTemplate
from imagegen_app.testing.factories import (
    make_asset,
    make_group,
    make_job,
    make_template,
    make_user,
)
from project.catalog.models import Category, Product

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
ADD = "admin:imagegen_prompttemplate_add"
LIST = "admin:imagegen_prompttemplate_changelist"
CHECK = "admin:imagegen_prompttemplate_check"
MAY = ["view_prompttemplate", "add_prompttemplate", "change_prompttemplate"]


@pytest.fixture
def author() -> Any:
    return make_user(
        "ada", permissions=[f"imagegen.{one}" for one in MAY], is_staff=True, email="a@b.test"
    )


@pytest.fixture
def signed_in(client: Client, author: Any) -> Client:
    client.force_login(author)
    return client


def sent(*rows: dict[str, str], **changes: str) -> dict[str, Any]:
    """Return what a browser sends of the form."""
    data = {
        "name": "Mugs",
        "slug": "mugs",
        "body": "A {{ product }}",
        "operation": "generate",
        "count": "1",
        "seed_strategy": "random",
        "owner_name": "ada",
        "variables-total": str(len(rows)),
    }
    for number, row in enumerate(rows):
        data |= {f"variables-{number}-{cell}": value for cell, value in row.items()}
    return {**data, **changes}


PRODUCT = {"name": "product", "kind": "text", "required": "on"}


def test_variables_are_stored_in_the_order_of_their_places(signed_in: Client) -> None:
    rows = [
        {"name": "b", "kind": "number", "minimum": "1", "maximum": "9", "order": "2"},
        {"name": "a", "kind": "choice", "choices": "red, dark\r\nblue\r\n", "order": "1"},
        {"name": "gone", "remove": "on"},
        {"name": "", "kind": "text", "order": "4"},
        {**PRODUCT, "max_chars": "40", "help": "What is shown", "order": "3"},
    ]

    answer = signed_in.post(reverse(ADD), sent(*rows, body="{{ a }}{{ b }}{{ product }}"))

    assert answer.status_code == 302
    variables = PromptTemplate.objects.get().current.variables  # type: ignore[union-attr]  # published
    assert [(v["name"], v["required"]) for v in variables] == [
        ("a", False), ("b", False), ("product", True),
    ]  # fmt: skip
    assert variables[0]["choices"] == ["red, dark", "blue"]
    assert (variables[1]["minimum"], variables[1]["maximum"]) == ("1", "9")
    assert (variables[2]["max_chars"], variables[2]["help"]) == (40, "What is shown")


def test_a_form_that_is_saved_again_publishes_nothing_new(signed_in: Client) -> None:
    signed_in.post(reverse(ADD), sent({**PRODUCT, "max_chars": "40", "choices": "x"}))
    template = PromptTemplate.objects.get()
    page = reverse("admin:imagegen_prompttemplate_change", args=[template.pk])
    form = signed_in.get(page).context["adminform"].form
    (row,) = form["variables"].value()

    signed_in.post(page, sent({**row, "required": "on"}))

    assert template.versions.count() == 1
    assert signed_in.get(page).content.decode().count('-name" name="variables-') == 3


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"name": "a", "max_chars": "many"}, "must be a whole number above 0"),
        ({"name": "a", "max_chars": "0"}, "must be a whole number above 0"),
        ({"name": "A b"}, "is not a valid variable name"),
        ({"name": "a", "kind": "tree"}, "unknown kind “tree”"),
        ({"name": "a", "kind": "choice"}, "at least one choice"),
        ({"name": "a", "kind": "number", "minimum": "x"}, "a limit must be a number"),
        ({"label": "No name"}, "is not a valid variable name"),
    ],
)
def test_a_row_that_is_not_valid_is_refused(
    signed_in: Client, row: dict[str, str], told: str
) -> None:
    page = signed_in.post(reverse(ADD), sent(row, body="A mug")).content.decode()

    assert told in page
    assert not PromptTemplate.objects.exists()


def test_too_many_rows_are_refused_and_a_forged_number_is_not_counted(signed_in: Client) -> None:
    rows = [{"name": f"v{n}", "order": "NaN"} for n in range(45)]

    assert "at most 40 variables" in signed_in.post(reverse(ADD), sent(*rows)).content.decode()
    for total in ("9" * 40, "-1", "x"):
        answer = signed_in.post(reverse(ADD), sent(**{"variables-total": total}))
        assert "is not defined" in answer.content.decode()


def test_errors_refuse_and_name_their_place(signed_in: Client) -> None:
    page = signed_in.post(reverse(ADD), sent(PRODUCT, body="A {{ product }}\n{{ x }}"))

    assert page.context["adminform"].form.errors["body"] == [
        "Line 2, column 4: The variable “x” is not defined; add it, or correct its name."
    ]


def test_warnings_are_told_after_saving(signed_in: Client) -> None:
    answer = signed_in.post(reverse(ADD), sent(PRODUCT, body="{% if product %}A mug{% endif %}"))

    assert PromptTemplate.objects.exists()
    told = [str(one) for one in get_messages(answer.wsgi_request)]
    assert any("Prompt: Line 1, column 4: This condition always holds" in one for one in told)


def test_the_button_checks_and_stores_nothing(signed_in: Client) -> None:
    page = signed_in.post(reverse(ADD), sent(PRODUCT, _check="1"))

    assert not PromptTemplate.objects.exists()
    text = page.content.decode()
    assert "No problems found" in text
    assert 'A <mark title="product">Product</mark>' in text
    assert "Please correct" not in text


def test_a_variable_that_the_prompt_names_is_added_by_a_button(signed_in: Client) -> None:
    checked = signed_in.post(reverse(ADD), sent(_check="1")).content.decode()
    assert re.search(r'name="_add_variable" value="product"', checked)

    page = signed_in.post(reverse(ADD), sent(_add_variable="product")).content.decode()

    assert re.search(r'name="variables-0-name" value="product"', page)
    assert "No problems found" in page
    assert not PromptTemplate.objects.exists()


def test_real_objects_are_shown_to_who_may_see_them(signed_in: Client, author: Any) -> None:
    shelf = Category.objects.create(name="Shelf", slug="shelf")
    for number in range(5):
        Product.objects.create(
            category=shelf,
            name=f"<i>Cup {number}</i>",
            slug=f"c{number}",
            sku=f"C{number}",
            price=1,
        )
    data = sent(PRODUCT, preview="catalog.Product.image")

    hidden = signed_in.post(reverse(CHECK), data).content.decode()
    author.user_permissions.add(permission("view_product"))
    shown = signed_in.post(reverse(CHECK), data).content.decode()

    assert "Cup" not in hidden
    assert shown.count("<mark title") == 3
    assert "&lt;i&gt;Cup 4&lt;/i&gt;" in shown
    assert "<i>" not in shown


def test_objects_that_the_sites_admin_hides_are_not_shown(
    signed_in: Client, author: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Category.objects.create(name="Shelf", slug="shelf")
    Product.objects.create(category=shelf, name="Cup", slug="cup", sku="C", price=1)
    author.user_permissions.add(permission("view_product"))
    product_admin = admin.site.get_model_admin(Product)
    monkeypatch.setattr(product_admin, "get_queryset", lambda request: Product.objects.none())

    page = signed_in.post(reverse(CHECK), sent(PRODUCT, preview="catalog.Product.image"))

    assert "There is no such object yet, or none that you may see." in page.content.decode()


def test_fields_that_are_not_valid_are_told_while_somebody_types(signed_in: Client) -> None:
    data = sent(PRODUCT, size="wide", name="", owner_name="nobody")

    page = signed_in.post(reverse(CHECK), data).content.decode()

    assert "Size: Write it as 1024x768." in page
    assert "Owner: Nobody who is active has this user name." in page
    assert "2 errors" in page
    assert "This field is required" not in page
    assert "<mark title" in page
    long = signed_in.post(reverse(CHECK), sent(PRODUCT, body="x" * 8001)).content.decode()
    assert "Prompt: Ensure this value has at most 8000 characters" in long
    wrong = signed_in.post(reverse(CHECK), sent({"name": "A b"})).content.decode()
    assert "The texts are shown here once the errors are corrected." in wrong


def permission(name: str) -> Any:
    from django.contrib.auth.models import Permission  # noqa: PLC0415 - needs the registry

    return Permission.objects.get(codename=name, content_type__app_label="catalog")


def test_only_who_may_write_templates_has_one_checked(client: Client) -> None:
    client.force_login(make_user(permissions=["imagegen.view_prompttemplate"], is_staff=True))
    version = make_template()

    assert client.post(reverse(CHECK), sent()).status_code == 403
    address = f"{reverse(CHECK)}?template={version.template_id}"
    assert client.post(address, sent()).status_code == 403
    page = client.get(reverse("admin:imagegen_prompttemplate_change", args=[version.template_id]))
    assert "<imagegen-editor" not in page.content.decode()


def test_a_check_of_a_template_that_is_gone_is_not_found(signed_in: Client) -> None:
    assert signed_in.post(f"{reverse(CHECK)}?template=999999", sent()).status_code == 404
    assert signed_in.post(f"{reverse(CHECK)}?template=x", sent()).status_code == 404
    assert signed_in.get(reverse(CHECK)).status_code == 405


def test_owner_category_and_groups_are_stored(signed_in: Client, author: Any) -> None:
    shop = make_group("Shop")
    data: dict[str, Any] = sent(PRODUCT, category=" Shop ")

    signed_in.post(reverse(ADD), {**data, "groups": [str(shop.pk)]})

    template = PromptTemplate.objects.get()
    assert (template.category, template.owner) == ("Shop", author)
    assert [one.group for one in template.allowed_groups.all()] == [shop]
    page = signed_in.post(reverse(ADD), sent(PRODUCT, slug="x", owner_name="nobody"))
    assert "Nobody who is active has this user name." in page.content.decode()


def test_the_list_tells_what_was_made_and_is_filtered(
    signed_in: Client, author: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(4):
        signed_in.post(reverse(ADD), sent(PRODUCT, slug=f"m{number}", name=f"Mug {number}"))
    first = PromptTemplate.objects.get(slug="m0")
    for state in ("approved", "rejected"):
        make_asset(job=make_job(template_version=first.current), review_state=state)

    with django_assert_max_num_queries(25):
        page = signed_in.get(reverse(LIST)).content.decode()

    assert "50\N{NO-BREAK SPACE}%" in page
    mine = signed_in.get(f"{reverse(LIST)}?mine=owner").content.decode()
    assert "Mug 3" in mine
    assert "Mug 3" not in signed_in.get(f"{reverse(LIST)}?mine=favourite").content.decode()
    assert "Mug 3" in signed_in.get(f"{reverse(LIST)}?owned_by={author.pk}").content.decode()
    assert "Mug 3" not in signed_in.get(f"{reverse(LIST)}?owned_by=none").content.decode()
    assert "Mug 3" in signed_in.get(f"{reverse(LIST)}?owned_by=x").content.decode()


def test_rows_behind_many_that_were_removed_are_read() -> None:
    widget = VariableRowsWidget()
    numbers = range(3 * MAX_VARIABLES)
    data: dict[str, Any] = {"variables-total": str(len(numbers))}
    for number in numbers:
        data[f"variables-{number}-name"] = f"v{number}"
        if number < numbers[-1]:
            data[f"variables-{number}-remove"] = "on"

    found = widget.value_from_datadict(data, None, "variables")

    assert [row["name"] for row in found] == [f"v{numbers[-1]}"]
