#!/usr/bin/env python3
"""Draws docs/states/vrrp.md from the table of transitions in ``core.vrrp.states``.

``./dev docs`` runs it; with ``--check`` it only says (exit code 1) that the page is older than the code.
"""

from __future__ import annotations

import sys
from pathlib import Path

from understudy.core.vrrp.states import TRANSITIONS, Cause
from understudy.vrrp import RouterState

PAGE = Path(__file__).resolve().parent.parent / "docs" / "states" / "vrrp.md"

BEGINNING = """\
# The states of a virtual router

<!-- Written by tools/draw_states.py from core/vrrp/states.py; ./dev docs writes it anew, and a test fails when it is stale. -->

RFC 9568 section 6.4 has INIT (Initialize), BACKUP and MASTER (Active); FAULT is keepalived's. The code follows this table
(`core/vrrp/states.py`): what is not in it cannot happen.

"""


def diagram() -> str:
    """For Mermaid: one arrow for each pair of states, with the names of its causes."""
    arrows: dict[tuple[RouterState, RouterState], list[str]] = {}
    for before, cause, then in TRANSITIONS:
        arrows.setdefault((before, then), []).append(cause.name.lower())
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> INIT"]
    lines += [f"    {a.value} --> {b.value}: {', '.join(causes)}" for (a, b), causes in arrows.items()]
    return "\n".join([*lines, "    STOP --> [*]", "```", ""])


def causes() -> str:
    rows = [f"| {cause.name.lower()} | {cause.value} |" for cause in Cause]
    return "\n".join(["| cause | |", "|---|---|", *rows, ""])


def table() -> str:
    rows = [f"| {before.value} | {cause.value} | {then.value} |" for before, cause, then in TRANSITIONS]
    return "\n".join(["| from | because | to |", "|---|---|---|", *rows, ""])


def page() -> str:
    return BEGINNING + diagram() + "\n" + causes() + "\n## The table\n\n" + table()


def main() -> int:
    text = page()
    if "--check" in sys.argv[1:]:
        if PAGE.exists() and PAGE.read_text("utf-8") == text:
            return 0
        print(f"{PAGE.name} is older than core/vrrp/states.py; ./dev docs writes it anew", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
