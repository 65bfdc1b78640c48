"""Reduce a provider's OpenAPI description to the facts about the calls that our adapter makes.

`python -m tests.providers.api_shapes.extract bfl DESCRIPTION.json --read-on 2026-11-20` writes
`bfl.json` beside this file: names, types, enumerations and limits, none of the provider's prose. What
was noted by hand under `deviations` and `undescribed` stays.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
#: By provider: the calls, as the description writes them.
CALLS: dict[str, tuple[str, ...]] = {
    "bfl": (
        "GET /v1/credits",
        "GET /v1/get_result",
        "POST /v1/flux-2-flex",
        "POST /v1/flux-2-klein-4b",
        "POST /v1/flux-2-klein-9b",
        "POST /v1/flux-2-max",
        "POST /v1/flux-2-pro",
        "POST /v1/flux-dev",
        "POST /v1/flux-kontext-max",
        "POST /v1/flux-kontext-pro",
        "POST /v1/flux-pro-1.0-expand",
        "POST /v1/flux-pro-1.0-fill",
        "POST /v1/flux-pro-1.0-fill-finetuned",
        "POST /v1/flux-pro-1.1",
        "POST /v1/flux-pro-1.1-ultra",
        "POST /v1/flux-pro-1.1-ultra-finetuned",
    ),
    "fal": ("GET /models", "GET /models/pricing"),
    "ideogram": (
        "POST /upscale",
        "POST /v1/edit",
        "POST /v1/ideogram-v3/generate",
        "POST /v1/ideogram-v3/inpaint",
    ),
    "openai": (
        "POST /content_provenance_checks",
        "POST /images/edits",
        "POST /images/generations",
    ),
    "recraft": (
        "GET /v1/models",
        "GET /v1/users/me",
        "POST /v1/images/creativeUpscale",
        "POST /v1/images/crispUpscale",
        "POST /v1/images/eraseRegion",
        "POST /v1/images/generations",
        "POST /v1/images/imageToImage",
        "POST /v1/images/inpaint",
        "POST /v1/images/removeBackground",
    ),
    "replicate": (
        "GET /account",
        "GET /models/{model_owner}/{model_name}",
        "GET /models/{model_owner}/{model_name}/versions/{version_id}",
        "GET /predictions",
        "GET /predictions/{prediction_id}",
        "POST /models/{model_owner}/{model_name}/predictions",
        "POST /predictions",
        "POST /predictions/{prediction_id}/cancel",
    ),
}
_BODIES = {"application/json": "json", "multipart/form-data": "form"}
_KEPT = [
    "type",
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "required",
]
_INNER = ("items", "not")
_UNIONS = ("anyOf", "oneOf")
_UINT32 = 2**32 - 1
#: Longer lists that occur twice are written once, under `lists`.
_SHORT = 12


class Description:
    """An OpenAPI description."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def call(self, name: str) -> dict[str, Any]:
        """Return what one call takes, by where: `query`, `headers`, `json` or `form`."""
        method, path = name.split(" ")
        rules = self.document["paths"][path]
        operation = rules[method.lower()]
        found: dict[str, Any] = {}
        for parameter in [*rules.get("parameters", ()), *operation.get("parameters", ())]:
            rule = self.resolved(parameter)
            place = {"query": "query", "header": "headers"}.get(rule["in"])
            if place:
                schema = found.setdefault(place, _an_object())
                schema["properties"][rule["name"]] = self.shape(rule["schema"])
                if rule.get("required"):
                    schema.setdefault("required", []).append(rule["name"])
        body = self.resolved(operation.get("requestBody", {}))
        for kind, content in body.get("content", {}).items():
            if kind in _BODIES:
                found[_BODIES[kind]] = self.shape(content["schema"])
        return found

    def resolved(self, rule: dict[str, Any]) -> dict[str, Any]:
        """Follow a reference."""
        while "$ref" in rule:
            target: Any = self.document
            for part in rule["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            rule = target
        return rule

    def shape(self, schema: Any) -> Any:
        """Return a schema with its facts only; objects take no further names."""
        schema = self.merged(self.resolved(schema))
        found = {name: schema[name] for name in _KEPT if name in schema}
        found |= {name: self.shape(schema[name]) for name in _INNER if name in schema}
        for name in _UNIONS:
            if name in schema:
                # Whether several of them fit is no matter for who writes requests.
                found["anyOf"] = [self.shape(one) for one in schema[name]]
        if "properties" in schema:
            found["properties"] = {n: self.shape(one) for n, one in schema["properties"].items()}
            found["additionalProperties"] = False
        if isinstance(schema.get("additionalProperties"), dict):
            found["additionalProperties"] = self.shape(schema["additionalProperties"])
        if found.get("format") == "uint32":
            found |= {"minimum": 0, "maximum": _UINT32}
        if schema.get("nullable") and isinstance(found.get("type"), str):
            found["type"] = [found["type"], "null"]
        return found

    def merged(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a schema with all that it must also be, as one."""
        parts = [self.merged(self.resolved(one)) for one in schema.get("allOf", ())]
        found = {name: value for name, value in schema.items() if name != "allOf"}
        for part in parts:
            properties = {**part.get("properties", {}), **found.get("properties", {})}
            required = [*part.get("required", ()), *found.get("required", ())]
            found = {**part, **found}
            found |= {"properties": properties} if properties else {}
            found |= {"required": required} if required else {}
        return found


def _an_object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "additionalProperties": False}


def with_lists(calls: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return calls whose long enumerations are references, and these enumerations by their names."""
    seen = Counter(_long_enumerations(calls))
    lists: dict[str, Any] = {}
    names: dict[str, str] = {}

    def replaced(value: Any, name: str) -> Any:
        if isinstance(value, list):
            return [replaced(one, name) for one in value]
        if not isinstance(value, dict):
            return value
        text = json.dumps(value.get("enum"))
        if seen[text] > 1:
            if text not in names:
                taken = sum(one.rstrip("0123456789") == name for one in lists)
                names[text] = f"{name}{taken + 1 if taken else ''}"
                lists[names[text]] = {"enum": value["enum"]}
            return {"$ref": f"#/$defs/{names[text]}"}
        return {key: replaced(inner, key) for key, inner in value.items()}

    return replaced(calls, ""), lists


def _long_enumerations(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and len(value.get("enum", ())) > _SHORT:
        yield json.dumps(value["enum"])
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _long_enumerations(inner)


def main() -> None:
    """Write the file of one provider."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("provider", choices=sorted(CALLS))
    parser.add_argument("description", type=Path)
    parser.add_argument("--read-on", required=True)
    given = parser.parse_args()
    description = Description(json.loads(given.description.read_text()))
    info = description.document["info"]
    target = FOLDER / f"{given.provider}.json"
    before = json.loads(target.read_text()) if target.exists() else {}
    calls, lists = with_lists({name: description.call(name) for name in CALLS[given.provider]})
    document = {
        "title": info["title"],
        "version": info["version"],
        "read_on": given.read_on,
        "deviations": before.get("deviations", []),
        "undescribed": before.get("undescribed", {}),
        "calls": calls,
        "lists": lists,
    }
    target.write_text(_text(document))


def _text(document: dict[str, Any]) -> str:
    """Write one line a field, so that a change of the description is read easily."""
    lines: list[str] = []

    def write(value: Any, depth: int, name: str, end: str) -> None:
        head = " " * depth + (f"{json.dumps(name)}: " if name else "")
        flat = json.dumps(value, sort_keys=depth > 1)
        if not isinstance(value, dict) or (len(flat) < 100 - len(head)):
            lines.append(f"{head}{flat}{end}")
            return
        lines.append(head + "{")
        inner = sorted(value.items()) if depth else list(value.items())
        for n, (key, one) in enumerate(inner):
            write(one, depth + 1, key, "," if n < len(inner) - 1 else "")
        lines.append(" " * depth + "}" + end)

    write(document, 0, "", "")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
