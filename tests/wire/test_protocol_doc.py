"""docs/protocol.md is executed: its examples are opened and sealed again, its tables compared with the code.

To renew the bytes of an example, copy what the failing test prints; and think first, because other machines speak the old ones.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
from wire_reference import CLUSTER, KEY, MEMBERS, seal

from understudy import messages
from understudy.config.groups import MOST_GROUPS
from understudy.messages import Message
from understudy.wire import layout
from understudy.wire.decode import decode
from understudy.wire.encode import encode
from understudy.wire.native import OLDEST, SOFT_LIMIT, VERSION, Envelope, Opener, Reason, Sealer

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8").partition("\n## VRRP\n")[0]
"""``test_wire_vrrp.py`` has what stands behind it."""


@dataclass(frozen=True)
class Example:
    sender: str
    incarnation: int
    counter: int
    version: int
    message: Message
    body: bytes | None
    datagram: bytes


def read(block: str) -> Example:
    """``word: value`` lines; a value may go on in indented lines; hex may carry a comment after #."""
    values: dict[str, str] = {}
    for word, value in re.findall(r"^(\w+):((?:.*\n)(?:[ \t]+.*\n)*)", block, re.MULTILINE):
        values[word] = value.strip()
    return Example(
        values["sender"],
        int(values["incarnation"], 0),
        int(values["counter"]),
        int(values.get("version", "1")),
        construct(ast.parse(values["message"], mode="eval").body),
        unhex(values["body"]) if "body" in values else None,
        unhex(values["datagram"]),
    )


def unhex(text: str) -> bytes:
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


def construct(node: ast.expr):  # type: ignore[no-untyped-def]
    """What the page writes about a message, without giving the page an interpreter."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        named = {keyword.arg: construct(keyword.value) for keyword in node.keywords if keyword.arg}
        return getattr(messages, node.func.id)(*map(construct, node.args), **named)
    if isinstance(node, ast.Tuple):
        return tuple(map(construct, node.elts))
    if isinstance(node, ast.Attribute):
        return messages.Phase[node.attr]
    return ast.literal_eval(node)


EXAMPLES = [read(block) for block in re.findall(r"^```example\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)]


def test_every_kind_of_message_has_an_example() -> None:
    assert {type(example.message) for example in EXAMPLES} == set(get_args(Message))
    assert {example.version for example in EXAMPLES} == {VERSION, VERSION + 1}
    assert any(example.body for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{type(example.message).__name__}-{example.counter}")
class TestExample:
    def test_opens_to_its_message(self, example: Example) -> None:
        opened = Opener(CLUSTER, (KEY,), MEMBERS).open(example.datagram)
        newest = max(VERSION, example.version)
        assert opened == Envelope(example.sender, example.incarnation, example.counter, newest, example.message)

    def test_is_what_the_program_writes(self, example: Example) -> None:
        if example.version != VERSION:
            return  # written by the page's own rules in the next test
        sealer = Sealer(CLUSTER, (KEY,), example.sender, example.incarnation, counter=example.counter - 1)
        written = sealer.seal(example.message)
        assert written == example.datagram, f"the program writes:\n{written.hex(' ')}"

    def test_is_what_the_page_prescribes(self, example: Example) -> None:
        body = encode(example.message) if example.body is None else example.body
        assert decode(body) == example.message
        written = seal(
            body,
            sender=example.sender.encode(),
            incarnation=example.incarnation,
            counter=example.counter,
            version=example.version,
            newest=example.version,
        )
        assert written == example.datagram, f"by the rules of the page:\n{written.hex(' ')}"


def table_after(heading: str) -> list[list[str]]:
    """The rows of the first table behind ``heading``, without its head."""
    text = PAGE.split(heading, 1)[1]
    lines = re.search(r"((?:^\|.*\n)+)", text, re.MULTILINE)
    assert lines is not None
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[1].splitlines()[2:]]


def test_the_reasons_are_those_of_the_code_in_the_order_of_the_checks() -> None:
    assert [row[0].strip("`") for row in table_after("## Refusals")] == [item.value for item in Reason]


def test_the_kinds_are_those_of_the_code() -> None:
    text = PAGE.split("at most once.", 1)[1]
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", text, re.MULTILINE)
    spelled = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper(): int(number) for number, name in rows}
    assert spelled == {name[5:]: value for name, value in vars(layout).items() if name.startswith("KIND_")}


def test_the_header_table_adds_up() -> None:
    rows = table_after("## Datagram")
    sizes = [int(row[1]) for row in rows[:-2]]
    assert [int(row[0]) for row in rows[:-2]] == [sum(sizes[:index]) for index in range(len(sizes))]
    assert sum(sizes) == 32


def test_the_phases_are_those_of_the_code() -> None:
    sentence = re.search(r"Phases: (.*?)\.", PAGE, re.DOTALL)
    assert sentence is not None
    listed = {int(code): name for code, name in re.findall(r"(\d) (\w+)", sentence[1])}
    assert listed == {code: phase.value for code, phase in layout.PHASES.items()}


@pytest.mark.parametrize(
    ("words", "form"),
    [
        ("1 fields", layout.STATE_LAYOUT),
        ("2 holds", layout.HOLD_LAYOUT),
        ("3 votes", layout.VOTE_LAYOUT),
        ("4 heard", layout.HEARD_LAYOUT),
        ("5 groups", layout.REPORT_LAYOUT),
        ("Bid", layout.BID_LAYOUT),
        ("BidAnswer", layout.BID_ANSWER_LAYOUT),
        ("Release", layout.RELEASE_LAYOUT),
        ("Ask", layout.ASK_LAYOUT),
        ("Answer", layout.ANSWER_LAYOUT),
        ("Echo", layout.ECHO_LAYOUT),
        ("Inquiry", layout.INQUIRY_LAYOUT),
        ("Page", layout.PAGE_LAYOUT),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_field_tables_are_the_layouts_of_the_code(words: str, form: layout.Struct) -> None:
    row = re.findall(rf"^\| {words} \| ([^|]*) \|$", PAGE, re.MULTILINE)
    assert len(row) == 1
    text = row[0].replace("u8 ×6", "u8 " * 6)
    codes = {"u8": "B", "u16": "H", "u64": "Q", "i64": "q"}
    assert "!" + "".join(codes[word] for word in re.findall(r"\b[ui]\d+\b", text)) == form.format


def test_the_page_states_the_constants() -> None:
    assert f"This page describes version {VERSION}." in PAGE
    assert OLDEST == VERSION == 1
    assert f"kept to {SOFT_LIMIT} bytes" in PAGE
    assert f"at most {layout.TEXT_LIMIT} bytes" in PAGE
    assert f"at most {MOST_GROUPS} groups." in PAGE
    assert f"at most {layout.PAGE_LIMIT} bytes" in PAGE
