"""JSON that Python cannot read is a mistake in a form, not an error of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.testing.factories import make_image_model

if TYPE_CHECKING:
    from django.test import Client

FIELDS = [
    ("provider", "options"),
    ("provider", "data_handling"),
    ("imagemodel", "capabilities"),
    ("imagemodel", "data_handling"),
]
UNREADABLE = ["9" * 5000, '{"a": ' + "9" * 5000 + "}", "[" * 100_000]


@pytest.mark.parametrize("value", UNREADABLE, ids=["number", "inside", "deep"])
@pytest.mark.parametrize(("table", "field"), FIELDS)
def test_a_value_that_cannot_be_read_is_shown_again_with_an_error(
    admin_client: Client, db: None, table: str, field: str, value: str
) -> None:
    model = make_image_model()
    row = model.provider if table == "provider" else model
    url = reverse(f"admin:imagegen_{table}_change", args=[row.pk])
    form: Any = admin_client.get(url).context["adminform"].form
    sent = {
        name: form[name].value() or "" for name in form.fields if form[name].value() is not None
    }

    page: Any = admin_client.post(url, {**sent, field: value})

    assert page.status_code == 200
    assert field in page.context["adminform"].form.errors
