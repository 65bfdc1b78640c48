"""The command that lists, checks and syncs a catalogue of models."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from imagegen_app.models import ImageModel
from imagegen_app.testing.factories import make_provider

if TYPE_CHECKING:
    from imagegen_app.models import Provider

PRICE = {
    "currency": "USD",
    "per_image": [{"amount": "0.02"}],
    "checked_on": "2026-11-26",
    "source": "https://images.example/prices",
}
ENTRY: dict[str, Any] = {
    "adapter": "openai",
    "model": "m-1",
    "name": "Model 1",
    "version": "1",
    "price_list": PRICE,
}
RETIRED: dict[str, Any] = {
    **{k: v for k, v in ENTRY.items() if k != "price_list"},
    "model": "m-0",
    "retires_on": "2020-01-01",
    "retirement_source": "x",
    "replaced_by": "m-1",
}


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command("imagegen_catalog", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def provider(db: None) -> Provider:
    return make_provider(adapter="openai", slug="images")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"format": 1, "models": [ENTRY, RETIRED]}))
    return path


def test_a_dry_run_shows_what_a_sync_does_then(provider: Provider, file: Path) -> None:
    make_provider(adapter="openai", slug="other")
    options = ("--file", file, "--provider", "images")

    seen = run("sync", "--dry-run", *options)
    assert not ImageModel.objects.exists()
    done = run("sync", *options)

    assert "images: m-1: add as a draft\n" in seen
    assert "This would be done (nothing was written): add as a draft: 1, update: 0" in seen
    assert "Done: add as a draft: 1, update: 0, leave as it is: 0, do not add: 1." in done
    assert ImageModel.objects.get().provider == provider


def test_what_is_kept_is_printed_with_both_values(provider: Provider, file: Path) -> None:
    run("sync", "--file", file)
    row = ImageModel.objects.get()
    row.price_list = PRICE | {"per_image": [{"amount": "9"}]}
    save(row)
    changed = ENTRY | {"price_list": PRICE | {"per_image": [{"amount": "0.04"}]}, "name": "New"}
    file.write_text(json.dumps({"format": 1, "models": [changed]}))

    told = json.loads(run("sync", "--file", file, "--json"))
    text = run("sync", "--file", file)

    (one,) = told["models"]
    assert (one["provider"], one["slug"], one["action"]) == ("images", "m-1", "update")
    assert one["changes"] == [{"field": "name", "current": "Model 1", "catalog": "New"}]
    (kept,) = one["kept"]
    assert (kept["field"], kept["current"]["per_image"], kept["catalog"]["per_image"]) == (
        "price_list",
        [{"amount": "9"}],
        [{"amount": "0.04"}],
    )
    assert "  keep price_list: here " in text


def save(row: ImageModel) -> None:
    from imagegen_app.core.actors import System  # noqa: PLC0415 - beside its only use
    from imagegen_app.services.policy import model_catalog  # noqa: PLC0415 - as above

    model_catalog.save(actor=System("shell"), record=row)


def test_the_list_says_what_is_retired(file: Path, db: None) -> None:
    text = run("list", "--file", file)
    told = json.loads(run("list", "--file", file, "--json"))["models"]

    assert "openai/m-1: Model 1; priced on 2026-11-26 by https://images.example/prices\n" in text
    assert "no price is known; retired on 2020-01-01, replaced by m-1\n" in text
    assert [(one["model"], one["retired"]) for one in told] == [("m-1", False), ("m-0", True)]
    assert run("list", "--file", file, "--adapter", "gemini") == ""


def test_a_valid_file_is_checked_without_a_word_too_many(file: Path, db: None) -> None:
    assert run("check", file) == "The file is valid; it lists 2 models.\n"
    assert json.loads(run("check", file, "--json")) == {"models": 2}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"adapter": "nobody"}, "- nobody/m-1: there is no adapter “nobody”; known are: "),
        (
            {"capabilities": {"sizes": {"allowed": ["2048x2048"], "max_side": 512}}},
            "- openai/m-1: “sizes”: the size 2048x2048 is listed, and excluded",
        ),
        ({"capabilities": {"speed": 3}}, "- openai/m-1: “speed” is unknown"),
        (
            {"price_list": PRICE | {"per_unit": {"minute": "1"}}},
            "- openai/m-1: the price list names an unknown unit: “minute”.",
        ),
    ],
)
def test_a_file_with_a_mistake_changes_nothing(
    provider: Provider, file: Path, changes: dict[str, Any], told: str
) -> None:
    good = ENTRY | {"model": "good"}
    file.write_text(json.dumps({"format": 1, "models": [good, ENTRY | changes]}))

    with pytest.raises(CommandError) as refused:
        run("sync", "--file", file)

    assert str(refused.value).startswith("The catalogue is not valid; nothing was written.\n")
    assert told in str(refused.value)
    assert not ImageModel.objects.exists()


def test_a_missing_file_or_provider_is_told(provider: Provider, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="the file cannot be read"):
        run("check", tmp_path / "none.json")
    with pytest.raises(CommandError, match="There is no provider “x”"):
        run("sync", "--provider", "x")


def test_a_misspelt_adapter_is_named_with_those_that_there_are() -> None:
    with pytest.raises(CommandError, match=r"no adapter “openia”; known are: .*openai"):
        run("list", "--adapter", "openia")
