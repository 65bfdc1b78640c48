"""Refuse a call: what is wrong with it, or what the script plans, before anything is billed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from imagegen_app.testing.simulator.asgi import Answer

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.faults import Fault
    from imagegen_app.testing.simulator.state import State

#: A prompt that contains this word is refused, so that a demo can show a refusal.
BLOCKED_WORD = "simulate-blocked"

Reason = Literal["error", "blocked", "quota"]


class Refused(Exception):
    """The call is refused; each protocol writes it in its own error shape."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str = "",
        *,
        reason: Reason = "error",
        param: str = "",
        kind: str = "",
        retry_after: str = "",
        stage: str = "input",
        categories: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message or f"simulated {status}")
        self.status, self.code, self.reason = status, code, reason
        self.param, self.kind, self.retry_after = param, kind, retry_after
        self.stage, self.categories = stage, categories

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {"retry-after": self.retry_after} if self.retry_after else {}


def refuse_as_planned(fault: Fault | None, *, prompt: str = "") -> None:
    """Refuse the call if the script plans it or the prompt asks for it.

    :raises Refused: if so.
    """
    if BLOCKED_WORD in prompt:
        raise Refused(400, "", reason="blocked", categories=("violence",))
    if fault is None:
        return
    if fault.kind == "moderation_block":
        raise Refused(400, "", reason="blocked", stage=fault.stage, categories=fault.categories)
    if fault.kind == "quota":
        raise Refused(429, fault.code, reason="quota")
    if fault.kind == "status":
        raise Refused(fault.status, fault.code, kind=fault.type, retry_after=fault.retry_after)


def broken_off(fault: Fault | None, *, state: State) -> Answer | None:
    """Return what comes instead of an answer before anything is accepted, or None."""
    if fault is not None and fault.kind == "disconnect_early":
        return Answer(cut="before")
    if fault is not None and fault.kind == "redirect":
        place = f"{fault.host or state.other_origin}/redirected"
        return Answer(307, b"", "text/plain", headers={"location": place})
    return None
