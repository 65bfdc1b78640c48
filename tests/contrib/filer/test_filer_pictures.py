"""The studio starts from images of django-filer that filer lets a person read."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from filer import settings as filer_settings
from filer.models import Folder, FolderPermission, Image

from imagegen_app.contrib.filer import filer_pictures
from imagegen_app.contrib.filer.filer_pictures import LISTING
from imagegen_app.core.actors import System
from imagegen_app.core.types import InputRole
from imagegen_app.models import Job
from imagegen_app.services.gateways import picture_sources
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.library import placement, review, site_pictures
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_image, make_user
from tests.admin.conftest import immediate
from tests.admin.test_studio_models import QUOTE, STUDIO, asked, models, shown

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

    from imagegen_app.models import ImageModel

__all__ = ["immediate", "models"]
LIST = "admin:imagegen_studio_pictures"
CHOSEN = "admin:imagegen_studio_picture"
THUMBNAIL = "admin:imagegen_studio_picture_thumbnail"


@pytest.fixture(autouse=True)
def _permissions(db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let filer check folders, and keep private files where this test does."""
    cache.clear()
    monkeypatch.setattr(filer_settings, "FILER_ENABLE_PERMISSIONS", True)
    private: Any = filer_settings.FILER_PRIVATEMEDIA_STORAGE
    for name in ("base_location", "location"):
        private.__dict__.pop(name, None)
        monkeypatch.setitem(private.__dict__, name, str(tmp_path / "private"))


@pytest.fixture
def editor(models: dict[str, ImageModel], client: Client) -> Client:
    person = make_user("edda", groups=["Image editors"], is_staff=True, permissions=[LISTING])
    client.force_login(person)
    return client


def edda() -> Any:
    return get_user_model().objects.get(username="edda")


def stored(name: str, folder: Folder | None = None, **fields: Any) -> Image:
    file = ContentFile(make_image(size=(64, 48)), name=f"{name}.png".lower())
    image: Image = Image.objects.create(
        name=name, original_filename=file.name, file=file, folder=folder, **fields
    )
    return image


def opened_folder(name: str = "Open") -> Folder:
    folder = Folder.objects.create(name=name)
    FolderPermission.objects.create(
        folder=folder, type=FolderPermission.THIS, user=edda(), can_read=FolderPermission.ALLOW
    )
    return folder


def names(page: str) -> list[str]:
    return [html.unescape(name) for name in re.findall(r'<h2 title="([^"]*)"', page)]


def listed(client: Client, query: str = "") -> str:
    return client.get(f"{reverse(LIST, args=['filer'])}?{query}").content.decode()


def test_the_list_shows_what_filer_lets_the_person_read(editor: Client) -> None:
    other = make_user("other")
    theirs = Folder.objects.create(name="Theirs", owner=other)
    own = Folder.objects.create(name="Own", owner=edda())
    stored("In an open folder", opened_folder())
    stored("Mine, in a closed folder", theirs, owner=edda())
    stored("In my folder", own, owner=other)
    stored("Closed", theirs, owner=other)
    stored("Unsorted, of another", owner=other)

    page = listed(editor, "pick=reference")

    assert names(page) == ["In my folder", "Mine, in a closed folder", "In an open folder"]
    source = filer_pictures.FilerPictures()
    every = [str(key) for key in Image.objects.values_list("pk", flat=True)]
    # The list's one query and filer's method for one image agree.
    found = source.find(access.actor_for(edda()), every).values()
    assert {one.name for one in found} == set(names(page))


def test_a_superuser_sees_all_and_drawings_of_lines_are_left_out(client: Client) -> None:
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    stored("Closed", Folder.objects.create(name="Theirs"))
    drawing = stored("Drawing")
    Image.objects.filter(pk=drawing.pk).update(mime_type="image/svg+xml")

    assert names(listed(client)) == ["Closed"]


def test_the_list_is_searched_by_name_and_read_in_pages_with_few_queries(editor: Client) -> None:
    folder = opened_folder()
    for number in range(26):
        stored(f"Mug {number:02}", folder)
    stored("Bowl", folder)
    listed(editor)

    with CaptureQueriesContext(connection) as queries:
        first = listed(editor, "pick=reference&q=mug")
    older = re.search(r'rel="next" href="\?([^"]*)"', first)
    assert older is not None
    second = listed(editor, html.unescape(older[1]))

    assert names(first) == [f"Mug {number:02}" for number in range(25, 1, -1)]
    assert names(second) == ["Mug 01", "Mug 00"]
    assert "pick=reference" in second
    assert len(queries) <= 12
    assert "has this in its name" in listed(editor, "q=vase")


def test_nobody_without_filers_own_list_gets_in(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    image = stored("Mine", owner=edda())
    edda().user_permissions.clear()

    answers = [
        editor.get(reverse(LIST, args=["filer"])),
        editor.get(reverse(CHOSEN, args=["filer", image.pk])),
        editor.get(reverse(THUMBNAIL, args=["filer", image.pk])),
        editor.get(reverse(LIST, args=["nothing"])),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404, 404]
    studio = shown(editor, models["sandbox"])
    assert "imagegen-add-asset" in studio
    assert "imagegen-add-filer" not in studio


def test_the_studio_leads_to_filer_and_back_with_the_chosen_image(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    image = stored("Bud <vase>", opened_folder())
    address = reverse(CHOSEN, args=["filer", image.pk])

    studio = shown(editor, models["sandbox"])
    dialog = editor.get(f"{address}?embed=1&field=reference").content.decode()
    page = editor.get(f"{address}?pick=reference").content.decode()
    started = editor.get(f"{reverse(STUDIO)}?take=filer:{image.pk}").content.decode()

    assert f'href="{reverse(LIST, args=["filer"])}?pick=reference' in studio
    assert f'<imagegen-chosen field="reference" asset="filer:{image.pk}"' in dialog
    assert f"{reverse(STUDIO)}?take=filer%3A{image.pk}" in page
    assert f'name="taken_0" value="filer:{image.pk}" checked' in started
    assert "Bud &lt;vase&gt;" in started


@pytest.mark.parametrize("is_public", [True, False])
def test_a_thumbnail_is_filers_own_and_for_those_who_may_read_the_image(
    editor: Client, *, is_public: bool
) -> None:
    mine = stored("Mine", opened_folder(), is_public=is_public)
    theirs = stored("Theirs", Folder.objects.create(name="Closed"), is_public=is_public)

    shown = editor.get(reverse(THUMBNAIL, args=["filer", mine.pk]))
    kept = editor.get(reverse(THUMBNAIL, args=["filer", mine.pk]))
    refused = editor.get(reverse(THUMBNAIL, args=["filer", theirs.pk]))
    mine.file.delete(save=False)
    lost = editor.get(reverse(THUMBNAIL, args=["filer", mine.pk]))

    assert (shown.status_code, refused.status_code, lost.status_code) == (200, 404, 404)
    assert kept.content == shown.content
    assert shown["Content-Type"] in {"image/jpeg", "image/png"}
    assert shown["Cache-Control"].startswith("private")


@pytest.mark.parametrize("is_public", [True, False])
def test_an_image_of_filer_is_requested_and_recorded_with_its_origin(
    editor: Client, models: dict[str, ImageModel], *, is_public: bool
) -> None:
    image = stored("Vase", opened_folder(), is_public=is_public)

    asked(editor, models["sandbox"], taken_0=f"filer:{image.pk}", taken_0_role="image")

    entry = Job.objects.get(session__isnull=False).inputs.get()
    assert entry.content_origin == {"field": "filer.Image.file", "object": str(image.pk)}
    assert (entry.asset, entry.role, entry.found_at) == (None, "image", image.file.name)
    assert len(entry.sha256) == 64


def test_a_price_needs_no_file(editor: Client, models: dict[str, ImageModel]) -> None:
    image = stored("Vase", opened_folder())
    image.file.storage.delete(image.file.name)
    recipe = {"shown_template": "", "prompt": "A mug", "image_model": models["sandbox"].pk}

    quote = editor.post(
        reverse(QUOTE), {**recipe, "taken_0": f"filer:{image.pk}", "taken_0_role": "image"}
    )
    asking = asked(editor, models["sandbox"], taken_0=f"filer:{image.pk}", taken_0_role="image")

    assert "USD" in quote.content.decode()
    assert "missing from the storage" in asking.content.decode()
    assert not Job.objects.filter(session__isnull=False).exists()


@pytest.mark.parametrize("key", ["", "x", "0", "-1", "9" * 30, "1:2", "☃"])
def test_what_names_no_image_is_refused_in_a_sentence(
    editor: Client, models: dict[str, ImageModel], key: str
) -> None:
    page = asked(editor, models["sandbox"], taken_0=f"filer:{key}", taken_0_role="image")

    assert "The image to start from cannot be used any more" in page.content.decode()
    assert not Job.objects.filter(session__isnull=False).exists()


def test_the_service_asks_filer_again(editor: Client) -> None:
    folder = opened_folder()
    image = stored("Vase", folder)
    actor, reference = access.actor_for(edda()), f"filer:{image.pk}"
    assert site_pictures.input_source(actor, reference, role=InputRole.STYLE).data

    FolderPermission.objects.all().delete()
    cache.clear()

    with pytest.raises(InvalidJobRequest, match="not there any more, or you may not see it"):
        site_pictures.input_source(actor, reference, role=InputRole.STYLE)


def test_an_image_that_was_made_here_is_the_asset(editor: Client) -> None:
    image = stored("Placed", opened_folder())
    asset = make_asset(requester=edda(), review_state="pending", size=(64, 64))
    review.approve(actor=System("test"), asset=asset)
    placement.attach(actor=System("test"), asset=asset, target=image, field="file")
    actor = access.actor_for(edda())

    source = site_pictures.input_source(actor, f"filer:{image.pk}", role=InputRole.IMAGE)

    assert (source.asset, source.content) == (asset, None)


def test_no_source_is_offered_where_none_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_sources, "_sources", {})
    person = access.actor_for(make_user("root", is_superuser=True))

    assert picture_sources.find_pictures(person, ["filer:1", "filer", ":", ""]) == {}
