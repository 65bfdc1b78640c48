"""Read and write prompt templates as a document.

A file of YAML, TOML or JSON holds it::

    {"templates": [{"slug": "bud-vase", "name": "Bud vase on a light table",
                    "prompt": "A {{ colour }} vase on a light table.",
                    "variables": [{"name": "colour", "kind": "colour"}],
                    "width": 1024, "height": 1024}]}

What an entry leaves out has the value of a new template: a document says all that a version is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

from imagegen_app.core.description_reader import plain, read_sections
from imagegen_app.core.i18n import gettext_noop


@dataclass(frozen=True, slots=True)
class TemplateEntry:
    """A prompt template with the content of one version."""

    #: Where it stands in the document, such as `templates[1]`; empty for one that is written.
    place: str
    #: Short name, by which a second import knows it.
    slug: str
    #: Name for people.
    name: str
    #: The text with its variables.
    prompt: str
    purpose: str | None = None
    negative_prompt: str | None = None
    #: As `core.variables.Variable` stores them.
    variables: tuple[Mapping[str, Any], ...] | None = None
    #: By default `generate`.
    operation: str | None = None
    #: Short name of an image model; without one, the requester chooses.
    model: str | None = None
    #: In pixels; without both, the model's own size is made.
    width: int | None = None
    height: int | None = None
    #: Images of one request.
    images: int | None = None
    quality: str | None = None
    #: `random`, `fixed` or `per_row`.
    seed_strategy: str | None = None
    seed: int | None = None
    #: Follow-up passes, as `core.passes.Pass` stores them.
    passes: tuple[Mapping[str, Any], ...] | None = None
    #: The model's own parameters.
    parameters: Mapping[str, Any] | None = None
    #: Names and weights.
    loras: tuple[Mapping[str, Any], ...] | None = None
    #: Control images: the key of an asset of this site, and how it guides.
    guides: tuple[Mapping[str, Any], ...] | None = None
    #: The pictures of each object, as `core.shots.Shot` stores them.
    shots: tuple[Mapping[str, Any], ...] | None = None
    #: Describes the images to people who cannot see them, with the template's variables.
    alt_pattern: str | None = None
    #: Short name of a brand kit that it inherits.
    brand_kit: str | None = None
    #: What changed in this version.
    note: str | None = None
    archived: bool | None = None
    category: str | None = None
    #: User name of who answers for it; without one, a template keeps the owner that it has.
    owner: str | None = None
    #: Names of the groups that may use it, none for everybody; left out, it keeps those that it has.
    groups: tuple[str, ...] | None = None


_SECTIONS: Final[Mapping[str, type[Any]]] = {"templates": TemplateEntry}


def read_templates(document: object) -> tuple[TemplateEntry, ...]:
    """Return the templates of a document.

    :raises InvalidDescription: if it has an unknown name, lacks one or has a wrong value; names all.
    """
    whole = gettext_noop("the file must hold an object with the list “templates”")
    return read_sections(document, _SECTIONS, whole=whole)["templates"]


def write_templates(entries: Iterable[TemplateEntry]) -> dict[str, Any]:
    """Return a document of templates; what an entry has not is left out of it."""
    return {"templates": [_written(one) for one in entries]}


def _written(entry: TemplateEntry) -> dict[str, Any]:
    values = {one.name: getattr(entry, one.name) for one in fields(entry) if one.name != "place"}
    needed = {one.name for one in fields(entry) if one.default is MISSING}
    return {
        name: plain(value)
        for name, value in values.items()
        if name in needed or value not in (None, "", (), {})
    }
