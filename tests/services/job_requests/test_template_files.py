"""Templates go from site to site in files: all that a version is, nothing twice, nothing by halves."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, PromptTemplate, TemplateVersion
from imagegen_app.services.job_requests import template_files, template_publishing, templates
from imagegen_app.services.job_requests.template_files import FileAction, InvalidTemplateFile
from imagegen_app.services.library import template_versions
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.testing.factories import make_brand_kit, make_group, make_image_model, make_user

pytestmark = pytest.mark.django_db
SHELL = System("test")
VASE: dict[str, Any] = {
    "slug": "bud-vase",
    "name": "Bud vase on a light table",
    "purpose": "Shop",
    "prompt": "A {{ colour }} vase{% if tall %}, tall{% endif %}.",
    "variables": [
        {"name": "colour", "kind": "choice", "choices": ["red", "blue"]},
        {"name": "tall", "kind": "switch", "required": False},
    ],
    "width": 512,
    "height": 768,
    "images": 2,
    "seed_strategy": "fixed",
    "seed": 7,
    "alt_pattern": "A {{ colour }} vase",
    "note": "First",
}


def document(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"templates": list(entries)}


def exported() -> dict[str, Any]:
    rows = PromptTemplate.objects.select_related("current__image_model").order_by("slug")
    return template_files.export(actor=SHELL, rows=rows)


def imported(*entries: dict[str, Any]) -> list[FileAction]:
    found = template_files.import_templates(actor=SHELL, document=document(*entries))
    return [one.action for one in found]


def test_an_import_creates_the_template_and_a_second_one_changes_nothing() -> None:
    assert imported(VASE) == [FileAction.CREATE]
    events = AuditEvent.objects.count()

    assert imported(VASE) == [FileAction.UNCHANGED]
    assert (
        template_files.import_templates(actor=SHELL, document=exported())[0].action == "unchanged"
    )

    template = PromptTemplate.objects.get()
    version = template.current
    assert version is not None
    assert (version.number, version.width, version.height, version.count, version.seed) == (
        1, 512, 768, 2, 7,
    )  # fmt: skip
    assert [one["name"] for one in version.variables] == ["colour", "tall"]
    assert AuditEvent.objects.count() == events


def test_what_is_exported_makes_the_same_templates_on_another_site() -> None:
    model = make_image_model(slug="fine")
    imported(VASE, {"slug": "plain", "name": "Plain", "prompt": "A mug.", "model": model.slug})
    templates.archive(actor=SHELL, template=PromptTemplate.objects.get(slug="plain"))
    before = exported()

    # Another site: the same rows under other names.
    for one in before["templates"]:
        one["slug"] = f"other-{one['slug']}"
    template_files.import_templates(actor=SHELL, document=before)

    rows = PromptTemplate.objects.filter(slug__startswith="other-").select_related("current")
    after = template_files.export(actor=SHELL, rows=rows.order_by("slug"))
    assert after == before
    assert [one.is_archived for one in rows.order_by("slug")] == [False, True]


def test_a_template_that_differs_gets_a_new_version_and_says_what_differs() -> None:
    imported(VASE)
    changed = {**VASE, "prompt": "A small {{ colour }} vase.", "name": "Vase"}

    (planned,) = template_files.plan(actor=SHELL, document=document(changed))
    assert (planned.action, planned.parts) == (FileAction.UPDATE, ("name", "prompt"))
    assert TemplateVersion.objects.count() == 1

    assert imported(changed) == [FileAction.UPDATE]
    template = PromptTemplate.objects.select_related("current").get()
    assert (template.name, template.current and template.current.number) == ("Vase", 2)


@pytest.mark.parametrize(
    ("change", "place", "told"),
    [
        ({"prompt": "A {{ color }} vase."}, "variables", "unknown variable “color”"),
        ({"model": "fien"}, "model", "did you mean “fine”?"),
        ({"operation": "paint"}, "operation", "not a valid choice"),
        ({"images": 0}, "images", "greater than or equal to 1"),
        ({"width": None}, "width", "A size needs “width” and “height”"),
        ({"height": None}, "height", "A size needs “width” and “height”"),
        ({"slug": "no good"}, "slug", "valid “slug”"),
        ({"name": "x" * 81}, "name", "at most 80 characters"),
        ({"seed_strategy": "fixed", "seed": None}, "seed", "needs a number"),
        ({"passes": [{"operation": "paint", "model": "x"}]}, "passes", "paint"),
        ({"brand_kit": "hous"}, "brand_kit", "did you mean “house”?"),
        ({"loras": [{"weight": 1}]}, "loras", "must be an object with “name” and “weight”"),
        ({"guides": [{"asset": "x"}]}, "guides", "must be an object with “asset”"),
        ({"variables": [{"name": "Colour!"}]}, "variables", "not a valid variable name"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_nothing_is_imported(
    change: dict[str, Any], place: str, told: str
) -> None:
    make_image_model(slug="fine")
    make_brand_kit(slug="house")
    good = {"slug": "good", "name": "Good", "prompt": "A mug."}

    with pytest.raises(InvalidTemplateFile) as refused:
        imported(good, {**VASE, **change})

    ((where, text),) = refused.value.problems
    assert where == f"templates[2].{place}"
    assert told in text
    assert not PromptTemplate.objects.exists()


def test_two_entries_about_the_same_template_are_refused() -> None:
    with pytest.raises(InvalidTemplateFile, match="Another entry is about the same"):
        imported(VASE, VASE)


def test_a_person_needs_the_permission_for_what_the_file_does() -> None:
    editor = access.actor_for(make_user(permissions=["imagegen.add_prompttemplate"]))
    template_files.import_templates(actor=editor, document=document(VASE))

    with pytest.raises(NotPermitted):
        template_files.import_templates(actor=editor, document=document({**VASE, "width": 640}))
    with pytest.raises(NotPermitted):
        template_files.export(actor=editor, rows=PromptTemplate.objects.all())
    # Nothing is done that it could lack a permission for.
    template_files.import_templates(actor=editor, document=document(VASE))


def test_owner_groups_and_category_go_along_by_name() -> None:
    shop, olga = make_group("Shop"), make_user("olga")
    entry = {**VASE, "category": "Shop", "owner": "olga", "groups": ["Shop"]}

    assert imported(entry) == [FileAction.CREATE]
    assert imported(*exported()["templates"]) == [FileAction.UNCHANGED]

    template = PromptTemplate.objects.get()
    assert (template.category, template.owner) == ("Shop", olga)
    assert [one.group for one in template.allowed_groups.all()] == [shop]
    # What a file does not say of people and groups stays; an empty list opens the template.
    assert imported({**VASE, "category": "Shop"}) == [FileAction.UNCHANGED]
    assert imported({**VASE, "category": "Shop", "groups": []}) == [FileAction.UPDATE]
    assert not template.allowed_groups.exists()


def test_names_that_the_site_does_not_have_are_told_and_never_open_a_template() -> None:
    make_group("Shop")
    entry = {**VASE, "owner": "olga", "groups": ["Shop", "Press"]}

    (change,) = template_files.plan(actor=SHELL, document=document(entry))

    assert change.notes == (
        "This site has no active person “olga”: the owner is not set from the file.",
        "This site has no group “Press”: it is left out.",
    )
    with pytest.raises(InvalidTemplateFile, match="none of these groups: Press") as refused:
        imported({**VASE, "groups": ["Press"]})
    assert refused.value.problems[0][0] == "templates[1].groups"


def test_what_looks_wrong_is_told_before_an_import() -> None:
    entry = {**VASE, "prompt": "A {% if colour %}{{ colour }}{% endif %} vase"}

    (change,) = template_files.plan(actor=SHELL, document=document(entry))

    assert [one.split(":")[0] for one in change.notes] == ["Prompt", "Variables"]


def test_an_export_costs_the_same_queries_for_any_number(
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(6):
        imported({**VASE, "slug": f"vase-{number}"})

    with django_assert_max_num_queries(4):
        assert len(exported()["templates"]) == 6


def test_a_brand_kit_goes_by_its_short_name() -> None:
    kit = make_brand_kit(slug="house").kit
    imported({**VASE, "brand_kit": "house"})

    version = TemplateVersion.objects.get()
    assert version.brand_kit == kit
    assert exported()["templates"][0]["brand_kit"] == "house"
    assert imported({**VASE, "brand_kit": "house"}) == [FileAction.UNCHANGED]
    assert imported(VASE) == [FileAction.UPDATE]
    compared = template_versions.compare(version, version.template.versions.get(number=2))
    assert [(one.label, one.left, one.right) for one in compared.differences] == [
        ("Brand kit", "house", "none")
    ]
    again = template_publishing.publish_version(actor=SHELL, version=version)
    assert again.brand_kit == kit
