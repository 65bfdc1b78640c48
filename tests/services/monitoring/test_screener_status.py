"""Checks and the doctor say what is wrong with each content check, and try those that are free."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from imagegen_app import checks
from imagegen_app.services.gateways import screening
from imagegen_app.services.monitoring import screener_status
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.services.conftest import Site

pytestmark = pytest.mark.django_db
KEY_VARIABLE = "TEST_MODERATION_KEY"
OPENAI = "imagegen_app.moderation.openai_moderation.OpenAIModeration"
CLASSIFIER = "imagegen_app.moderation.http_classifier.HttpClassifier"


@pytest.fixture
def moderated(small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the settings of a site that trusts the simulator, for `use` to add a screener."""
    monkeypatch.setenv(KEY_VARIABLE, simulator.key)
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "TRUSTED_ORIGINS": [simulator.base_url],
        "CREDENTIALS": {
            "moderation": {"SOURCE": f"env:{KEY_VARIABLE}", "HOSTS": ["127.0.0.1"]},
        },
    }
    return small


def use(
    settings: Any, backend: str, *, stages: tuple[str, ...] = ("prompt",), **entry: Any
) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "SCREENERS": [{"NAME": "service", "BACKEND": backend, "STAGES": list(stages), **entry}],
    }


def at_openai(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    return {"base_url": f"{simulator.base_url}/v1", "credential": "moderation", **options}


def at_classifier(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    return {
        "url": f"{simulator.base_url}/classify/text",
        "image_url": f"{simulator.base_url}/classify/image",
        "auth_header": "x-api-key",
        "auth_scheme": "",
        "credential": "moderation",
        "answers": {"scores": "result.scores"},
        **options,
    }


def findings() -> list[tuple[str, str]]:
    return [(one.level, one.message) for one in screener_status.screener_findings()]


def check_ids() -> set[str]:
    return {one.id or "" for one in run_checks() if "content check" in one.msg}


@pytest.mark.django_db
def test_the_doctor_asks_a_service_that_is_free(
    moderated: Any, simulator: SimulatorProcess
) -> None:
    use(moderated, OPENAI, stages=("prompt", "output"), OPTIONS=at_openai(simulator))

    found = findings()

    assert ("ok", "The content check service answers.") in found
    assert simulator.calls() == {"POST /v1/moderations": 1}
    assert any("sexual/minors" in message for _level, message in found)


@pytest.mark.django_db
def test_the_doctor_tells_why_a_service_cannot_decide(
    moderated: Any, simulator: SimulatorProcess
) -> None:
    use(moderated, OPENAI, OPTIONS=at_openai(simulator))
    simulator.fail("strange_scores", on="moderations", code="nan")

    level, message = findings()[0]

    assert level == "error"
    assert "a score is not a number from 0 to 1" in message


@pytest.mark.django_db
def test_the_doctor_does_not_ask_a_service_that_is_billed(
    moderated: Any, simulator: SimulatorProcess
) -> None:
    use(moderated, CLASSIFIER, OPTIONS=at_classifier(simulator), PRICE="0.001")

    assert findings()[0] == ("ok", "The content check service is billed, so it was not asked.")
    assert simulator.calls() == {}


def test_a_billed_service_without_a_price_is_an_error_and_is_not_asked(
    moderated: Any, simulator: SimulatorProcess, site: Site
) -> None:
    use(moderated, CLASSIFIER, OPTIONS=at_classifier(simulator))

    assert check_ids() >= {"imagegen.E072"}
    assert findings()[0][0] == "error"
    (verdict,) = screening.screen_text("a mug", part="prompt")
    assert verdict.failure == screening.UNPRICED
    assert verdict.decision.outcome == "blocked"
    assert simulator.calls() == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"credential": "nowhere"}, "'nowhere' is not in IMAGEGEN['CREDENTIALS']"),
        ({"thresholds": {"violence": 7}}, "the threshold of 'violence' has to be a number"),
        ({"thresholds": {"sexual/minors": None}}, "it is a hard category"),
        ({"hard_categories": {"x": "bad"}}, "'bad' is no hard category"),
        ({"seconds": 600}, "seconds has to be a number"),
        ({"base_url": "http://10.0.0.5/v1"}, "IMAGEGEN['TRUSTED_ORIGINS'] lists"),
        ({"key": "x"}, "TypeError"),
    ],
)
def test_a_wrong_option_is_named(
    moderated: Any, simulator: SimulatorProcess, options: dict[str, Any], reason: str
) -> None:
    use(moderated, OPENAI, OPTIONS=at_openai(simulator, **options))

    (message,) = [one for one in checks.check_settings() if one.id == "imagegen.E008"]

    assert reason in message.msg
    assert findings()[0][0] == "error"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"answers": {}}, "needs a path to scores, flag or categories"),
        ({"answers": {"score_paths": "x"}}, "answers has no 'score_paths'"),
        ({"text_body": {"q": "$prompt"}}, "no place 'prompt'"),
        ({"text_body": {"q": "fixed"}}, "no place for the text"),
    ],
)
def test_a_wrong_option_of_a_classifier_is_named(
    moderated: Any, simulator: SimulatorProcess, options: dict[str, Any], reason: str
) -> None:
    use(moderated, CLASSIFIER, OPTIONS=at_classifier(simulator, **options), PRICE="0.001")

    (message,) = [one for one in checks.check_settings() if one.id == "imagegen.E008"]

    assert reason in message.msg


def test_an_unknown_category_of_openais_own_model_is_named(moderated: Any) -> None:
    use(
        moderated,
        OPENAI,
        OPTIONS={"credential": "moderation", "thresholds": {"violins": 0.5}},
    )

    (message,) = [one for one in checks.check_settings() if one.id == "imagegen.E008"]

    assert "no category 'violins'" in message.msg


def test_a_site_without_a_check_of_images_is_told(moderated: Any) -> None:
    found = {one.id for one in checks.check_deployment()}

    assert "imagegen.W074" in found
    assert ("warning", "No content check looks at images.") in findings()


def test_a_block_list_is_no_check_of_images(moderated: Any, simulator: SimulatorProcess) -> None:
    block_list = "imagegen_app.moderation.block_list.BlockList"
    use(moderated, block_list, stages=("prompt", "input", "output"))

    assert "imagegen.W074" in {one.id for one in checks.check_deployment()}
    assert ("warning", "No content check looks at images.") in findings()

    service = {"NAME": "service", "BACKEND": OPENAI, "STAGES": ["output"]}
    listed = moderated.IMAGEGEN["SCREENERS"] + [{**service, "OPTIONS": at_openai(simulator)}]
    moderated.IMAGEGEN = {**moderated.IMAGEGEN, "SCREENERS": listed}

    assert "imagegen.W073" in {one.id for one in checks.check_deployment()}


def test_a_hard_category_that_no_check_finds_in_images_is_told(
    moderated: Any, simulator: SimulatorProcess
) -> None:
    hard = {"nudity": "intimate_images"}
    use(moderated, OPENAI, stages=("output",), OPTIONS=at_openai(simulator))
    (told,) = [one for one in checks.check_deployment() if one.id == "imagegen.W075"]
    of_doctor = [message for _level, message in findings()]

    options = at_classifier(simulator, hard_categories=hard)
    use(moderated, CLASSIFIER, stages=("output",), OPTIONS=options, PRICE="0.001")
    (of_some,) = [one for one in checks.check_deployment() if one.id == "imagegen.W075"]
    both = {**hard, "sexual/minors": "sexual_minors"}
    options = at_classifier(simulator, hard_categories=both)
    use(moderated, CLASSIFIER, stages=("output",), OPTIONS=options, PRICE="0.001")
    of_none = {one.id for one in checks.check_deployment()}

    assert told.msg.endswith("in images: sexual_minors, intimate_images.")
    assert any("sexual_minors, intimate_images" in message for message in of_doctor)
    assert of_some.msg.endswith("in images: sexual_minors.")
    assert "imagegen.W075" not in of_none


class BrokenService:
    """A site's own content check that calls a service, and fails in a way of its own."""

    needs_connection = True

    def __init__(self, *, connection: object, answer: object = None) -> None:
        del connection
        self._answer = answer

    def screen_text(self, text: str) -> object:
        if self._answer is None:
            raise KeyError(text)
        return self._answer


@pytest.mark.parametrize(("answer", "reason"), [(None, "KeyError"), ("nonsense", "AttributeError")])
def test_a_check_that_fails_in_its_own_way_is_told_and_hides_no_other(
    moderated: Any, answer: str | None, reason: str
) -> None:
    use(moderated, f"{__name__}.BrokenService", OPTIONS={"answer": answer} if answer else {})

    found = findings()

    assert found[0] == ("error", f"The content check service cannot decide: {reason}.")
    assert ("warning", "No content check looks at images.") in found


def test_the_only_check_of_images_says_what_it_does_not_judge(
    moderated: Any, simulator: SimulatorProcess
) -> None:
    use(moderated, OPENAI, stages=("output",), OPTIONS=at_openai(simulator))
    (told,) = [one for one in checks.check_deployment() if one.id == "imagegen.W073"]
    assert "sexual/minors" in told.msg

    use(
        moderated,
        CLASSIFIER,
        stages=("output",),
        OPTIONS=at_classifier(simulator),
        PRICE="0.001",
    )
    assert "imagegen.W073" not in {one.id for one in checks.check_deployment()}
