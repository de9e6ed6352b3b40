"""Perl's regular expressions for Python: what is translated finds the same, what cannot be is named, and nothing raises.

The expected answers are Perl 5.36's; the last test asks the Perl of this machine, where there is one.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.config.perl_pattern import Unread, python_pattern

FOUND = [
    (r"plain text", "some plain text here", True),
    (r"end\Z", "the end\n", True),
    (r"end\z", "the end\n", False),
    (r"end$", "the end\n", True),
    (r"\Astart", "a start", False),
    (r"\Gstart", "start", True),
    (r"a\hb", "a\tb", True),
    (r"a[\h,]b", "a,b", True),
    (r"a\Hb", "a b", False),
    (r"a\vb", "a\nb", True),
    (r"a\Rb", "a\r\nb", True),
    (r"a\Nb", "a\nb", False),
    (r"\x{41}\x42\cA", "AB\x01", True),
    (r"a\e", "a\x1b", True),
    (r"keep\Kthis", "keepthis", True),
    (r"[[:alpha:]_]+[[:^digit:]]", "ab_c", True),
    (r"^[[:digit:]]+$", "12a", False),
    (r"[[:space:]]", "a\x0bb", True),
    (r"[[:punct:]]{2}", "a]\\", True),
    (r"[]a]+\]", "]a]", True),
    (r"[^]]", "]", False),
    (r"[a[b]", "[", True),
    (r"[a&&b]", "&", True),
    (r"(?<year>\d+)-\k<year>", "12-12", True),
    (r"(?'q'a)\k'q'\g{q}\k{q}", "aaaa", True),
    (r"(a)(b)\g2\g{-2}", "abba", True),
    (r"(a)\1", "aa", True),
    (r"(?i)OK", "ok", True),
    (r"a(?i)b|c", "C", True),
    (r"a(?i)b|c", "Ab", False),
    (r"(a(?i)b)c", "aBC", False),
    (r"x(?i)y(?-i)z", "xYZ", False),
    (r"(?s-i:a.b)", "a\nb", True),
    (r"(?m)^b", "a\nb", True),
    (r"a(?#comment)b", "ab", True),
    (r"a++b", "aab", True),
    (r"(?>a+)ab", "aab", False),
    (r"a{2}b{1,}c{,2}d", "aabbcd", True),
    (r"a{ 1, 2 }b", "aab", True),
    (r"a{b}", "a{b}", True),
    (r"{", "{", True),
    (r"(x)?(?(1)a|b)$", "xa", True),
    (r"(?<n>x)?(?(<n>)a|b)$", "xa", True),
    (r"a\/b\-c\_d\.e", "a/b-c_d.e", True),
    (r"a\jb", "ajb", True),
    (r"(?<!b)a", "ca", True),
    (r"(?P<a>x)(?P=a)", "xx", True),
    (r"[\b]", "\x08", True),
    (r"", "", True),
]
REFUSED = [
    *(
        "(?R)",
        "(?1)",
        "(?-1)x",
        "(?&name)",
        "(?P>name)",
        "(?{ 1 })",
        "(??{ 1 })",
        "(*FAIL)",
        "(?|a|b)",
        "(?^i:a)",
        "(?n)a",
    ),
    *(
        r"\p{L}",
        r"\PL",
        r"\X",
        r"\N{U+41}",
        r"\o{101}",
        r"\b{wb}",
        r"\x{263a}",
        "(?x) a b",
        r"[\R]",
        r"[\H]",
        r"[[:^upper:]]",
    ),
    *(
        "[[:nothing:]]",
        "(",
        "a)",
        "[a",
        "a**",
        "+",
        "\\",
        "[\\",
        "(?<=a*)b",
        "(?#",
        r"\g{-1}",
        r"\k<none>",
        r"\c",
        "a{3,2}",
    ),
    *("a{99999999}", "(?<n>a)(?<n>b)", "(?(?=a)b|c)", "(" * 80 + ")" * 80, "(?i)" * 80 + "a", "(?", r"(?P=none)"),
]


@pytest.mark.parametrize(("pattern", "text", "found"), FOUND)
def test_what_is_translated_finds_the_same(pattern, text, found) -> None:
    made = python_pattern(pattern)
    assert isinstance(made, str), made
    assert (re.search(made.encode(), text.encode()) is not None) is found, made


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_cannot_be_translated_is_named(pattern) -> None:
    made = python_pattern(pattern)
    assert isinstance(made, Unread), made
    assert made.text


@pytest.mark.skipif(shutil.which("perl") is None, reason="no perl here")
def test_perl_finds_what_is_said_here() -> None:
    """One Perl for all; a pattern is a value there, as ldirectord has it."""
    script = 'while (<STDIN>) { chomp; my ($p, $t) = map { pack("H*", $_) } split /:/, $_, -1; print(($t =~ /$p/) ? 1 : 0); }'
    lines = "".join(f"{pattern.encode().hex()}:{text.encode().hex()}\n" for pattern, text, _ in FOUND if pattern)
    done = subprocess.run(["perl", "-e", script], input=lines, capture_output=True, text=True, timeout=60, check=True)
    assert [mark == "1" for mark in done.stdout] == [found for pattern, _, found in FOUND if pattern]


PIECES = st.sampled_from(
    [
        *"ab()[]{}|?*+^$.-,\\:<>=!#&~'P1 \n",
        "(?i)",
        "(?<n>",
        "(?:",
        "[[:alpha:]]",
        "[^",
        r"\Z",
        r"\h",
        r"\g{-1}",
        r"\x{4",
        "{2,3}",
        "é",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=30))
def test_nothing_raises_and_what_is_taken_compiles(pattern) -> None:
    made = python_pattern(pattern)
    if isinstance(made, str):
        re.compile(made.encode("utf-8", "replace"))
    else:
        assert made.text
