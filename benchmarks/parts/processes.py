"""Measure other processes: their memory with its shared part divided (PSS), and their CPU time."""

from __future__ import annotations

import os
from pathlib import Path


def tree(pid: int) -> list[int]:
    """Return a process and all that it started."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                todo += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def pss_mib(pid: int) -> float:
    """Return the memory of a process and its children, in MiB."""
    total = 0
    for one in tree(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def cpu_seconds(pid: int, *, alone: bool = False) -> float:
    """Return the CPU time that a process, and if not `alone` its children, have used."""
    total = 0.0
    for one in [pid] if alone else tree(pid):
        try:
            parts = Path(f"/proc/{one}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
    return total
