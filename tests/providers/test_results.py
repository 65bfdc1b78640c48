"""One bad item of an answer leaves the others, in every family."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from imagegen_app.core.errors import BadResponse, ContentBlocked
from imagegen_app.core.types import ProviderResult
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.base import Account
from imagegen_app.providers.families.openai_like import read_images
from imagegen_app.providers.generic_jobs import GenericJobs
from imagegen_app.providers.sandbox import Sandbox

Spooled = Callable[..., SpooledAnswer]
PICTURES = [b"\x89PNG one", b"\x89PNG two", b"\x89PNG four"]
TEXTS = [base64.b64encode(picture).decode() for picture in PICTURES]
BAD: list[Any] = [
    {"b64_json": None},
    {"b64_json": ""},
    {"b64_json": TEXTS[0][:-3]},
    {"b64_json": 17},
    {"b64_json": ["x"]},
    {"b64_json": "<html>"},
    {"b64_json": "data:image/png"},
    {"url": None},
    {"url": "https://files.example.com/gone.png"},
    {"url": 3},
    {},
    None,
    "text",
    [],
    7,
]
READERS: dict[str, Callable[[SpooledAnswer], ProviderResult]] = {
    "openai_like": read_images,
    "generic_jobs": lambda answer: GenericJobs.read_answer(_generic(), answer),
}


def _generic() -> GenericJobs:
    return GenericJobs(Account(base_url="https://api.example.com"))


def body_of(family: str, items: list[Any]) -> bytes:
    document: dict[str, Any] = {"data": items}
    if family == "generic_jobs":
        document = {"id": "job-1", "status": "succeeded", "output": items}
    return json.dumps(document).encode()


@pytest.mark.parametrize("family", sorted(READERS))
def test_the_third_of_four_items_is_bad_and_the_others_are_kept(
    spooled: Spooled, family: str
) -> None:
    good = [{"b64_json": text} for text in TEXTS]

    results = [
        READERS[family](spooled(body_of(family, [*good[:2], bad, good[2]]), asked=4)) for bad in BAD
    ]

    assert [[i.data for i in r.images] for r in results] == [PICTURES] * len(BAD)
    assert {(len(r.unusable), r.usage.images) for r in results} == {(1, 4)}


@pytest.mark.parametrize("family", sorted(READERS))
def test_an_answer_of_bad_items_only_is_a_bad_response(spooled: Spooled, family: str) -> None:
    for bad in BAD:
        with pytest.raises(BadResponse):
            READERS[family](spooled(body_of(family, [bad, bad]), asked=2))


def test_images_beside_an_error_are_kept_and_without_images_the_error_counts(
    spooled: Spooled,
) -> None:
    error = {"code": "moderation_blocked"}
    items = [{"b64_json": TEXTS[0]}, {"b64_json": None}]

    result = read_images(spooled(json.dumps({"error": error, "data": items}).encode()))

    assert [image.data for image in result.images] == PICTURES[:1]
    with pytest.raises(ContentBlocked):
        read_images(spooled(json.dumps({"error": error, "data": items[1:]}).encode()))


@pytest.mark.parametrize("name", ["B64_JSON", "B64_Json", "url"])
def test_a_name_in_another_case_and_a_data_url_under_url_are_read(
    spooled: Spooled, name: str
) -> None:
    item = {name: "data:image/png;base64," + TEXTS[0]}

    assert read_images(spooled(json.dumps({"data": [item]}).encode())).images[0].data == PICTURES[0]


def test_a_missing_image_of_the_sandbox_leaves_the_others(answer: SpooledAnswer) -> None:
    answer.folder.mkdir(parents=True, exist_ok=True)
    for n in (0, 2):
        (answer.folder / f"image-{n}").write_bytes(PICTURES[n])
    items = [{"part": f"image-{n}", "seed": n} for n in range(3)]
    answer.body_path.write_text(json.dumps({"images": items, "format": "png"}), "ascii")

    result = Sandbox().read_answer(answer)

    assert [image.data for image in result.images] == [PICTURES[0], PICTURES[2]]
    assert len(result.unusable) == 1
