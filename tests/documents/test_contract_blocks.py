"""The screener and the captioner that pages show do what the pages say of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.captioning.base import CaptionerFailed
from imagegen_app.testing.contract.screening.checks import run_screener_check, screener_checks_for
from imagegen_app.testing.contract.suite import simulator_for
from tests.documents.test_snippets import SNIPPETS, STAND_INS, Reader, execute, module_of
from tests.documents.test_snippets import reader as reader  # noqa: PLC0414 - a fixture

if TYPE_CHECKING:
    from imagegen_app.captioning.base import Captioner

PAGE = "docs/how-to/screen-prompts-and-images.md"
CAPTIONER = "class OurCaptioner"


def test_the_screener_of_the_page_keeps_the_contract(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # The simulator is a process of its own, and loads the protocol as a reader's would.
    monkeypatch.setenv("PYTHONPATH", f"{STAND_INS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    (contract,) = [one for one in SNIPPETS if "(ScreenerContract)" in one.source]
    for snippet in SNIPPETS:
        if snippet.page == PAGE and (name := module_of(snippet)):
            reader.add_module(name, snippet)
    names: dict[str, Any] = {}
    execute(contract, names)
    samples = names["TestSiteRules"].samples
    simulator = simulator_for(request.config, samples.protocol)

    for check in screener_checks_for(samples):
        run_screener_check(check, samples, simulator=simulator)


def test_the_captioner_of_the_page_describes_and_fails_as_it_should(reader: Reader) -> None:
    (block,) = [one for one in SNIPPETS if CAPTIONER in one.source]
    names: dict[str, Any] = {}
    execute(block, names)
    captioner: Captioner = names["OurCaptioner"]("a folder")
    given = {"media_type": "image/jpeg", "language": "de", "purpose": ""}

    assert captioner.describe(b"a picture", **given).text == "9 bytes in de"
    with pytest.raises(CaptionerFailed):
        captioner.describe(b"", **given)
