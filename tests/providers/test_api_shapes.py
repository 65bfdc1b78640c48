"""Every request of an adapter is one that the provider's own API description allows.

`api_shapes/` has these descriptions without their prose; `api_shapes/extract.py` writes it. What the
descriptions do not know is listed there with its reason: whole calls under `undescribed`, and single
fields under `deviations`. What nobody sends may not be listed.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagegen_app.core.types import Operation, Size
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.contract.samples import sample_requests
from imagegen_app.testing.contract.suite import simulator_for
from imagegen_app.testing.simulator import forms
from tests.providers.api_shapes.extract import CALLS, FOLDER
from tests.providers.recorded_requests import Recorded, sent_at_most, sent_for_samples
from tests.providers.test_replicate import SDXL

jsonschema: Any = pytest.importorskip("jsonschema")
#: What our paths begin with, and what a description has for it.
_PREFIXES = {"recraft": ("", "/v1"), "fal": ("/fal/v1", "")}
#: Models of each line that an adapter tells from others, beside those of its samples.
MODELS = {
    "bfl": [name.removeprefix("POST /v1/") for name in CALLS["bfl"] if name.startswith("POST")],
    "ideogram": ["ideogram-v3", "ideogram-4-5", "ideogram-4-6"],
    "openai": ["gpt-image-1.5", "gpt-image-2.6-sunburst"],
    "recraft": ["recraftv2", "recraftv3", "recraftv4_1", "recraftv4_1_pro"],
}
#: A model of Replicate's that is called by its version.
PINNED = replace(
    SAMPLES["replicate"],
    model=SDXL,
    requests=sample_requests([Operation.GENERATE], model=SDXL, size=Size(1024, 1024)),
)


@functools.cache
def described(provider: str) -> dict[str, Any]:
    """Return the facts about a provider's calls."""
    found: dict[str, Any] = json.loads((FOLDER / f"{provider}.json").read_text())
    return found


class Checker:
    """Compare requests with a description, and note what was met."""

    def __init__(self, provider: str) -> None:
        self.facts = described(provider)
        self.provider = provider
        self.complaints: list[str] = []
        self.met: set[str] = set()

    def check(self, request: Recorded) -> None:
        before, here = _PREFIXES.get(self.provider, ("", ""))
        if not request.path.startswith(before):
            # Of another API of theirs, that nothing describes.
            return
        call = self._call(request.method, here + request.path.removeprefix(before))
        self.met.add(call)
        if call in self.facts["undescribed"]:
            return
        if call not in self.facts["calls"]:
            self.complaints.append(f"{call}: not in the description")
            return
        shape = self.facts["calls"][call]
        for place, value in _parts(request, shape):
            if place not in shape:
                self.complaints.append(f"{call}: it takes no {place}")
                continue
            schema = {**shape[place], "$defs": self.facts["lists"]}
            for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
                self._note(call, place, error)

    def _note(self, call: str, place: str, error: Any) -> None:
        field = ".".join(str(part) for part in error.absolute_path if not isinstance(part, int))
        if error.validator == "additionalProperties":
            extra = set(error.instance) - set(error.schema["properties"])
            names = [f"{field}.{name}".strip(".") for name in sorted(extra)]
        else:
            names = [field or error.validator]
        for name in names:
            known = f"{call} {name}"
            if any(known == f"{one['call']} {one['field']}" for one in self.facts["deviations"]):
                self.met.add(known)
            else:
                self.complaints.append(f"{call} {place}: {name}: {error.message[:200]}")

    def _call(self, method: str, path: str) -> str:
        """Return the described call that a path belongs to; the path itself if it is none."""
        names: list[str] = [*self.facts["calls"], *self.facts["undescribed"]]
        for name in sorted(names, key=lambda name: name.count("{")):
            known_method, _, known_path = name.partition(" ")
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(known_path))
            if known_method == method and re.fullmatch(pattern, path):
                return name
        return f"{method} {path}"


def _parts(request: Recorded, shape: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return what a request holds, by where: the query, our own headers and the body."""
    if request.query:
        yield "query", _typed(request.query, shape.get("query", {}))
    given = dict(request.headers)
    if given:
        yield "headers", given
    if request.content_type == "application/json":
        document = json.loads(request.body)
        if document or "json" in shape:
            yield "json", document
    elif request.content_type:
        form = forms.parse(request.body, content_type=request.content_type)
        fields: dict[str, Any] = dict(form.fields)
        for name, _kind, _data in form.files:
            fields.setdefault(name, []).append("a file")
        yield "form", _typed(fields, shape.get("form", {}))


def _typed(fields: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a form or query as the kinds that their schema names, if they read so."""
    rules = schema.get("properties", {})
    return {name: _read(value, rules.get(name, {})) for name, value in fields.items()}


def _read(value: Any, rule: dict[str, Any]) -> Any:
    if isinstance(value, list):
        takes_list = "array" in json.dumps(rule)
        return value if takes_list or len(value) > 1 else value[0]
    kinds = re.findall(r'"(integer|number|boolean|object)"', json.dumps(rule))
    if not kinds:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b'{"model": "gpt-image-2", "prompt": "a mug", "loras": []}', "json: loras"),
        (b'{"model": "gpt-image-2", "prompt": "a mug", "n": 11}', "json: n"),
        (b'{"model": "gpt-image-2"}', "json: required"),
    ],
)
def test_what_is_not_described_is_found(body: bytes, complaint: str) -> None:
    checker = Checker("openai")
    path = "/images/generations"

    checker.check(Recorded("POST", path, {}, body, "application/json", path=path))

    assert len(checker.complaints) == 1
    assert complaint in checker.complaints[0]


@pytest.mark.parametrize("provider", CALLS)
def test_every_request_is_one_that_the_provider_describes(
    provider: str, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    checker = Checker(provider)

    for samples in (*SAMPLES.values(), PINNED):
        if samples.adapter == provider:
            simulator = simulator_for(pytestconfig, samples.protocol)
            for request in sent_for_samples(samples, simulator=simulator, folder=tmp_path):
                checker.check(request)
    for model in MODELS.get(provider, ()):
        for operation, requests in sent_at_most(provider, model).items():
            assert requests, f"{model}: nothing is sent for {operation.value}"
            for request in requests:
                checker.check(request)

    assert not checker.complaints, "\n".join(sorted(set(checker.complaints)))
    noted = {f"{one['call']} {one['field']}" for one in checker.facts["deviations"]}
    known = {*checker.facts["calls"], *checker.facts["undescribed"], *noted}
    assert known <= checker.met, f"nobody sends {sorted(known - checker.met)}"
