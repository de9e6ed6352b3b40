"""docs/configuration.md: its examples are good files, and it names every word there is."""

from __future__ import annotations

import re

import pytest
from config_helpers import CLUSTER, HERE, MEMBERS

from understudy.config.init_scripts import EXCLUSIVE_SCRIPTS
from understudy.config.mounts import SHARED_TYPES
from understudy.config.probes import PROBE_KINDS
from understudy.config.resources import EXCLUSIVE_AGENTS, KINDS, SIGNALS
from understudy.config.validate import read

DOCS = HERE.parent.parent / "docs"
MANUAL = (DOCS / "configuration.md").read_text()
PAGES = MANUAL + (DOCS / "fencing.md").read_text()
EXAMPLES = re.findall(r"^```toml( part)?\n(.*?)^```", PAGES, re.MULTILINE | re.DOTALL)


def test_the_examples_were_found() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize(("part", "text"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_are_good(part, text) -> None:
    """``part`` marks the middle of a file, which gets the standard beginning."""
    reading = read(CLUSTER + MEMBERS + text if part else text, "manual.toml")
    assert [str(problem) for problem in reading.problems if problem.severity == "error"] == []


def _words_of(text: str) -> list[str]:
    """The words that the reader knows in a section, as its own message about an unknown one lists them."""
    (problem,) = [item for item in read(text, "f").problems if '"zzzz"' in item.text]
    return problem.hint.partition(": ")[2].rstrip(".").split(", ")


@pytest.mark.parametrize(
    "text",
    [
        "zzzz = 1",
        "[cluster]\nzzzz = 1",
        "[nodes.a]\nzzzz = 1",
        "[api]\nzzzz = 1",
        '[nodes.a]\nlinks = [{ address = "10.0.0.1", zzzz = 1 }]',
        "[groups.g]\nzzzz = 1",
        *(f'[groups.g.probes.p]\n{kind} = "10.0.0.1"\nzzzz = 1' for kind in PROBE_KINDS),
        *(f'[groups.g]\nresources = [{{ {kind} = "10.0.0.1/24", device = "eth0", zzzz = 1 }}]' for kind in KINDS),
    ],
)
def test_every_word_is_in_the_manual(text) -> None:
    words = _words_of(text)
    assert words
    for word in words:
        assert re.search(rf"`{word}`|`{word} = |\[{word}[.\]]", MANUAL), word


def test_every_agent_and_signal_is_in_the_manual() -> None:
    for word in (*EXCLUSIVE_AGENTS, *EXCLUSIVE_SCRIPTS, *SHARED_TYPES, *SIGNALS):
        assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", MANUAL), word
