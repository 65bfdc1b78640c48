"""A prompt is suggested from the text of the page that an image is for."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from cms.api import add_plugin
from cms.utils.urlutils import admin_reverse
from django.test import Client
from django.urls import reverse

from imagegen_app.contrib.djangocms import page_texts
from imagegen_app.services.gateways import surrounding_texts
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from imagegen_app.writing.base import WrittenPrompt
from tests import arranged_rows
from tests.contrib.djangocms.conftest import add_image
from tests.services.job_requests.test_prompt_suggestions import HERE, Writer

if TYPE_CHECKING:
    from cms.models import PageContent

BODY = (
    "<h2>Fired&nbsp;twice</h2><p>Stoneware from <b>our</b> kiln.</p>"
    "<script>steal()</script><!-- hidden --><style>p { color: red }</style>"
)


@pytest.fixture
def writer(settings: Any) -> type[Writer]:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "TEXT_MODEL": {"BACKEND": f"{HERE}.Writer", "NAME": "writer", "PRICE": "0.002"},
    }
    Writer.answer = WrittenPrompt("A kiln at night.")
    Writer.asked = []
    return Writer


def place_on(content: PageContent, language: str = "en") -> str:
    return f"djangocms:{content.rescan_placeholders()['hero'].pk}:{language}"


def write(content: PageContent, body: str = BODY, language: str = "en") -> None:
    add_plugin(content.rescan_placeholders()["hero"], "TextPlugin", language, body=body)


def test_the_studio_suggests_a_prompt_from_the_page_that_a_plugin_is_on(
    editor: Any, page: PageContent, writer: type[Writer]
) -> None:
    arranged_rows.demo_shop()
    write(page)
    client = Client()
    client.force_login(editor)
    plugin = add_image(page, None, caption="Our kiln")

    form = client.get(
        f"{admin_reverse('cms_placeholder_edit_plugin', args=[plugin.pk])}?cms_path=/en/"
    ).content.decode()
    studio = re.search(r'href="([^"]*imagegen/[^"]*texts=[^"]+)"', form)
    assert studio is not None
    address = html.unescape(studio[1])
    shown = client.get(f"{address}&template=").content.decode()
    assert "Suggest one for “Kiln”" in shown

    # The address that the page asks without being loaded anew has the place, too.
    prompt = re.search(r'src="([^"]*/studio/prompt/[^"]*)"', shown)
    assert prompt is not None
    answer = client.post(
        f"{html.unescape(prompt[1])}&template=",
        {"suggest_prompt": "1", "prompt": "", "template": "", "shown_template": ""},
    )
    assert "A kiln at night." in answer.content.decode()
    assert writer.asked == [
        {"Title": "Kiln", "Text": "Fired twice Stoneware from our kiln. Our kiln"}
    ]


def test_a_plugin_that_is_added_knows_its_page(editor: Any, page: PageContent, rf: Any) -> None:
    slot = page.rescan_placeholders()["hero"].pk
    request = rf.get("/", {"placeholder_id": str(slot), "plugin_language": "en"})

    assert page_texts.place_of(request, None) == place_on(page)
    assert page_texts.place_of(rf.get("/", {"placeholder_id": "x"}), None) == ""


def test_only_those_who_may_change_the_page_have_its_draft_read(
    editor: Any, page: PageContent
) -> None:
    write(page)
    stranger = make_user("stranger", is_staff=True, groups=["Image editors"])

    assert surrounding_texts.texts_around(place_on(page), actor=access.actor_for(editor))
    assert not surrounding_texts.texts_around(place_on(page), actor=access.actor_for(stranger))


def test_only_the_current_language_is_read_and_only_so_much(editor: Any, page: PageContent) -> None:
    write(page, "<p>" + "clay " * 5_000 + "</p>")
    write(page, "<p>Ton</p>", language="de")
    actor = access.actor_for(editor)

    found = surrounding_texts.texts_around(place_on(page), actor=actor)
    assert found is not None
    assert sum(map(len, found.texts.values())) <= surrounding_texts.MAX_CHARS
    assert "Ton" not in found.texts["Text"]
    german = surrounding_texts.texts_around(place_on(page, "de"), actor=actor)
    assert german is not None
    assert german.texts["Text"] == "Ton"


@pytest.mark.parametrize(
    "place", ["", "djangocms", "djangocms:x:en", "djangocms:1:xx", "djangocms:999999:en", "other:1"]
)
def test_a_place_that_is_none_has_no_texts(editor: Any, place: str) -> None:
    assert surrounding_texts.texts_around(place, actor=access.actor_for(editor)) is None


def test_an_admin_page_with_a_forged_place_is_without_suggestion(
    editor: Any, page: PageContent, writer: type[Writer]
) -> None:
    arranged_rows.demo_shop()
    client = Client()
    client.force_login(editor)
    shown = client.get(f"{reverse('admin:imagegen_studio')}?texts=djangocms:99:en&template=")
    assert shown.status_code == 200
    assert "Suggest one for" not in shown.content.decode()
