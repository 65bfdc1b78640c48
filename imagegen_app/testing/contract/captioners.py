"""The contract that every captioner keeps which asks a service, ours and yours, by the simulator.

In a project of your own::

    from imagegen_app.testing.contract.captioners import CaptionerContract, CaptionerSamples


    class TestMine(CaptionerContract):
        samples = CaptionerSamples(build=lambda place: MyCaptioner(place.base_url, place.key))
"""

from __future__ import annotations

import base64
import io
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pytest
from PIL import Image

from imagegen_app.captioning.base import Caption, CaptionerFailed
from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import BlockingClient, Connection
from imagegen_app.testing.contract.bench import KEY, KEY_VARIABLE, require
from imagegen_app.testing.contract.suite import simulator_for
from imagegen_app.testing.simulator.protocols import load

if TYPE_CHECKING:
    from imagegen_app.captioning.base import Captioner
    from imagegen_app.testing.simulator.process import SimulatorProcess

#: Stands in the prompt; it may go to the service, and nowhere else.
PURPOSE_MARK: Final = "purpose-canary-71c5e0"
#: Stands in the service's answers.
ANSWER_MARK: Final = "answer-canary-93b2d8"
#: How long the simulator says nothing; longer than any captioner may wait for it.
_SILENCE_SECONDS = 30.0
_USUAL_SECONDS: Final = 10.0
_MAX_LOGGED = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where the captioner under test finds its service."""

    #: Of the simulator's protocol.
    base_url: str
    key: str
    #: For captioners with `needs_connection`: a guarded client, and the key as a credential.
    connection: Connection
    #: The limit of time that it should be given; short where nothing comes.
    seconds: float


@dataclass(frozen=True, slots=True)
class CaptionerSamples:
    """How a captioner is built for the contract."""

    build: Callable[[Place], Captioner]
    protocol: str = "openai_chat"
    #: Whether it reports what each call cost; else the setting `PRICE` counts.
    reports_cost: bool = True
    #: The limit of time that it is given in the check about a silent service.
    limit_seconds: float = 1.0
    #: Seconds within which it has to give up a silent service, that limit included.
    patience_seconds: float = 10.0


@dataclass(slots=True)
class CaptionerBench:
    """A captioner at the simulator, and what is seen of it."""

    samples: CaptionerSamples
    simulator: SimulatorProcess
    logged: list[str] = field(default_factory=list)
    #: The limit of time of the captioner: long where an answer comes, for busy machines.
    seconds: float = _USUAL_SECONDS

    def captioner(self) -> Captioner:
        """Return a new captioner."""
        base_url = self.simulator.base_url + load(self.samples.protocol).base_path
        trusted = frozenset({self.simulator.base_url})
        credential = Credential("contract", (f"env:{KEY_VARIABLE}",), frozenset({"127.0.0.1"}))
        connection = Connection(BlockingClient(trusted_origins=trusted), credential)
        return self.samples.build(Place(base_url, KEY, connection, self.seconds))

    def describe(self) -> Caption:
        """Have the sample image described."""
        return self.captioner().describe(
            sample_jpeg(), media_type="image/jpeg", language="de", purpose=f"A mug {PURPOSE_MARK}"
        )

    def refused(self) -> CaptionerFailed:
        """Return the refusal of a description that must not come."""
        try:
            caption = self.describe()
        except CaptionerFailed as error:
            return error
        except Exception as error:
            name = type(error).__name__
            require(False, f"it raised {name} where only CaptionerFailed belongs")
            raise
        require(False, f"it accepted a nonsensical answer: {len(caption.text)} characters")
        raise AssertionError


Check = Callable[[CaptionerBench], None]


def sample_jpeg() -> bytes:
    """Return a small JPEG without metadata, as the app hands it over."""
    out = io.BytesIO()
    Image.new("RGB", (96, 64), (200, 40, 40)).save(out, "JPEG", quality=90)
    return out.getvalue()


def it_describes_the_image_in_one_plain_line(bench: CaptionerBench) -> None:
    """A description is one line of plain text, short enough to be stored."""
    text = bench.describe().text
    require(text, "there is no text")
    require(text == " ".join(text.split()) and text.isprintable(), "it is not one plain line")
    require(len(text) <= MAX_ALT_CHARS, "it is too long")


def it_says_what_a_call_cost(bench: CaptionerBench) -> None:
    """The cost of each call is a `Decimal`, also of one whose answer was no description."""
    if not bench.samples.reports_cost:
        return
    cost = bench.describe().cost
    require(isinstance(cost, Decimal) and cost > 0, "the cost of a description is missing")
    bench.simulator.fail("chat_refusal", on="chat")
    refused = bench.refused().cost
    require(isinstance(refused, Decimal) and refused > 0, "the cost of a refusal is missing")
    bench.simulator.fail("chat_uncounted", on="chat")
    require(bench.describe().cost is None, "it invents the cost of an answer that counts nothing")


def it_gives_up_a_silent_service(bench: CaptionerBench) -> None:
    """A service that does not answer is given up, within the captioner's own limit of time."""
    bench.simulator.fail("silence", seconds=_SILENCE_SECONDS, on="chat")
    bench.seconds = bench.samples.limit_seconds
    started = time.monotonic()
    bench.refused()
    require(time.monotonic() - started < bench.samples.patience_seconds, "it waited too long")


def it_accepts_no_nonsense(bench: CaptionerBench) -> None:
    """Whatever is no description ends as `CaptionerFailed`, and as no other error."""
    for kind in (
        *("html", "not_json", "missing_data", "error_in_200", "chat_nonsense", "chat_refusal"),
        *("output_block", "half_answer", "disconnect", "moderation_block", "quota", "status"),
    ):
        bench.simulator.reset()
        bench.simulator.fail(kind, on="chat")
        bench.refused()
    for empty in (" ", '""', "<p></p>", "\u200b\u202e"):
        bench.simulator.reset()
        bench.simulator.fail("chat_text", code=empty, on="chat")
        bench.refused()


def it_bounds_the_text(bench: CaptionerBench) -> None:
    """An endless answer becomes a text that can be stored."""
    bench.simulator.fail("chat_long", on="chat")
    require(0 < len(bench.describe().text) <= MAX_ALT_CHARS, "the text is too long")


def it_hands_out_plain_text(bench: CaptionerBench) -> None:
    """Markup, line breaks and invisible characters of an answer are left out."""
    strange = '"<b onclick=x>A mug</b>\r\n\x00on a\u202e <script>table</script>"'
    bench.simulator.fail("chat_text", code=strange, on="chat")
    text = bench.describe().text
    require("<" not in text and ">" not in text, "it hands out markup")
    require(text.isprintable() and "mug" in text and "table" in text, "it is not plain text")


def it_leaks_nothing(bench: CaptionerBench) -> None:
    """Neither key, prompt, image nor answer is in a log or in the text of an error."""
    image = base64.b64encode(sample_jpeg()).decode()[100:140]
    marks = (KEY, PURPOSE_MARK, ANSWER_MARK, image)
    texts: list[str] = []
    for kind in ("chat_text", "chat_refusal", "not_json", "html", "status", "half_answer", "quota"):
        bench.simulator.reset()
        bench.simulator.script(echo="plain")
        bench.simulator.fail(kind, code=ANSWER_MARK if kind == "chat_text" else "", on="chat")
        try:
            bench.describe()
        except CaptionerFailed as error:
            texts.append(f"{error} {error.__cause__!r} {error.__context__!r}")
    for mark in marks:
        require(not any(mark in text for text in bench.logged), "a log holds what it must not")
        require(not any(mark in text for text in texts), "an error holds what it must not")


def it_sends_pixels_alone(bench: CaptionerBench) -> None:
    """What arrives at the service is the image that was handed over, and no metadata."""
    bench.describe()
    arrived = bench.simulator.received()
    require(len(arrived) == 1, "not exactly one image arrived")
    with Image.open(io.BytesIO(arrived[0].data)) as image:
        extra = {str(name) for name in image.info} - {
            "jfif",
            "jfif_version",
            "jfif_unit",
            "jfif_density",
            "dpi",
        }
        require(not extra and not image.getexif(), f"metadata arrived: {', '.join(sorted(extra))}")
        require(image.size == (96, 64), "another image arrived")


def it_keeps_the_key_to_its_host(bench: CaptionerBench) -> None:
    """A redirect is not followed: neither key nor image goes to another host."""
    bench.simulator.fail("redirect", on="chat")
    bench.refused()
    require(not bench.simulator.elsewhere(), "another host was called")


CHECKS: Final[tuple[Check, ...]] = (
    it_describes_the_image_in_one_plain_line,
    it_says_what_a_call_cost,
    it_gives_up_a_silent_service,
    it_accepts_no_nonsense,
    it_bounds_the_text,
    it_hands_out_plain_text,
    it_leaks_nothing,
    it_sends_pixels_alone,
    it_keeps_the_key_to_its_host,
)


def run_captioner_check(
    check: Check, samples: CaptionerSamples, *, simulator: SimulatorProcess
) -> None:
    """Run one check.

    :raises ContractBroken: if the captioner does not keep it.
    """
    simulator.reset()
    bench = CaptionerBench(samples, simulator)
    with _key_in_environment(), _logs_into(bench.logged):
        try:
            check(bench)
        except CaptionerFailed as error:
            require(False, f"it failed where it must not: {error}")


class CaptionerContract:
    """The contract as a test class; a subclass sets `samples`."""

    samples: ClassVar[CaptionerSamples]

    @pytest.mark.parametrize("captioner_check", CHECKS, ids=[one.__name__ for one in CHECKS])
    def test_contract(self, captioner_check: Check, request: pytest.FixtureRequest) -> None:
        """Run one check."""
        simulator = simulator_for(request.config, self.samples.protocol)
        run_captioner_check(captioner_check, self.samples, simulator=simulator)


@contextmanager
def _key_in_environment() -> Iterator[None]:
    before = os.environ.get(KEY_VARIABLE)
    os.environ[KEY_VARIABLE] = KEY
    try:
        yield
    finally:
        if before is None:
            del os.environ[KEY_VARIABLE]
        else:
            os.environ[KEY_VARIABLE] = before


@contextmanager
def _logs_into(found: list[str]) -> Iterator[None]:
    """Collect what is logged anywhere, at every level, with tracebacks."""
    handler = _Collector(found)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


class _Collector(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._found) < _MAX_LOGGED:
            self._found.append(self._formatter.format(record))


def sample_options(**options: Any) -> dict[str, Any]:
    """Return options of the ready captioner for the contract, with prices and a short time."""
    return {
        "model": "gpt-5.4-mini",
        "price_per_million_tokens": {"input": "0.40", "output": "1.60"},
        "seconds": _USUAL_SECONDS,
        "sends_prompt": True,
        **options,
    }
