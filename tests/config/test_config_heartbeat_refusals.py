"""Every refusal and warning about Heartbeat's files with its full message: refusals/heartbeat.txt, written to be read."""

from __future__ import annotations

import random

import pytest
from config_helpers import HERE, REWRITE, read_cases, write_cases
from heartbeat_helpers import CF, KEYS, RESOURCES, folder, read_case, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.config.heartbeat import Found, Texts, read_heartbeat
from understudy.config.heartbeat_native import Wanted, convert
from understudy.config.heartbeat_words import DIRECTIVES

PATH = HERE / "refusals" / "heartbeat.txt"


def _said(text: str) -> str:
    return "\n".join(str(problem) for problem in read_case(text).problems)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.title) for case in read_cases(PATH)[1]])
def test_refusal(case) -> None:
    if REWRITE:
        head, cases = read_cases(PATH)
        for one in cases:
            one.expected = _said(one.text)
        write_cases(PATH, head, cases)
        return
    assert case.expected, "a case without expected problems tests nothing"
    assert _said(case.text) == case.expected


@pytest.mark.parametrize("word", DIRECTIVES)
def test_a_directive_without_a_value_is_told_and_a_misspelt_one_has_a_neighbour(word) -> None:
    assert f'"{word}" needs a value' in _said(f"{word}\n+\n")
    letters = word[:-2] + word[-1] + word[-2] + "x" if len(word) > 4 else word + "s"
    found = read_case(f"{letters} 1\n+\n")
    assert found.files is None
    assert found.problems[0].text == f'unknown directive "{letters}"'
    assert found.problems[0].hint.startswith("Did you mean"), found.problems[0].hint


def test_a_file_that_cannot_be_read_is_told_with_the_others() -> None:
    from understudy.errors import Problem

    missing = Found("haresources", problem=Problem("haresources", 0, 0, "cannot read the file: No such file", ""))
    base = texts("deadtme 3\n", authkeys="auth 4\n")
    reading = read_heartbeat(Texts("x", base.cf, missing, base.authkeys))
    assert reading.files is None
    assert {problem.file for problem in reading.problems} == {"ha.cf", "haresources", "authkeys"}


ALPHABET = " \t\n\r,#\\:=/.*+0123456789abzAZé\x00\x13\ufeff\u2028"
GARBAGE = st.one_of(
    st.binary(max_size=200),
    st.text(ALPHABET, max_size=200).map(lambda text: text.encode()),
    st.lists(
        st.tuples(st.sampled_from([*DIRECTIVES, "auth", "1", "ha01"]), st.text(ALPHABET, max_size=30)).map(" ".join),
        max_size=12,
    ).map(lambda lines: "\n".join(lines).encode()),
)


@settings(deadline=None, max_examples=300)
@given(GARBAGE, GARBAGE, GARBAGE)
def test_no_garbage_raises(cf, haresources, authkeys) -> None:
    _judge(cf, haresources, authkeys)
    _judge(CF.encode() + cf, RESOURCES.encode() + haresources, KEYS.encode() + authkeys)


def test_no_mutation_of_good_files_raises() -> None:
    chance = random.Random(694)
    folders = [folder(path.parent) for path in sorted((HERE / "heartbeat").glob("*/ha.cf"))]
    for _ in range(600):
        one = chance.choice(folders)
        _judge(*(_mutated(chance, found.data) for found in (one.cf, one.haresources, one.authkeys)))


def _mutated(chance: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(found) + 1)
        match chance.randrange(3):
            case 0:
                found[place:place] = bytes(chance.choices(b" \n\t,#\\:/=0z\xff", k=chance.randrange(1, 5)))
            case 1:
                del found[place : place + chance.randrange(1, 9)]
            case _:
                found[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(found)


def _judge(cf: bytes, haresources: bytes, authkeys: bytes) -> None:
    """Read and convert; whatever was read without an error is a configuration that can be told again."""
    made = Texts("x", Found("ha.cf", cf), Found("haresources", haresources), Found("authkeys", authkeys))
    reading = read_heartbeat(made)
    assert (reading.files is None) == any(problem.severity == "error" for problem in reading.problems)
    for problem in reading.problems:
        assert str(problem)
        assert problem.file in ("ha.cf", "haresources", "authkeys")
    if reading.files is not None:
        nodes = {node: (f"10.9.0.{number}",) for number, node in enumerate(reading.files.nodes[:15], 1)}
        convert(reading, "ha.cf", Wanted(nodes))


@pytest.mark.parametrize(
    ("cf", "resources"),
    [
        (CF, "ha01 test1\nha01 192.168.58.100/24/eth0 httpd\n"),
        (CF + "stonith_host ha02 external/ipmi ha01 10.0.0.9 admin secret lan\n", "ha01 test1\n"),
        (CF + "stonith_host * external/ipmi ha01 10.0.0.9 admin secret lan\n", "ha01 test1\n"),
        (CF.replace("ha01 ha02", "ha01"), "ha01 test1\n"),
        (CF, "ha01 MailTo::root\n"),
    ],
    ids=["another line has one", "a device of the other", "a device of all", "one node", "nothing exclusive"],
)
def test_a_question_that_can_be_asked_or_is_not_needed_is_not_warned_of(cf: str, resources: str) -> None:
    said = [problem.text for problem in read_heartbeat(texts(cf, resources)).problems]
    assert not any("cannot ask" in text for text in said), said


def test_a_device_that_proves_nothing_or_is_for_the_other_node_does_not_stand_for_the_question() -> None:
    for device in ("stonith_host ha02 ssh ha01", "stonith_host ha01 external/ipmi ha02 10.0.0.9 admin secret lan"):
        said = [problem.text for problem in read_heartbeat(texts(f"{CF}{device}\n", "ha01 test1\n")).problems]
        assert any("ha02 cannot ask the service network" in text for text in said), (device, said)
