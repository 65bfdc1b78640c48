"""Authors fix parameters and LoRA in a template; editors see them, and cannot change them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django import forms
from django.urls import reverse

from imagegen_app.admin.fixed_lines import FixedLorasField, FixedParametersField, parameter_lines
from imagegen_app.core.types import Lora
from imagegen_app.models import ImageModel, Job, PromptTemplate
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image_model,
    make_template,
    make_user,
)

if TYPE_CHECKING:
    from django.test import Client

STUDIO = "admin:imagegen_studio"
FIXED: dict[str, Any] = {
    "parameters": {"strength": 0.5},
    "loras": [{"name": "paint", "weight": 0.8}],
}


@pytest.fixture
def model(db: None, immediate: Any) -> ImageModel:
    made = make_image_model(slug="draws", name="Draws")
    make_grant(group=make_group("Image editors"), image_model=made)
    return made


@pytest.fixture
def editor(model: ImageModel, client: Client) -> Client:
    client.force_login(make_user("edda", groups=["Image editors"], is_staff=True))
    return client


def posted(editor: Client, model: ImageModel, **sent: str) -> Any:
    return editor.post(
        reverse(STUDIO),
        {
            "template": "mugs",
            "shown_template": "mugs",
            "v_product": "mug",
            "image_model": str(model.pk),
            "count": "1",
            "generate": "1",
            **sent,
        },
    )


def test_fixed_lines_are_read_and_written() -> None:
    texts = {
        "steps": 28,
        "safe": True,
        "graph": {"a": [1, 2]},
        "style": "two\nlines = of it",
        "q": '"',
    }

    read = FixedParametersField().clean(parameter_lines(texts) + "\n")

    assert read == {
        "steps": "28",
        "safe": "true",
        "graph": '{"a": [1, 2]}',
        "style": "two\nlines = of it",
        "q": '"',
    }
    assert FixedParametersField().clean("steps = 28") == {"steps": "28"}
    assert FixedLorasField().clean("paint=0.5\nhttps://x.example/a=b=1\n\nplain") == [
        Lora("paint", 0.5),
        Lora("https://x.example/a=b", 1.0),
        Lora("plain"),
    ]
    assert FixedParametersField().clean("") == {}


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        (FixedParametersField, "steps", "name=value"),
        (FixedParametersField, "steps=1\nsteps=2", "“steps” stands twice."),
        (FixedLorasField, "paint=much", "name=weight"),
        (FixedLorasField, "paint=1\npaint=2", "“paint” stands twice."),
        (FixedParametersField, "a=" + "x" * 20_001, "20000"),
    ],
)
def test_lines_of_another_form_are_refused(
    field: type[forms.CharField], text: str, reason: str
) -> None:
    with pytest.raises(forms.ValidationError, match=re.escape(reason)):
        field().clean(text)


def test_an_author_fixes_values_and_a_wrong_one_is_said_at_its_field(
    client: Client, people: dict[str, Any], model: ImageModel
) -> None:
    client.force_login(people["Template authors"])
    sent = {
        "name": "Mugs",
        "slug": "mugs",
        "body": "A mug",
        "operation": "generate",
        "size": "512x512",
        "count": "1",
        "seed_strategy": "random",
        "image_model": str(model.pk),
        "parameters": 'strength=0.5\r\nstyle="a soft\\nlight"',
        "loras": "paint=0.8",
    }
    add = reverse("admin:imagegen_prompttemplate_add")

    wrong = client.post(add, {**sent, "parameters": "steps=3", "loras": "paint=99"})
    client.post(add, sent)

    version = PromptTemplate.objects.get(slug="mugs").current
    assert version is not None
    errors = wrong.context["adminform"].form.errors
    assert "(steps): not offered" in errors["parameters"][0]
    assert version.parameters == {"strength": 0.5, "style": "a soft\nlight"}
    assert version.loras == [{"name": "paint", "weight": 0.8}]
    page = reverse("admin:imagegen_prompttemplate_change", args=[version.template_id])
    form = client.get(page).context["adminform"].form
    begun = {name: form[name].value() for name in ("parameters", "loras")}
    client.post(page, {**sent, **begun})
    assert version.template.versions.count() == 1
    shown = client.get(reverse("admin:imagegen_templateversion_change", args=[version.pk]))
    assert "paint (0.8)" in shown.content.decode()


def test_an_editor_sees_what_is_fixed_and_cannot_change_it(
    editor: Client, model: ImageModel
) -> None:
    make_template(slug="mugs", image_model=model, **FIXED)

    page = editor.get(reverse(STUDIO), {"template": "mugs"})
    html = page.content.decode()
    answer = posted(editor, model, p_strength="0.9", lora_0="other", lora_1="glaze")

    strength = re.search(r'<input[^>]*name="p_strength"[^>]*>', html)
    assert strength is not None
    assert 'value="0.5"' in strength[0]
    assert "disabled" in strength[0]
    assert html.count("Fixed by the template.") == 2
    assert answer.status_code == 302
    job = Job.objects.get()
    assert job.parameters == {"strength": 0.5}
    assert [one["name"] for one in job.loras] == ["paint", "glaze"]


def test_a_job_that_is_changed_begins_with_what_its_template_fixes_now(
    editor: Client, model: ImageModel
) -> None:
    version = make_template(slug="mugs", image_model=model, **FIXED)
    posted(editor, model, lora_1="glaze")
    job = Job.objects.get()
    changed = {"parameters": {"strength": 0.7}, "loras": [{"name": "ink", "weight": 0.3}]}
    use_case(audited=False)(type(version).objects.filter(pk=version.pk).update)(**changed)

    form = editor.get(reverse(STUDIO), {"again": str(job.pk)}).context["form"]

    shown = [form[name].value() for name in ("p_strength", "lora_0", "lora_1", "lora_2")]
    assert shown == ["0.7", "ink", "paint", "glaze"]
