"""Keep the script of failures: which calls go wrong, and how."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields, replace
from typing import Any

from imagegen_app.testing.simulator import generation
from imagegen_app.testing.simulator.echoes import SPELLINGS

#: What a fault can be; `KINDS[name]` says what the caller sees.
KINDS = {
    "status": "an error status with a JSON body; never billed",
    "moderation_block": "400 moderation_blocked with stage and categories; never billed",
    "quota": "429 insufficient_quota; never billed",
    "html": "200 with a page of HTML; billed",
    "not_json": "200 with bytes that are not JSON; billed",
    "truncated_base64": "200 with base64 that is cut off; billed",
    "half_answer": "200, half of the body, then a broken connection; billed",
    "huge_png": "200 with a PNG that declares 300 megapixels; billed",
    "svg": "200 with an SVG instead of an image; billed",
    "animated_gif": "200 with an animated GIF; billed",
    "error_in_200": "200 with an error object inside; billed",
    "missing_data": "200 without images; billed",
    "other_model": "200 with the name of another model; billed",
    "fewer_images": "200 with one image only; billed as one",
    "silence": "nothing for `seconds`, then the answer; billed",
    "disconnect": "the call is accepted and billed, then the connection breaks without a byte",
    "job_failed": "the job is accepted and ends as failed with `code`; billed only by its start",
    "unknown_coding": "200 with a content coding that nobody knows; billed",
    "slow_body": "200, half of the body, then nothing for `seconds`; billed",
    "redirect": "a redirect of the call to `host`, or the simulator's other host; never billed",
    "output_block": "the images are made and then filtered, as the protocol says it; billed",
    "one_bad_image": "one image of several cannot be read; billed",
    "all_marks": "200 of a check of provenance that finds Content Credentials, too",
    "no_marks": "200 of a check of provenance that finds no marks",
    "chat_refusal": "200 whose message is a refusal instead of a text; billed",
    "chat_text": "200 with `code` as its text; billed",
    "chat_long": "200 with a text of 100,000 characters; billed",
    "chat_nonsense": "200 whose message's content is no text; billed",
    "chat_uncounted": "200 that does not count its tokens; billed",
    "strange_scores": "a moderation answer whose scores are nonsense: `code` says how",
    "disconnect_early": "the connection breaks before anything is accepted; never billed",
    "oversize_message": "a message of nine megabytes over a websocket; never billed",
    "garbage_messages": "messages over a websocket that mean nothing; never billed",
    "other_call": "messages over a websocket about the call of somebody else; never billed",
}
#: Which calls a fault may be aimed at.
AIMS = (
    "any",
    "generations",
    "edits",
    "jobs",
    "poll",
    "lookup",
    "cancel",
    "file",
    "websocket",
    "chat",
    "marks",
    "moderations",
)
#: What a script document may hold.
_KEYS = frozenset(
    {
        "latency",
        "job_seconds",
        "stream_pause",
        "hold_jobs",
        "job_output",
        "headers",
        "free_cancel",
        "echo",
        "status_word",
        "results_host",
        "spelling",
        "fault",
        "faults",
        "clear",
    }
)
#: Without an aim, only calls that make images go wrong.
_MAKING = frozenset({"generations", "edits", "jobs"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned failure."""

    kind: str
    on: str = ""
    #: How many calls it hits; None for all until a reset.
    times: int | None = 1
    #: The share of calls that it hits, by a seeded dice.
    fraction: float = 1.0
    status: int = 500
    code: str = ""
    type: str = ""
    retry_after: str = ""
    stage: str = "input"
    categories: tuple[str, ...] = ("violence",)
    seconds: float = 30.0
    #: Where a redirect leads, as scheme, host and port.
    host: str = ""
    #: Whether a job that failed says that it is billed.
    billed: bool = False

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Fault:
        """Read a fault.

        :raises ValueError: if a name or value is unknown.
        """
        known = {f.name for f in fields(cls)}
        unknown = set(document) - known
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        values = dict(document)
        if "categories" in values:
            values["categories"] = tuple(str(c) for c in values["categories"])
        if "retry_after" in values:
            values["retry_after"] = str(values["retry_after"])
        fault = cls(**values)
        if fault.kind not in KINDS or (fault.on and fault.on not in AIMS):
            raise ValueError("unknown kind or aim")
        return fault


@dataclass(slots=True)
class Script:
    """What is planned; the first fault that fits a call hits it."""

    latency: float = 0.0
    #: How long a job runs; the latency where it is None.
    job_seconds: float | None = None
    #: Seconds for which nothing comes after each image on its way.
    stream_pause: float = 0.0
    #: While it is set, no job ends; a test decides when instead of guessing how long it takes.
    hold_jobs: bool = False
    #: How a job hands out its images: `url` or `b64_json`.
    job_output: str = "url"
    #: Headers of every answer to a call that makes images, such as rate limits.
    headers: dict[str, str] = field(default_factory=dict)
    #: How the caller's key is spelt in every text of an answer; empty where it is not echoed.
    echo: str = ""
    #: What the state of a running job is called; empty for the protocol's own word.
    status_word: str = ""
    #: The scheme, host and port of results' addresses; empty for the simulator's own.
    results_host: str = ""
    #: How an image is written as text; see `generation.SPELLINGS`.
    spelling: str = "plain"
    #: A cancelled job is taken off the bill.
    free_cancel: bool = False
    faults: list[Fault] = field(default_factory=list)
    seed: int = 0
    _dice: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311  (planned failures, not secrets)

    def change(self, document: dict[str, Any]) -> None:
        """Apply a script document: the attributes of this class, `fault` or `faults`, `clear`.

        :raises ValueError: if something in it is unknown.
        """
        unknown = set(document) - _KEYS
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        planned = [*document.get("faults", [])]
        if "fault" in document:
            planned.append(document["fault"])
        faults = [Fault.parse(fault) for fault in planned]
        echo = str(document.get("echo", self.echo))
        if echo and echo not in SPELLINGS:
            raise ValueError(f"unknown: {echo}")
        spelling = str(document.get("spelling", self.spelling))
        if spelling not in generation.SPELLINGS:
            raise ValueError(f"unknown: {spelling}")
        self.echo, self.spelling = echo, spelling
        self.status_word = str(document.get("status_word", self.status_word))
        self.results_host = str(document.get("results_host", self.results_host))
        if document.get("clear"):
            self.faults.clear()
        self.faults += faults
        if "headers" in document:
            self.headers = {str(k).lower(): str(v) for k, v in dict(document["headers"]).items()}
        self.hold_jobs = bool(document.get("hold_jobs", self.hold_jobs))
        self.free_cancel = bool(document.get("free_cancel", self.free_cancel))
        for name in ("latency", "job_seconds", "stream_pause"):
            if name in document:
                setattr(self, name, float(document[name]))
        if document.get("job_output") in {"url", "b64_json"}:
            self.job_output = document["job_output"]

    def reset(self) -> None:
        """Plan nothing any more; the latency goes too."""
        self.latency, self.job_seconds, self.job_output = 0.0, None, "url"
        self.headers, self.free_cancel, self.stream_pause = {}, False, 0.0
        self.hold_jobs, self.echo = False, ""
        self.status_word, self.results_host, self.spelling = "", "", "plain"
        self.faults.clear()
        self._dice = random.Random(self.seed)  # noqa: S311  (as above)

    def next(self, aim: str) -> Fault | None:
        """Return the fault that hits this call, and count it."""
        for i, fault in enumerate(self.faults):
            if fault.on not in {aim, "any"} and not (not fault.on and aim in _MAKING):
                continue
            if fault.fraction < 1.0 and self._dice.random() >= fault.fraction:
                continue
            if fault.times is not None:
                left = replace(fault, times=fault.times - 1)
                self.faults[i : i + 1] = [left] if left.times else []
            return fault
        return None
