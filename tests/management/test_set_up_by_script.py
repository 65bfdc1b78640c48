"""The examples of the page about set-ups hold as they are printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app import NotPermitted, estimate, set_up
from imagegen_app.models import Asset, AuditEvent, Grant, Provider
from imagegen_app.models.guard import WriteOutsideUseCase
from imagegen_app.testing.factories import make_user
from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db
HOW_TO = ROOT / "docs" / "how-to"


def blocks(page: str, language: str) -> list[str]:
    text = (HOW_TO / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run(source: str, names: dict[str, Any] | None = None) -> None:
    exec(compile(source, "page", "exec"), {} if names is None else names)  # noqa: S102 - our own page


def test_the_file_and_the_calls_of_the_page_set_the_same_site_up(tmp_path: Path) -> None:
    edda = make_user("edda")
    (whole,) = blocks("set-up-by-script.md", "toml")
    first, faulty = blocks("set-up-by-script.md", "python")

    run(first)
    run(faulty)
    path = tmp_path / "imagegen.toml"
    path.write_text(whole, encoding="utf-8")
    report = set_up(path)

    assert [(c.kind, c.action.value) for c in report.changes if c.action.value != "unchanged"] == [
        ("budget", "create")
    ]
    assert estimate(user=edda, prompt="A mug").is_possible


def test_the_fixture_and_the_factories_of_the_page_about_tests_do_what_it_says(
    monkeypatch: pytest.MonkeyPatch, django_user_model: Any
) -> None:
    found = [source for source in blocks("test-your-site.md", "python") if "imagegen_app" in source]
    names: dict[str, Any] = {}
    (fixture,) = [source for source in found if "set_up(" in source]
    monkeypatch.setattr(pytest, "fixture", lambda function: function)
    run(fixture, names)

    names["images"](None, django_user_model)

    assert Grant.objects.get().image_model.slug == "sandbox-1"
    (rows,) = [source for source in found if "make_asset(" in source]
    run(rows, names)
    assert names["asset"] == Asset.objects.get()


def test_a_write_of_ones_own_names_both_ways_that_are_meant() -> None:
    with pytest.raises(WriteOutsideUseCase) as raised:
        Provider.objects.create(slug="x", name="X", adapter="sandbox")

    for way in (
        "imagegen_app.set_up(",
        "manage.py imagegen_setup",
        "imagegen_app.testing.factories",
    ):
        assert way in str(raised.value)


def test_a_person_who_sets_up_needs_the_permissions_and_stands_in_the_log() -> None:
    admin = make_user(groups=["Image administrators"], is_staff=True)

    with pytest.raises(NotPermitted):
        set_up({"providers": [{"adapter": "sandbox"}]}, user=make_user())
    set_up({"providers": [{"adapter": "sandbox"}]}, user=admin)
    set_up({"providers": [{"adapter": "sandbox", "burst": 9}]})

    recorded = AuditEvent.objects.filter(type__startswith="provider.").order_by("pk")
    assert list(recorded.values_list("type", "actor_id")) == [
        ("provider.created", str(admin.pk)),
        ("provider.changed", "setup"),
    ]
