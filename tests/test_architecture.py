"""docs/ARCHITECTURE.md stays true: every file, command and name in it exists, and names are where the page says they are.

What the page writes as code is judged by its form. A path or file name must exist; ``understudy WORD`` must be a command; a
function must be defined in a file that the same paragraph names, if it names any; a class anywhere. ``Class.method`` and
``module.function`` are followed. Fields of messages may be named without their file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from understudy.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "understudy"
PAGE = ROOT / "docs" / "ARCHITECTURE.md"

CAST = frozenset({"ha01", "ha02", "arbiter", "site"})
"""Machines and the group of the page's example."""

CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w*/.-]*\w*\*?\.(?:py|toml|md)")
NAME = re.compile(r"([A-Za-z_][\w.]*)(?:\(.*\))?(?:\s*->.*)?")


@dataclass(frozen=True)
class Untrue:
    """Something that the page says and the code does not."""

    text: str
    why: str


@cache
def definitions() -> dict[str, frozenset[str]]:
    """For every file below src/understudy: all functions, classes, methods (also as Class.method) and values."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        found[path.relative_to(SOURCE).as_posix()] = frozenset(_names(ast.parse(path.read_text())))
    return found


@cache
def fields() -> frozenset[str]:
    """All fields of what is said, told and configured: the shared vocabulary."""
    found = set()
    for path in SOURCE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                targets = [item.target for item in node.body if isinstance(item, ast.AnnAssign)]
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(found)


def _names(tree: ast.AST, owner: str = "") -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            if owner:
                yield f"{owner}.{node.name}"
            yield from _names(node, node.name if isinstance(node, ast.ClassDef) else "")
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def files_named(path: str) -> list[str]:
    """The files of ours that a written path means: below src/understudy, below the root, or by the end of the path."""
    below = sorted(SOURCE.glob(path)) if not path.startswith("/") else []
    found = [item.relative_to(SOURCE).as_posix() for item in below if item.is_file()]
    if not found and any((folder / path).exists() for folder in (ROOT, PAGE.parent)):
        return [path]
    return found or [item for item in definitions() if item.endswith("/" + path)]


def map_lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of the map: (folder, patterns of files named there). A line without a folder of its own continues the last."""
    block = text.split("## The map", 1)[1].split("```", 2)[1]
    folder = ""
    for line in block.splitlines():
        opened = re.match(r"  (\w+)/ +", line)
        if opened:
            folder = opened.group(1) + "/"
        elif re.match(r"  \w", line):
            folder = ""
        yield folder, FILE.findall(line)


def wrong_in_map(text: str) -> Iterator[Untrue]:
    for folder, patterns in map_lines(text):
        if folder and not (SOURCE / folder).is_dir():
            yield Untrue(folder, "there is no such folder")
        for pattern in patterns:
            if not list(SOURCE.glob(folder + pattern)):
                yield Untrue(folder + pattern, "the map names a file that does not exist")


def missing_from_map(text: str) -> Iterator[Untrue]:
    """Files of the folders that a reader must find: in core every one is on the map."""
    named = {path for folder, patterns in map_lines(text) for item in patterns for path in SOURCE.glob(folder + item)}
    for path in sorted((SOURCE / "core").glob("[!_]*.py")):
        if path not in named:
            yield Untrue(path.relative_to(SOURCE).as_posix(), "a file of core that the map does not name")


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs and items of lists, without the drawings."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for block in re.split(r"\n\s*\n|\n(?=\d+\. |- )", prose):
        yield " ".join(block.split())


def wrong_in_prose(text: str) -> Iterator[Untrue]:
    for paragraph in paragraphs(text):
        spans = CODE.findall(paragraph)
        here = [path for span in spans if FILE.fullmatch(span) for path in files_named(span)]
        for span in spans:
            yield from wrong_span(span, [path for path in here if path in definitions()])
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not (PAGE.parent / target).exists():
            yield Untrue(target, "a link to nothing")


def wrong_span(span: str, here: list[str]) -> Iterator[Untrue]:
    """``here``: the files of ours that the same paragraph names."""
    if FILE.fullmatch(span):
        if not files_named(span):
            yield Untrue(span, "there is no such file")
        return
    words = span.split()
    if words[0] == "understudy" and len(words) > 1:
        if words[1] not in COMMANDS:
            yield Untrue(span, "there is no such command")
        return
    if span.endswith("/") and any((folder / span).is_dir() for folder in (SOURCE, ROOT, PAGE.parent)):
        return
    match = NAME.fullmatch(span)
    if match is None:
        yield Untrue(span, "neither a file, a command nor a name")
        return
    name = match.group(1)
    if name in CAST or name in COMMANDS:
        return
    if not is_defined(name, here):
        where = f"in {', '.join(here)}" if here else "anywhere"
        yield Untrue(span, f"there is no {name} {where}")


def is_defined(name: str, here: list[str]) -> bool:
    everything = definitions()
    modules = {path: Path(path).stem for path in everything}
    owner, _, member = name.rpartition(".")
    if owner in modules.values():
        return any(member in everything[path] for path, module in modules.items() if module == owner)
    if not owner and name in modules.values():
        return True
    if name[0].isupper():
        return any(name in names for names in everything.values())
    return name in fields() or any(name in everything[path] for path in here or everything)


def complaints(text: str) -> list[Untrue]:
    return [*wrong_in_map(text), *missing_from_map(text), *wrong_in_prose(text)]


def test_the_page_is_true() -> None:
    found = complaints(PAGE.read_text())
    assert not found, "docs/ARCHITECTURE.md:\n" + "\n".join(f"  {item.text}: {item.why}" for item in found)


def test_there_is_something_to_judge() -> None:
    text = PAGE.read_text()
    assert sum(len(patterns) for _, patterns in map_lines(text)) > 60
    assert sum(len(CODE.findall(paragraph)) for paragraph in paragraphs(text)) > 50


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("membership.py  up", "belonging.py  up"),
        ("agent_*.py", "agency_*.py"),
        ("  wire/  ", "  cable/  "),
        ("quorum.py ", "majority.py "),
        ("scenes/*.toml", "scenes/*.yaml.toml"),
        ("`core/links.py`", "`core/chains.py`"),
        ("`turn()`", "`round_trip()`"),
        ("`Opener.open`", "`Opener.unseal`"),
        ("`Opener.open`", "`Sealer.open`"),
        ("(`renew`)", "(`prolong`)"),
        ("(`decide`)", "(`renew`)"),
        ("`membership.expire`", "`membership.grow_old`"),
        ("`steward.counted`", "`voter.counted`"),
        ("`KernelLease`", "`NuclearLease`"),
        ("`understudy history`", "`understudy chronicle`"),
        ("](decisions/)", "](choices/)"),
        ("perform.py", "performer.py"),
    ],
)
def test_a_wrong_name_is_seen(right: str, wrong: str) -> None:
    text = PAGE.read_text()
    assert right in text, "this sample is no longer on the page; take another"
    assert complaints(text.replace(right, wrong, 1))


def test_a_file_that_the_map_leaves_out_is_seen() -> None:
    text = PAGE.read_text()
    line = next(line for line in text.splitlines() if line.strip().startswith("placement.py"))
    assert Untrue("core/placement.py", "a file of core that the map does not name") in complaints(
        text.replace(line, "")
    )
