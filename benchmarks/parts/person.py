"""Count what a person does on a page, and how long it takes by the keystroke-level model."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

#: Seconds by Card, Moran and Newell (1980): a key of an average typist, pointing, a press of the button, a
#: hand that moves between mouse and keyboard, and making up one's mind.
KEY, POINT, PRESS, HOME, THINK = 0.28, 1.1, 0.2, 0.4, 1.35


@dataclass
class Person:
    """Somebody who knows the way, on one page; reading and looking at images is not counted."""

    page: Any
    clicks: int = 0
    keys: int = 0
    #: Seconds of the person by the model, and of the machine by the clock.
    hand: float = 0.0
    machine: float = 0.0
    is_at_mouse: bool = field(default=True, repr=False)

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.hand + self.machine

    def click(self, target: Any, *, seen: Any = None, at_once: bool = False) -> None:
        """Click, and wait until something is seen; `at_once` if it is part of the thought before."""
        self._move(to_mouse=True)
        self.clicks += 1
        self.hand += POINT + PRESS + (0 if at_once else THINK)
        began = time.perf_counter()
        self._found(target).click()
        self._wait(seen, began)

    def choose(self, target: Any, value: str, *, seen: Any = None) -> None:
        """Open a select and pick from it: two clicks, one thought."""
        self._move(to_mouse=True)
        self.clicks += 2
        self.hand += THINK + 2 * (POINT + PRESS)
        began = time.perf_counter()
        self._found(target).select_option(value)
        self._wait(seen, began)

    def type(self, target: Any, text: str, *, is_focused: bool = False) -> None:
        """Click into a field, unless it has the focus, and type; what stands there is replaced."""
        field_ = self._found(target)
        if not is_focused:
            self.click(field_)
        self._move(to_mouse=False)
        self.keys += len(text)
        self.hand += KEY * len(text) + (THINK if is_focused else 0)
        field_.fill(text)

    def paste(self, target: Any, text: str) -> None:
        """Click into a field and paste what somebody sent: two keys."""
        self.click(target)
        self._move(to_mouse=False)
        self.keys += 2
        self.hand += 2 * KEY
        self._found(target).fill(text)

    def press(self, key: str, *, seen: Any = None, presses: int = 1) -> None:
        """Press a key, alone or with others held."""
        self._move(to_mouse=False)
        self.keys += presses
        self.hand += THINK + KEY * presses
        began = time.perf_counter()
        self.page.keyboard.press(key)
        self._wait(seen, began)

    def drag(self, box: dict[str, float]) -> None:
        """Draw with the mouse from the left to the right through the middle of a box."""
        self._move(to_mouse=True)
        self.clicks += 1
        self.hand += THINK + 2 * POINT + PRESS
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        mouse = self.page.mouse
        mouse.move(x - 90, y)
        mouse.down()
        mouse.move(x + 90, y, steps=8)
        mouse.up()

    def download(self, target: Any) -> Any:
        """Click what sends a file, and wait until all of it is there; return its path."""
        self._move(to_mouse=True)
        self.clicks += 1
        self.hand += THINK + POINT + PRESS
        began = time.perf_counter()
        with self.page.expect_download() as got:
            self._found(target).click()
        path = got.value.path()
        self.machine += time.perf_counter() - began
        return path

    def _found(self, target: Any) -> Any:
        return self.page.locator(target).first if isinstance(target, str) else target

    def _move(self, *, to_mouse: bool) -> None:
        if self.is_at_mouse != to_mouse:
            self.hand += HOME
        self.is_at_mouse = to_mouse

    def _wait(self, seen: Any, began: float) -> None:
        if callable(seen):
            seen()
        elif seen is not None:
            self._found(seen).wait_for()
        self.machine += time.perf_counter() - began
