"""The contract catches the faults that adapters have had: each is planted in each adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imagegen_app.core.errors import OutcomeUnknown
from imagegen_app.testing.contract import ContractBroken, all_checks, checks_for, run_check
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.contract.planted import FAULTS, Fault, NoFault, plantable, planted, table
from imagegen_app.testing.contract.suite import simulator_for

CHECKS = {check.name: check for check in all_checks()}
FAULTS_BY_NAME = {fault.name: fault for fault in FAULTS}
PLANTED = [
    pytest.param(
        samples, FAULTS_BY_NAME[fault], id=f"{samples}-{FAULTS_BY_NAME[fault].kind.__name__}"
    )
    for (_, fault), samples in plantable(SAMPLES).items()
]


@pytest.mark.parametrize(("name", "fault"), PLANTED)
def test_a_planted_fault_is_caught_by_its_check(
    pytestconfig: pytest.Config, tmp_path: Path, name: str, fault: Fault
) -> None:
    samples, check = SAMPLES[name], CHECKS[fault.caught_by]
    simulator = simulator_for(pytestconfig, samples.protocol) if samples.protocol else None
    ill = planted(fault.kind, samples)

    assert check in checks_for(ill)
    if check in checks_for(samples):
        run_check(check, planted(NoFault, samples), simulator=simulator, folder=tmp_path / "well")
    with pytest.raises(ContractBroken):
        run_check(check, ill, simulator=simulator, folder=tmp_path / "ill")


def test_the_table_of_faults_excuses_only_what_cannot_be_planted() -> None:
    lines = table(SAMPLES).splitlines()

    assert len(lines) == 2 + len(FAULTS)
    assert sum(line.count(" caught ") for line in lines[2:]) == len(PLANTED)
    assert not any(fault.excuse(SAMPLES["generic_jobs"]) for fault in FAULTS)


class Unseen(NoFault):
    """Declares previews, and shows none."""

    async def submit(self, request: Any, **more: Any) -> Any:
        return await super().submit(request, **{**more, "on_preview": None})


class Hasty(NoFault):
    """Takes the first image on its way for the answer."""

    async def submit(self, request: Any, **more: Any) -> Any:
        seen: list[bytes] = []
        on_preview, answer = more.get("on_preview"), more["answer"]
        if on_preview is None:
            return await super().submit(request, **more)
        try:
            return await super().submit(request, **{**more, "on_preview": seen.append})
        except OutcomeUnknown:
            answer.folder.mkdir(parents=True, exist_ok=True)
            answer.body_path.write_bytes(b"".join(seen))
            answer.finish({})
            raise


@pytest.mark.parametrize(
    ("adapter", "kind", "name"),
    [
        ("openai", Unseen, "a_preview_changes_nothing_of_the_answer"),
        ("comfyui", Unseen, "a_preview_changes_nothing_of_the_answer"),
        ("openai", Hasty, "a_call_cut_off_after_a_preview_is_of_unknown_outcome"),
    ],
)
def test_faults_of_previews_are_caught(
    pytestconfig: pytest.Config, tmp_path: Path, adapter: str, kind: type[Any], name: str
) -> None:
    samples = SAMPLES[adapter]
    simulator = simulator_for(pytestconfig, samples.protocol)

    run_check(
        CHECKS[name], planted(NoFault, samples), simulator=simulator, folder=tmp_path / "well"
    )
    with pytest.raises(ContractBroken):
        run_check(
            CHECKS[name], planted(kind, samples), simulator=simulator, folder=tmp_path / "ill"
        )


def test_previews_concern_only_adapters_that_declare_them() -> None:
    concerned = {
        samples.adapter
        for samples in SAMPLES.values()
        if {check.name for check in checks_for(samples)}
        & {"a_preview_changes_nothing_of_the_answer"}
    }

    assert concerned == {"openai", "azure_openai", "automatic1111", "comfyui"}
