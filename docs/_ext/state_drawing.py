"""Draw the states of a job as SVG, from the table of moves."""

from __future__ import annotations

from html import escape

from imagegen_app.core.states import FINAL_STATES, JOB_TRANSITIONS, JobState

BOX = (116, 34)
STEP = 168
LEFT = 20
ROWS = {"way": 130, "aside": 250, "ends": 350}
#: The ends that are not the goal, drawn as one box; the table beside it tells them apart.
UNHAPPY = tuple(
    state for state in JobState if state in FINAL_STATES and state != JobState.SUCCEEDED
)
ENDS = "ends"

_SVG = (
    'xmlns="http://www.w3.org/2000/svg" width="100%" role="img" aria-labelledby="states-title"'
    ' font-family="inherit" font-size="13"'
)
_TITLE = '<title id="states-title">States of a job; the table below lists every move.</title>'
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="currentColor"/></marker></defs>'
)


def places() -> dict[str, tuple[int, int]]:
    """Return the middle of each box: the way from left to right, what leaves it below."""
    way = [state for state in JobState if state not in UNHAPPY and state != JobState.UNCERTAIN]
    width, height = BOX
    found = {
        state.value: (LEFT + width // 2 + index * STEP, ROWS["way"])
        for index, state in enumerate(way)
    }
    middle = found[way[len(way) // 2].value][0]
    found[JobState.UNCERTAIN.value] = (middle + STEP // 2, ROWS["aside"])
    found[ENDS] = (middle, ROWS["ends"] + height // 2)
    return found


def edges() -> list[tuple[str, str, str]]:
    """Return the arrows: from, to, and the title shown to a reader."""
    found: list[tuple[str, str, str]] = []
    for source, targets in JOB_TRANSITIONS.items():
        found += [
            (source.value, target.value, f"{source.value} to {target.value}")
            for target in JobState
            if target in targets and target not in UNHAPPY
        ]
        unhappy = [target.value for target in UNHAPPY if target in targets]
        if unhappy:
            found.append((source.value, ENDS, f"{source.value} to {', '.join(unhappy)}"))
    return found


def _path(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = start, end
    width, height = BOX
    if y1 == y2 and x2 - x1 == STEP:
        return f"M{x1 + width // 2},{y1} H{x2 - width // 2 - 7}"
    if y1 == y2:
        # Over the row: further for longer ways, back a little higher than forth.
        rise = 22 + abs(x2 - x1) // 9 + (14 if x2 < x1 else 0)
        shift = 12 if x2 > x1 else -12
        top = y1 - height // 2
        return f"M{x1 + shift},{top} C{x1 + shift},{top - rise} {x2},{top - rise} {x2},{top - 7}"
    down = 1 if y2 > y1 else -1
    from_y, to_y = y1 + down * height // 2, y2 - down * (height // 2 + 7)
    shift = 10 * down
    middle = (from_y + to_y) // 2
    return (
        f"M{x1 + shift},{from_y} C{x1 + shift},{middle} {x2 + shift},{middle} {x2 + shift},{to_y}"
    )


def draw() -> str:
    """Return the drawing; it takes its colours from the page around it."""
    at = places()
    width, height = BOX
    wide = max(x for x, _ in at.values()) + width // 2 + LEFT
    tall = ROWS["ends"] + height + 20
    parts = [f'<svg viewBox="0 0 {wide} {tall}" {_SVG}>', _TITLE, _TIP]
    for source, target, words in edges():
        dash = ' stroke-dasharray="4 4" opacity="0.55"' if target == ENDS else ""
        start, end = at[source], at[target]
        if target == ENDS:  # arrows arrive side by side
            end = (end[0] + (start[0] - end[0]) // 4, end[1])
        parts.append(
            f'<path d="{_path(start, end)}" fill="none" stroke="currentColor"'
            f' marker-end="url(#tip)"{dash}><title>{escape(words)}</title></path>'
        )
    for name, (x, y) in at.items():
        text = " · ".join(state.value for state in UNHAPPY) if name == ENDS else name
        box = 330 if name == ENDS else width
        parts.append(
            f'<rect x="{x - box // 2}" y="{y - height // 2}" width="{box}" height="{height}"'
            ' rx="6" fill="var(--color-background-primary, white)" stroke="currentColor"/>'
            f'<text x="{x}" y="{y + 5}" text-anchor="middle" fill="currentColor">'
            f"{escape(text)}</text>"
        )
    parts.append("</svg>")
    return "\n".join(parts)
