"""Mutated ldirectord.cf files: reading gives problems and never raises, whatever they contain; what is good converts."""

from __future__ import annotations

from config_helpers import HERE, read_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from ldirectord_helpers import NAMES, STANDARD, read_text

from understudy.config.ldirectord import read_ldirectord
from understudy.config.ldirectord_native import convert
from understudy.config.ldirectord_words import DIRECTIVES, SERVICES

FILES = [path.read_text() for path in sorted((HERE / "ldirectord").glob("*/ldirectord.cf"))]
LINES = [line + "\n" for text in FILES for line in text.splitlines()]
LINES += [
    line + "\n" for case in read_cases(HERE / "refusals" / "ldirectord.txt")[1] for line in case.text.splitlines()
]
BITS = [
    *" \t\n\r#=\"':[]->.,0@\x00\x0b\ufffd\ufeffé",
    *(
        "\nvirtual=",
        "\nvirtual6=[::1]:80\n",
        "\n\treal=",
        "gate",
        " l:5 u:3",
        "10.0.0.1->10.0.0.3",
        "99999999999999999999",
        "::1",
        "(?R)",
    ),
]
ANY_LINE = st.one_of(
    st.sampled_from(LINES),
    st.builds(
        lambda indent, word, value: f"{indent}{word}={value}\n",
        st.sampled_from(["", "\t", "    ", "  "]),
        st.sampled_from(sorted(DIRECTIVES)),
        st.one_of(
            st.sampled_from(
                [
                    *BITS,
                    *SERVICES,
                    "yes",
                    "no",
                    "3",
                    '"x"',
                    "10.0.0.1:80 masq",
                    '10.0.0.9:80 masq 1 "http://[::1]:9/", "("',
                ]
            ),
            st.text(max_size=20),
        ),
    ),
    st.text(max_size=40),
)


def _holds(text: str) -> None:
    reading = read_text(text)
    for problem in reading.problems:
        assert problem.text
        assert problem.line <= text.count("\n") + 1
    assert (reading.files is None) is any(problem.severity == "error" for problem in reading.problems)
    if reading.files is not None:
        made = convert(reading, "ldirectord.cf")
        assert made.text is not None or made.problems[-1].severity == "error"


@settings(max_examples=250, deadline=None)
@given(st.lists(ANY_LINE, max_size=15).map("".join))
def test_lines_of_all_kinds(text) -> None:
    _holds(STANDARD + text)


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 6), st.sampled_from(["", *BITS])), max_size=6),
)
def test_files_with_a_few_changes(text, changes) -> None:
    for at, cut, put in changes:
        text = text[:at] + put + text[at + cut :]
    _holds(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_bytes(data) -> None:
    read_ldirectord(data.decode("utf-8", "replace"), "x", NAMES)
