"""The difference of two configurations as lines for people; shared by ``understudy diff`` and ``understudy reload``."""

from __future__ import annotations

from typing import Any


def lines(answer: dict[str, Any]) -> list[str]:
    """``answer`` as GET /v1/difference gives it: the difference first, then what is new to know, errors last; old warnings
    are only counted.
    """
    found: list[str] = []
    if answer["changes"]:
        found.append(f"{answer['source']} differs from what this node runs with:")
    for change in answer["changes"]:
        mark = {"reload": " ", "restart": "!", "two steps": "!"}[change["how"]]
        found.append(f"  {mark} {change['text']}")
    if any(change["how"] != "reload" for change in answer["changes"]):
        found.append("A reload cannot take up what is marked with !, and so changes nothing.")
    elif answer["changes"]:
        effects = [f"    {text}" for text in answer["effects"]] or ["    nothing that runs is stopped or restarted"]
        found += ["A reload on this node:", *effects]
    elif answer["digest"]:
        found.append(f"{answer['source']} says what this node runs with.")
    old = answer["as_before"]
    found += [*answer["remarks"], *(text for text in answer["problems"] if text not in old)]
    if old:
        count = "1 warning" if len(old) == 1 else f"{len(old)} warnings"
        found.append(f"{count} as before: understudy check {answer['source']}")
    return found
