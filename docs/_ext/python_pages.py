"""Make the reference page of the Python names that a site imports from the package."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

from markdown_tables import NONE, cell, code, first_line, notes, table

import imagegen_app
from imagegen_app.core.types import ControlGuide, Cost, Lora, Size
from imagegen_app.services.job_requests import argument_types, composition
from imagegen_app.services.job_requests.creation import Offer
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.policy.budgets import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RAISES = re.compile(r"^:raises (?P<names>[\w, ]+): (?P<when>.+?)$", re.MULTILINE)
#: What each keyword of a request means; `argument_types` says what it may be.
MEANINGS = {
    "template": "The prompt template; what it fixes cannot be changed. Without it give a `prompt`.",
    "variables": "Values for the template's variables, by their names.",
    "prompt": "A free prompt, where there is no template.",
    "negative_prompt": "What must not be seen, for models that have such a prompt.",
    "model": "The image model. The template's, or the first that a grant allows the user.",
    "operation": "What is done: `generate`, `edit`, `inpaint` and others. The template's, or `generate`.",
    "size": "Pixels, proportions, or `source` for those of the first input image.",
    "count": "How many images. The template's, or 1.",
    "seed": "A number from which the drawing starts, for models that take one.",
    "quality": "A tier or a word of the model's own; an empty text is the model's usual one.",
    "output_format": "The file format of the images; empty for the model's usual one.",
    "background": "Such as `transparent`, for models that offer it.",
    "parameters": "Values of the model's own parameters, as text or in their own type.",
    "loras": "Additional weights, each with how strongly it counts.",
    "inputs": "Images that are handed in, each with its role.",
    "idempotency_key": "A text of your own: asking twice with it makes one job.",
    "batch": "The batch to which the job belongs.",
    "shot": "The short name of one of the template's shots; without it, the first is made.",
    "row_key": "The key of the batch's row.",
    "policy": "What happens when a call's outcome cannot be learnt: a person decides, or it is made again.",
    "passes": "Follow-up passes, in order.",
    "brand_kit": "Adds its words, reference images, LoRA and seed to what is not said otherwise.",
}
#: Longer declarations have one argument a line.
LINE_CHARS = 100
#: Values that are handed in or come back.
VALUES = (Offer, Allowance, Cost, InputSource, Lora, ControlGuide, Size)


def functions() -> str:
    """Show the functions: signature, meaning, what they raise and what they take."""
    parts = []
    for name in imagegen_app.__all__:
        thing = getattr(imagegen_app, name)
        if not inspect.isfunction(thing):
            continue
        parts += [f"**`{name}`**", "", f"```python\n{signature(name, thing)}\n```", ""]
        said = inspect.getdoc(thing) or ""
        meaning = _RAISES.sub("", _joined(said)).strip()
        parts += [re.sub(r"\n{3,}", "\n\n", meaning), ""]
        rows = [(code(one), cell(when)) for one, when in raised(thing)]
        parts += [table(("raises", "when"), rows), ""]
    return "\n".join(parts)


def keywords() -> str:
    """List the keywords of a request with their types, defaults and meanings."""
    parameters = inspect.signature(composition.compose).parameters
    return table(
        ("keyword", "is", "default", "meaning"),
        (
            (code(name), cell(kind), code(repr(parameters[name].default)), cell(MEANINGS[name]))
            for name, (_is_right, kind) in argument_types._EXPECTED.items()
        ),
    )


def exceptions() -> str:
    """List the exceptions with what they tell and which functions raise them."""
    raisers: dict[str, list[str]] = {}
    for name in imagegen_app.__all__:
        thing = getattr(imagegen_app, name)
        if inspect.isfunction(thing):
            for raised_name, _when in raised(thing):
                raisers.setdefault(raised_name, []).append(name)
    rows = []
    for name in imagegen_app.__all__:
        thing = getattr(imagegen_app, name)
        if inspect.isclass(thing):
            base = thing.__base__.__name__
            own = [one for one in attributes(thing) if one not in attributes(thing.__base__)]
            rows.append(
                (
                    code(name),
                    code(base),
                    code(thing.code),
                    ", ".join(map(code, own)) or NONE,
                    first_line(thing),
                    ", ".join(map(code, raisers.get(name, ()))) or NONE,
                )
            )
    head = ("exception", "is a", "`code`", "attributes of its own", "meaning", "raised by")
    return table(head, rows)


def values() -> str:
    """List the fields of the values that are handed in or come back."""
    parts = []
    for kind in VALUES:
        said = notes(kind)
        parts += [f"**`{kind.__module__}.{kind.__qualname__}`**: {first_line(kind)}", ""]
        rows = [
            (code(field.name), code(field.type), _default(field), cell(said.get(field.name, "")))
            for field in dataclasses.fields(kind)
        ]
        parts += [table(("field", "type", "default", "meaning"), rows), ""]
    return "\n".join(parts)


def signature(name: str, function: Callable[..., Any]) -> str:
    """Return the declaration of a function; a request's keywords are named one by one."""
    own = inspect.signature(function)
    given = []
    for parameter in own.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            composed = inspect.signature(composition.compose).parameters
            given += [composed[keyword] for keyword in argument_types._EXPECTED]
        else:
            given.append(parameter)
    spelled = own.replace(parameters=given)
    text = re.sub(r"'([^']*)'", r"\1", f"def {name}{spelled}: ...")
    return _wrapped(_quoted_again(text))


def _quoted_again(text: str) -> str:
    """Put quotes around the texts among the defaults, which lost theirs with the annotations."""
    text = re.sub(r"= (?=[,)])", '= ""', text)
    return re.sub(r"= (at_most_once)", r'= "\1"', text)


def _wrapped(text: str) -> str:
    if len(text) <= LINE_CHARS:
        return text
    head, _, rest = text.partition("(")
    inner, _, end = rest.rpartition(") ->")
    depth, parts, begin = 0, [], 0
    for place, char in enumerate(inner):
        depth += (char in "[(") - (char in "])")
        if char == "," and not depth:
            parts.append(inner[begin:place].strip())
            begin = place + 1
    parts.append(inner[begin:].strip())
    return f"{head}(\n" + "".join(f"    {part},\n" for part in parts) + f") ->{end}"


def _joined(said: str) -> str:
    """Return a docstring whose `:raises` lines are one line each."""
    return re.sub(r"\n {4,}(?=\S)", " ", said)


def raised(function: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """Return what a function raises by its docstring, and when."""
    for found in _RAISES.finditer(_joined(inspect.getdoc(function) or "")):
        for name in found["names"].split(", "):
            yield name, found["when"]


def attributes(kind: Any) -> list[str]:
    """Return the public names that an exception sets on itself, its bases' included."""
    found: dict[str, None] = {}
    for one in reversed(kind.__mro__):
        if not one.__module__.startswith("imagegen_app"):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            for target in targets:
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                    found[target.attr] = None
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = None
    return list(found)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return code(repr(field.default))
    return NONE if field.default_factory is dataclasses.MISSING else code("{}")


PAGES: dict[str, Callable[[], str]] = {
    "python-exceptions": exceptions,
    "python-functions": functions,
    "python-keywords": keywords,
    "python-values": values,
}
