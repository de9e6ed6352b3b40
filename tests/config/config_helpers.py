"""What the tests of the configuration share: the standard file, and golden files of cases."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
REWRITE = os.environ.get("UNDERSTUDY_REWRITE") == "1"

CLUSTER = """
[cluster]
name = "site"
key_file = "cluster.key"
"""
MEMBERS = """
[nodes.ha01]
links = ["192.168.107.101", "192.168.58.101"]
[nodes.ha02]
links = ["192.168.107.102", "192.168.58.102"]
[witness.arbiter]
links = ["192.168.58.9"]
"""
GROUP = """
[groups.site]
resources = [{ address = "192.168.58.100/24", device = "eth0" }]
"""
GOOD = CLUSTER + MEMBERS + GROUP
REST = {
    "cluster": MEMBERS + GROUP,
    "members": CLUSTER + GROUP,
    "groups": CLUSTER + MEMBERS,
    "kinds": CLUSTER + MEMBERS,
    "probes": CLUSTER + MEMBERS,
    "syntax": "",
    "api": MEMBERS + GROUP,
}


@dataclass
class Case:
    """One case of a file in ``refusals``."""

    title: str
    text: str
    expected: str

    def file(self, area: str) -> str:
        return self.text + (REST[area] if self.title.endswith("+ rest") else "")


def read_cases(path: Path) -> tuple[str, list[Case]]:
    """The comment at the top, and the cases."""
    head, *blocks = path.read_text().split("\n=== ")
    cases = []
    for block in blocks:
        title, _, body = block.partition("\n")
        text, _, expected = ("\n" + body).partition("\n---\n")
        cases.append(Case(title, text.removeprefix("\n") + "\n" if text.strip() else "", expected.strip("\n")))
    return head, cases


def write_cases(path: Path, head: str, cases: list[Case]) -> None:
    blocks = [head.rstrip("\n") + "\n"]
    for case in cases:
        text = case.text if case.text.endswith("\n") or not case.text else case.text + "\n"
        blocks.append(f"=== {case.title}\n{text}---\n{case.expected}\n")
    path.write_text("\n".join(blocks))
