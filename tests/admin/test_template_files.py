"""Templates are written to a file by an action of their list, and imported on a page after a look."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from imagegen_app.models import PromptTemplate
from imagegen_app.testing.factories import make_template, make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
LIST = "admin:imagegen_prompttemplate_changelist"
IMPORT = "admin:imagegen_prompttemplate_import"
MAY = ["view_prompttemplate", "add_prompttemplate", "change_prompttemplate"]


@pytest.fixture
def signed_in(client: Client) -> Client:
    client.force_login(make_user(permissions=[f"imagegen.{one}" for one in MAY], is_staff=True))
    return client


def upload(client: Client, text: str, name: str = "templates.yaml") -> str:
    file = SimpleUploadedFile(name, text.encode())
    return client.post(reverse(IMPORT), {"file": file}).content.decode()


def test_templates_are_written_to_a_file(signed_in: Client) -> None:
    version = make_template(slug="vase")

    data = {"action": "export", "_selected_action": [str(version.template_id)]}
    answer = signed_in.post(reverse(LIST), data)

    assert answer.headers["Content-Disposition"] == 'attachment; filename="templates.yaml"'
    (written,) = yaml.safe_load(answer.content)["templates"]
    assert (written["slug"], written["prompt"]) == ("vase", version.body)
    assert reverse(IMPORT) in signed_in.get(reverse(LIST)).content.decode()


def test_a_file_is_shown_before_it_is_imported(signed_in: Client) -> None:
    make_template(slug="vase", body="A vase")

    page = upload(signed_in, "templates:\n- {slug: mug, name: Mug, prompt: A mug.}\n")

    assert "is added" in page
    assert not PromptTemplate.objects.filter(slug="mug").exists()
    found: Any = re.search(r'name="document" value="([^"]+)"', page)
    answer = signed_in.post(
        reverse(f"{IMPORT}_apply"), {"document": html.unescape(found[1])}, follow=True
    )
    assert "1 template was imported." in answer.content.decode()
    assert PromptTemplate.objects.get(slug="mug").current is not None


def test_mistakes_are_listed_and_markup_stays_text(signed_in: Client) -> None:
    page = upload(signed_in, "templates:\n- {slug: '<b>', name: Mug, prompt: 'A {{ x }}'}\n")

    assert "No template was imported." in page
    assert "templates[1].slug" in page
    assert "<b>" not in page
    assert "must end in .toml" in upload(signed_in, "x", name="templates.txt")
    assert "there is nothing to import" not in page


def test_what_the_site_has_already_needs_no_import(signed_in: Client) -> None:
    version = make_template(slug="vase")
    data = {"action": "export", "_selected_action": [str(version.template_id)]}
    written = signed_in.post(reverse(LIST), data).content.decode()

    page = upload(signed_in, written)

    assert "there is nothing to import" in page
    assert 'name="document"' not in page


def test_who_may_only_look_imports_nothing(client: Client) -> None:
    client.force_login(make_user(permissions=["imagegen.view_prompttemplate"], is_staff=True))

    page = upload(client, "templates:\n- {slug: mug, name: Mug, prompt: A mug.}\n")

    assert "You do not have permission to do this." in page
    assert client.post(reverse(IMPORT)).status_code == 200
    assert not PromptTemplate.objects.exists()
