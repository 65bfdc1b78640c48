"""Columns are found for variables, whatever language and spelling their names have."""

from __future__ import annotations

import pytest

from imagegen_app.core.column_guesses import (
    guess_columns,
    guess_image,
    guess_key,
    image_columns,
    normalised,
)
from imagegen_app.core.variables import Variable


def test_names_are_compared_without_case_accents_and_punctuation() -> None:
    assert normalised(" Artikel-Nr. ") == "artikelnr"
    assert normalised("Größe (cm)") == "groessecm"
    assert normalised("Matière") == "matiere"


@pytest.mark.parametrize(
    ("column", "name", "label"),
    [
        ("Product", "product", ""),
        ("Umgebung des Bildes", "place", "Umgebung des Bildes"),
        ("Farbe", "colour", ""),
        ("Couleur", "colour", ""),
        ("Bezeichnung", "product", "Product"),
        ("MATIÈRE", "material", ""),
    ],
)
def test_a_variable_finds_its_column(column: str, name: str, label: str) -> None:
    guessed = guess_columns([Variable(name=name, label=label)], ["SKU", column])
    assert guessed == {name: column}


def test_its_own_name_goes_before_a_word_of_the_same_meaning() -> None:
    found = guess_columns([Variable(name="product"), Variable(name="scent")], ["Title", "product"])
    assert found == {"product": "product", "scent": ""}


def test_a_column_called_like_one_variable_is_no_others() -> None:
    variables = [Variable(name="setting"), Variable(name="scene"), Variable(name="product")]

    assert guess_columns(variables, ["Scene", "Title"]) == {
        "setting": "",
        "scene": "Scene",
        "product": "Title",
    }
    assert guess_columns(variables[:1], ["Scene"]) == {"setting": "Scene"}


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        (["Name", "SKU"], "SKU"),
        (["id", "Artikelnummer"], "Artikelnummer"),
        (["Référence", "Nom"], "Référence"),
        (["Colour", "Something"], "Something"),
    ],
)
def test_the_key_is_guessed_by_its_name_else_by_its_values(columns: list[str], key: str) -> None:
    assert guess_key(columns, [["red", "a"], ["red", "b"]]) == key


def test_columns_with_addresses_of_images_are_found() -> None:
    rows = [
        ["1", "https://x.example/a.jpg", "https://x.example/page"],
        ["2", "file:///etc/x.png", ""],
    ]
    assert image_columns(["id", "photo", "link"], rows) == ["photo"]


def test_a_column_of_images_is_found_by_its_values_or_by_its_name() -> None:
    key = "01a22389-a093-7fad-831b-78d14d574a69"
    columns = ["sku", "Link", "Bild"]

    assert guess_image(columns, [["1", "https://a.example/", "https://a.example/1.jpg"]]) == "Bild"
    assert guess_image(
        columns, [["1", "", key], ["2", "", "http://a.example"], ["3", "", "x"]]
    ) == ("Bild")
    assert guess_image(columns, [["1", "", "a red cup"], ["2", "", key]]) == ""
    assert guess_image(columns, [["1", "", ""]]) == ""
    assert guess_image(["sku", "photo_url"], [["1", "https://a.example/x"]]) == "photo_url"
