"""Mutated keepalived.conf files: reading gives problems and never raises, whatever they contain. UNDERSTUDY_LONG=1: all 10^5."""

from __future__ import annotations

import os
import random

import pytest
from config_helpers import HERE

from understudy.config.keepalived import read_keepalived
from understudy.config.keepalived_expand import Source
from understudy.config.keepalived_native import convert
from understudy.config.keepalived_words import CONTEXTS
from understudy.config.router_advice import router_advice

pytestmark = pytest.mark.slow

ROUNDS = 100_000 if os.environ.get("UNDERSTUDY_LONG") == "1" else 3_000
TEXTS = [path.read_text("utf-8") for path in sorted((HERE / "keepalived").glob("*/keepalived.conf"))]
KEYWORDS = sorted({word for words in CONTEXTS.values() for word in words})
BITS = [
    *"{}\"'#!\\$@~\n\r\t \x00\ufffd\ufeff",
    *(
        "${",
        "}\n",
        "\n{",
        "${_RANDOM}",
        "${_HASH}",
        "~SEQ(i,1,3)",
        "~SEQ(i,3,-1,1)",
        "~LST(a,b,c)",
        "~LST({a,b},{1,2})",
        "$A=$A",
    ),
    *(
        "@main ",
        "@^main ",
        "include x\n",
        "-1",
        "0",
        "255",
        "256",
        "99999999999999999999",
        "1e3",
        "0.5",
        "::1",
        "fe80::1/64",
    ),
    *("10.0.0.1/24", "10.0.0.1/99", "é", "\ud7ff", "eth0", "weight", "reverse", "virtual_ipaddress {", "vrrp_instance"),
]


def mutated(draw: random.Random) -> str:
    """One of our files with a few changes: characters, lines, words of other places."""
    text = draw.choice(TEXTS)
    for _ in range(draw.randint(1, 8)):
        at, to = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
        kind = draw.randrange(7)
        if kind == 0:
            text = text[:at] + draw.choice(BITS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + draw.randint(1, 4) :]
        elif kind == 2:
            text = text[:at] + draw.choice(KEYWORDS) + draw.choice((" ", "\n", " {", " 1 ")) + text[at:]
        elif kind == 3:
            other = draw.choice(TEXTS)
            begin = draw.randrange(len(other) + 1)
            text = text[:at] + other[begin : begin + draw.randint(0, 200)] + text[at:]
        elif kind == 4:
            text = text[:at] + text[to:]
        elif kind == 5:
            lines = text.split("\n")
            line = draw.randrange(len(lines))
            lines[line] = " ".join(draw.sample(words, len(words))) if (words := lines[line].split()) else "}"
            text = "\n".join(lines)
        else:
            text = text[:at] + chr(draw.choice((draw.randrange(32, 127), draw.randrange(0xD7FF)))) + text[at + 1 :]
    return text


@pytest.mark.parametrize("part", range(10))
def test_nothing_raises_and_what_is_good_converts(part) -> None:
    draw = random.Random(part)
    for number in range(ROUNDS // 10):
        text = mutated(draw)
        reading = read_keepalived(Source("keepalived.conf", text), config_id="main")
        for problem in reading.problems:
            assert problem.text, text
            assert problem.severity in ("error", "warning")
            assert problem.line <= text.count("\n") + 1
        if reading.files is None or number % 10:
            assert reading.files is not None or any(problem.severity == "error" for problem in reading.problems)
            continue
        assert router_advice(reading.files)
        made = convert(reading, "keepalived.conf")
        if made.text is None:
            why = made.problems[-1].text
            known = ("control character", "is empty", "letters that can be seen", "names no program")
            assert any(word in why for word in known), f"{why}\n{text}"
