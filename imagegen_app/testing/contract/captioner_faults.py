"""Plant faults in a captioner, and see that its contract catches each."""

from __future__ import annotations

import io
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from imagegen_app.captioning.base import Caption, CaptionerFailed
from imagegen_app.testing.contract import captioners
from imagegen_app.testing.contract.captioners import CaptionerSamples, Check, Place

if TYPE_CHECKING:
    from imagegen_app.captioning.base import Captioner

logger = logging.getLogger("imagegen.texts")


class Captioning:
    """A captioner with a place where faults are planted; without one it is as it was."""

    def __init__(self, inner: Captioner, *, patience_seconds: float) -> None:
        self.inner = inner
        #: What the check allows.
        self.patience_seconds = patience_seconds

    def describe(self, data: bytes, **about: Any) -> Caption:
        """Describe an image as the captioner inside does."""
        return self.inner.describe(data, **about)


class _Logging(Captioning):
    """Writes the answer into a log, such as while somebody looks for a mistake."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        caption = super().describe(data, **about)
        logger.debug("The service says: %s", caption.text)
        return caption


class _Quoting(Captioning):
    """Says in its errors what it was asked."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        try:
            return super().describe(data, **about)
        except CaptionerFailed as error:
            raise CaptionerFailed(f"{error} for {about['purpose']}", cost=error.cost) from None


class _Hanging(Captioning):
    """Waits as long as the service likes."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        try:
            return super().describe(data, **about)
        except CaptionerFailed as error:
            if "answer" in str(error):
                time.sleep(self.patience_seconds)
            raise


class _Credulous(Captioning):
    """Takes whatever comes for a description."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        try:
            return super().describe(data, **about)
        except CaptionerFailed as error:
            return Caption(str(error), cost=error.cost)


class _Crashing(Captioning):
    """Lets errors of its own pass, such as of a missing key of a document."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        try:
            return super().describe(data, **about)
        except CaptionerFailed:
            raise KeyError("choices") from None


class _Unbounded(Captioning):
    """Hands out the whole answer."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        caption = super().describe(data, **about)
        is_endless = caption.text.count("word") > 1
        return replace(caption, text="word " * 20_000) if is_endless else caption


class _Marked(Captioning):
    """Hands out the answer's markup."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        caption = super().describe(data, **about)
        return replace(caption, text=f"<p>{caption.text}</p>")


class _Forgetful(Captioning):
    """Does not say what a description cost."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        return replace(super().describe(data, **about), cost=None)


class _ForgetfulOfRefusals(Captioning):
    """Does not say what a refusal cost."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        try:
            return super().describe(data, **about)
        except CaptionerFailed as error:
            raise CaptionerFailed(str(error)) from None


class _Tattling(Captioning):
    """Sends metadata with the image."""

    def describe(self, data: bytes, **about: Any) -> Caption:
        out = io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            image.save(out, "JPEG", comment=about["purpose"].encode())
        return super().describe(out.getvalue(), **about)


@dataclass(frozen=True, slots=True)
class CaptionerFault:
    """A fault, and the check that has to fail with it."""

    name: str
    kind: type[Captioning]
    caught_by: Check


FAULTS: Final = (
    CaptionerFault("writes the answer into a log", _Logging, captioners.it_leaks_nothing),
    CaptionerFault("quotes the prompt in an error", _Quoting, captioners.it_leaks_nothing),
    CaptionerFault("hangs", _Hanging, captioners.it_gives_up_a_silent_service),
    CaptionerFault("accepts nonsense", _Credulous, captioners.it_accepts_no_nonsense),
    CaptionerFault("raises errors of its own", _Crashing, captioners.it_accepts_no_nonsense),
    CaptionerFault("hands out endless text", _Unbounded, captioners.it_bounds_the_text),
    CaptionerFault("hands out markup", _Marked, captioners.it_hands_out_plain_text),
    CaptionerFault("forgets the cost", _Forgetful, captioners.it_says_what_a_call_cost),
    CaptionerFault(
        "forgets the cost of a refusal", _ForgetfulOfRefusals, captioners.it_says_what_a_call_cost
    ),
    CaptionerFault("sends metadata", _Tattling, captioners.it_sends_pixels_alone),
)


def planted(fault: CaptionerFault | None, samples: CaptionerSamples) -> CaptionerSamples:
    """Return the samples of the captioner with a fault in it; without one, wrapped alike."""
    kind = Captioning if fault is None else fault.kind

    def build(place: Place) -> Captioner:
        return kind(samples.build(place), patience_seconds=samples.patience_seconds)

    return replace(samples, build=build)
