"""Score texts by marked words and images by their colour, and spoil the answers that faults name."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import generation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.testing.simulator.asgi import Answer
    from imagegen_app.testing.simulator.faults import Fault
    from imagegen_app.testing.simulator.state import State

#: The score of a category that nothing speaks for.
QUIET: Final = 0.0001
#: A text that contains the word has this score in the category.
WORDS: Final[Mapping[str, tuple[str, float]]] = {
    "simulate-violence": ("violence", 0.97),
    "simulate-some-violence": ("violence", 0.4),
    "simulate-harassment": ("harassment", 0.91),
    "simulate-sexual": ("sexual", 0.93),
    "simulate-minors": ("sexual/minors", 0.88),
}
#: Images of these colours, on average, likewise; no picture of the simulator has them.
COLOURS: Final[Mapping[tuple[int, int, int], tuple[str, float]]] = {
    (255, 0, 0): ("violence", 0.96),
    (255, 0, 255): ("sexual", 0.95),
    # Only the generic classifier knows of minors in images.
    (0, 0, 255): ("sexual/minors", 0.9),
}
#: How scores can be nonsense: the `code` of the fault `strange_scores`.
STRANGE: Final = (
    "nan",
    "negative",
    "over_one",
    "text",
    "truth",
    "null",
    "missing",
    "no_scores",
    "no_results",
    "two_results",
    "empty_list",
    "deep",
    "huge",
)
_CLOSE = 12
_DEEP, _MANY = 200, 50_000
#: Stand in the document for what JSON proper cannot say.
_NAN_MARK: Final = "simulated-nan"


def scores_of_text(text: str) -> dict[str, float]:
    """Return the scores that stand out of a text."""
    lowered = text.lower()
    return dict(score for word, score in WORDS.items() if word in lowered)


def scores_of_image(data: bytes) -> dict[str, float]:
    """Return the scores that stand out of an image.

    :raises ValueError: if it is none.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            small = image.convert("RGB").resize((1, 1), Image.Resampling.BOX)
            found = small.getpixel((0, 0))
    except (OSError, SyntaxError) as error:
        raise ValueError("not an image") from error
    average = found if isinstance(found, tuple) else (0, 0, 0)
    return dict(
        score
        for colour, score in COLOURS.items()
        if all(abs(a - b) <= _CLOSE for a, b in zip(average, colour, strict=True))
    )


def remember(state: State, data: bytes, *, media_type: str) -> None:
    """Remember an image that arrived, as those of other calls are.

    :raises ValueError: if it is none.
    """
    scores_of_image(data)
    state.received.add(
        GenerationRequest(
            operation=Operation.GENERATE,
            model="moderation",
            prompt="",
            size=Size(1, 1),
            inputs=(generation.image_input(data, media_type=media_type, role=InputRole.IMAGE),),
        )
    )


def spoil_results(document: dict[str, Any], *, fault: Fault | None, scores: str) -> None:
    """Spoil the results of a document that holds a list of them, if the fault asks for it."""
    if fault is None or fault.kind != "strange_scores":
        return
    if fault.code == "no_results":
        document["results"] = []
    elif fault.code == "two_results":
        document["results"] = document["results"] * 2
    elif fault.code == "empty_list":
        document["results"] = [[]]
    else:
        for result in document["results"]:
            spoil_scores(result, fault=fault, name=scores)


def spoil_scores(result: dict[str, Any], *, fault: Fault | None, name: str) -> None:
    """Spoil the scores of one result, if the fault asks for it."""
    if fault is None or fault.kind != "strange_scores":
        return
    strange: dict[str, Any] = {
        "nan": _NAN_MARK,
        "negative": -0.2,
        "over_one": 97.0,
        "text": "high",
        "truth": True,
        "null": None,
    }
    if fault.code in strange:
        result[name]["violence"] = strange[fault.code]
    elif fault.code == "missing":
        del result[name]["violence"]
    elif fault.code == "empty_list":
        result[name] = []
    elif fault.code == "no_scores":
        del result[name]
    elif fault.code == "huge":
        result[name] |= {f"category-{number}": 0.1 for number in range(_MANY)}
    elif fault.code == "deep":
        inner: Any = 0.1
        for _ in range(_DEEP):
            inner = [inner]
        result[name]["violence"] = inner


def with_strange_numbers(answer: Answer, *, fault: Fault | None) -> Answer:
    """Return an answer with NaN where the fault asks for it: Python's own JSON accepts it."""
    if fault is None or fault.kind != "strange_scores":
        return answer
    return replace(answer, body=answer.body.replace(b'"' + _NAN_MARK.encode() + b'"', b"NaN"))
