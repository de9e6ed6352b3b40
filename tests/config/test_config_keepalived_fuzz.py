"""Mutated keepalived.conf files: reading gives problems and never raises, whatever they contain. UNDERSTUDY_LONG=1: all 10^5."""

from __future__ import annotations

import os
import random

import pytest
from config_helpers import HERE
from mutated_text import mutated

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


@pytest.mark.parametrize("part", range(10))
def test_nothing_raises_and_what_is_good_converts(part) -> None:
    draw = random.Random(part)
    for number in range(ROUNDS // 10):
        text = mutated(draw, TEXTS, KEYWORDS, BITS)
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
