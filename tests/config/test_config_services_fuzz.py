"""Mutated ldirectord.cf files and virtual servers of keepalived.conf: nothing raises, and what is read can be run and converted.

UNDERSTUDY_LONG=1: all 10^5.
"""

from __future__ import annotations

import os
import random

import pytest
from config_helpers import HERE, read_cases
from ldirectord_helpers import NAMES
from mutated_text import mutated

from understudy.balance import TableSeen
from understudy.config.keepalived import read_keepalived
from understudy.config.keepalived_expand import Source
from understudy.config.keepalived_native import convert as convert_keepalived
from understudy.config.keepalived_service_words import SERVICES as BLOCKS
from understudy.config.ldirectord import read_ldirectord
from understudy.config.ldirectord_native import convert
from understudy.config.ldirectord_words import DIRECTIVES, SERVICES
from understudy.core.pools import Pool
from understudy.core.pools.planes import choose
from understudy.errors import Problem
from understudy.services import ServiceFiles

pytestmark = pytest.mark.slow

ROUNDS = 100_000 if os.environ.get("UNDERSTUDY_LONG") == "1" else 1_000
PARTS = 10
LDIRECTORD = [path.read_text("utf-8") for path in sorted((HERE / "ldirectord").glob("*/ldirectord.cf"))]
LDIRECTORD += [case.text for case in read_cases(HERE / "refusals" / "ldirectord.txt")[1]]
DIRECTIVE_LINES = [f"\n\t{word}=" for word in DIRECTIVES] + [f"\n{word}=" for word in DIRECTIVES] + list(SERVICES)
KEEPALIVED = [
    (HERE / "keepalived" / name / "keepalived.conf").read_text("utf-8")
    for name in ("balancing", "balancing-bad", "services")
]
KEYWORDS = sorted({word for words in BLOCKS.values() for word in words})
BITS = [
    *"{}\"'#!\n\r\t \x00\ufffd\ufeff=:[]->,@%",
    *("virtual_server group ", "virtual_server fwmark ", "real_server ", "sorry_server ", "\nvirtual=", "\nvirtual6=[::1]:80\n"),
    *("0", "-1", "65535", "65536", "99999999999999999999", "1e3", "0.5", "::1", "fe80::1%lo", "10.0.0.1-10.0.0.9", "\u0661"),
    *("gate", "masq", "yes", "no", " l:5 u:3", "10.0.0.1->10.0.0.3", "(?R)", "(((((", "http://[::1]:9/", "TUN type gue"),
    *("000000000165536", "regex ", "\\x41"),
]  # fmt: skip


def _holds(text: str, problems: tuple[Problem, ...], files: ServiceFiles | None) -> None:
    for problem in problems:
        assert problem.text, text
        assert 0 <= problem.line <= text.count("\n") + 1, problem
    if files is None:
        return
    names = [service.name for service in files.services]
    keys = [key for service in files.services for key in service.keys]
    assert len(set(names)) == len(names)
    assert len(set(keys)) == len(keys), text
    for service in files.services:
        assert len({real.name for real in service.reals}) == len(service.reals), text
        for real in service.reals:
            assert 0 <= real.weight <= 65535
            assert 0 <= real.port <= 65535
            assert real.lower <= real.upper
            for check in real.checks:
                assert check.interval > 0
                assert check.timeout > 0, text
                assert check.fall >= 1
        choose(service, True, True)
    Pool(files).handle(TableSeen(()), 0)


@pytest.mark.parametrize("part", range(PARTS))
def test_ldirectord_cf(part: int) -> None:
    draw = random.Random(part)
    for number in range(ROUNDS // PARTS // 2):
        text = mutated(draw, LDIRECTORD, DIRECTIVE_LINES, BITS)
        reading = read_ldirectord(text, "ldirectord.cf", NAMES)
        _holds(text, reading.problems, reading.files)
        assert (reading.files is None) is any(problem.severity == "error" for problem in reading.problems), text
        if reading.files is not None and number % 10 == 0:
            made = convert(reading, "ldirectord.cf")
            assert made.text is not None, (made.problems[-1], text)


@pytest.mark.parametrize("part", range(PARTS))
def test_virtual_servers_of_keepalived_conf(part: int) -> None:
    draw = random.Random(1000 + part)
    for number in range(ROUNDS // PARTS // 2):
        text = mutated(draw, KEEPALIVED, KEYWORDS, BITS, 20)
        reading = read_keepalived(Source("keepalived.conf", text), config_id="main")
        _holds(text, reading.problems, None if reading.files is None else reading.files.services)
        if reading.files is not None and number % 20 == 0:
            made = convert_keepalived(reading, "keepalived.conf")
            if made.text is None:
                why = made.problems[-1].text
                known = ("control character", "is empty", "letters that can be seen", "names no program")
                assert any(word in why for word in known), f"{why}\n{text}"
