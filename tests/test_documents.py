"""What the documents tell people to type exists: commands, options, tables of the kernel, headings that are linked."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from understudy.adapters.kernel_lease import table_name
from understudy.adapters.nftables import Family
from understudy.cli import main as cli
from understudy.model import Cluster, Quorum

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packaging").rglob("*.md")])
COMMAND = re.compile(r"(?:^|[\s(`;|&])(?:\./|/[\w/.-]*/)?understudy((?: +[^\s#|;&`)\"']+)+)")


def typed(text: str) -> Iterator[list[str]]:
    """The words after ``understudy`` of every command line, in blocks of code and between backticks."""
    blocks = re.findall(r"^```(?:sh|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    for line in lines:
        if re.match(r"\s*(systemctl|journalctl|install|rm|ln|pgrep|git|apt-get|nft)\b", line):
            continue
        for found in COMMAND.finditer(line):
            yield found[1].split()


def complaint(words: list[str]) -> str | None:
    """What is wrong with such a line, or None. Brackets mark what may be left out."""
    plain = [word.strip("[],.") for word in words]
    name, rest = plain[0], plain[1:]
    if name.startswith("-"):
        known = {"--version", "--help", "-h"}
        return None if name in known else f"understudy has no option {name}"
    if name not in cli.COMMANDS:
        return f"there is no command {name!r}"
    command = importlib.import_module(f"understudy.cli.{cli.COMMANDS[name][0]}").command
    assert isinstance(command, click.Command)
    known = {option for item in command.params for option in (*item.opts, *item.secondary_opts)} | {"--help", "-h"}
    for word in rest:
        option = word.partition("=")[0]
        if option.startswith("-") and option not in known:
            return f"{name} has no option {option}"
    return None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_documents_exist(path: Path) -> None:
    wrong = [text for words in typed(path.read_text("utf-8")) if (text := complaint(words))]
    assert wrong == []


def test_the_commands_are_found_at_all() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    names = [words[0] for words in typed(text)]
    assert {"status", "why", "history", "check", "standby", "online", "keygen", "--version"} <= set(names)
    assert len(names) > 25


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`understudy reread`", "there is no command 'reread'"),
        ("```sh\nsudo understudy status --colour\n```\n", "status has no option --colour"),
        ("`understudy\nmove --force site`", "move has no option --force"),
        ("`/usr/bin/understudy --verbose`", "understudy has no option --verbose"),
        ('```sh\ncp "$(understudy dmp)" x\n```\n', "there is no command 'dmp'"),
    ],
)
def test_a_wrong_command_is_seen(text: str, expected: str) -> None:
    assert [complaint(words) for words in typed(text)] == [expected]


def test_the_runbook_deletes_the_tables_that_there_are() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    name = table_name(Cluster("site", "key", 1, 5, Quorum.MAJORITY, (), ()))
    deleted = re.findall(r"^nft delete table (\w+) (\w+)$", text, re.MULTILINE)
    assert sorted(deleted) == sorted((family.name.lower(), name) for family in Family)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_headings_that_are_linked_exist(path: Path) -> None:
    wrong = []
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)", path.read_text("utf-8")):
        text = (path.parent / target).read_text("utf-8") if target else path.read_text("utf-8")
        titles = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
        if anchor not in anchors:
            wrong.append(f"{target}#{anchor}")
    assert wrong == []
