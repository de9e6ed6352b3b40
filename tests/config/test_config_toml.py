"""The reader of TOML against the standard library's, on documents made up and on documents broken on purpose."""

from __future__ import annotations

import random
import tomllib
from typing import Any

import pytest
from config_helpers import HERE
from hypothesis import given
from hypothesis import strategies as st

from understudy.config.toml import decode, parse
from understudy.config.tree import Array, Place, Table, Value, plain
from understudy.errors import Problem

TRICKY = [
    "a.b=1\na.c=2\n[x.y.z]\nq=1\n[x]\ny.w=2\n[[t]]\na=1\n[[t]]\n[t.s]\n",
    'k="""\\\n  a "" b"""""\nl=\'\'\'\n\'x\'\'\'\'\nm={a.b=1,a.c={d=[1,\n2,#x\n]}}\n',
    "a=1979-05-27T07:32:00.9999999-07:00\nb=07:32:00\nc=1979-05-27 07:32:00Z\nd=1979-05-27 \n",
    "a=1e5\nb=-0\nc=+0.0\nd=inf\ne=0xdead_beef\nf=0o17\ng=0b1_0\nh=-nan\ni=1e400\n",
    'a="\\u00e9\\U0001F600\\t\\"\\\\"\r\nb=\'\\\'\r\n',
    "[a.b.c]\nx=1\n[a]\nb.t=1\n[a.b]",
    "[a.b.c]\nx=1\n[a]\nb.c.t=1",
    "[[a.b]]\n[a]\nb.c=1",
    "[[a]]\n[a]",
    "[a]\n[[a]]",
    "a={}\n[a]",
    "a={}\na.b=1",
    "[fruit]\napple.color='r'\napple.taste.sweet=true\n[fruit.apple.texture]\ns=1\n",
    "[fruit]\napple.color='r'\n[fruit.apple]\n",
    "a=[1,,]",
    "a={b=1,}",
    "a=1__0",
    "a=01",
    "a=1.",
    "a=.5",
    "a=\u0661",
    'a="\\uD800"',
    "a=2000-02-30",
    "a=2021-01-01T00:00:00+24:00",
    "a='x\x7f'",
    "a = 1 # c\x01",
    "a=1\rb=2",
    "\ufeffa=1",
    "",
]
ALPHABET = "abx10._-=[]{}\"'\\\n#, \t:TZ+eu\r"


def _ours(text: str) -> Any:
    tree = parse(text, "f.toml")
    return tree if isinstance(tree, Problem) else plain(Value(Place(), tree))


def _theirs(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError) as error:
        return error


def _agree(text: str) -> None:
    ours, theirs = _ours(text), _theirs(text)
    if isinstance(theirs, Exception):
        assert isinstance(ours, Problem), f"accepted what tomllib refuses ({theirs}): {text!r}"
        assert ours.line >= 1
        assert ours.column >= 1
    else:
        assert not isinstance(ours, Problem), f"{ours}: {text!r}"
        assert repr(ours) == repr(theirs), text  # by repr: nan is not equal to itself, and True is not 1


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_documents(text) -> None:
    _agree(text)


def test_sample_files() -> None:
    for path in sorted((HERE / "samples").glob("*/*.toml")):
        text = decode(path.read_bytes(), path.name)
        if isinstance(text, str):
            _agree(text)


# -- made up ----------------------------------------------------------------------------------------------------------

_words = st.text("abc-_1", min_size=1, max_size=4) | st.text(min_size=0, max_size=4).map(lambda text: _quoted(text))
_scalars = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.booleans().map(lambda value: str(value).lower()),
    st.datetimes().map(lambda value: value.isoformat()),
    st.dates().map(str),
    st.times().map(str),
    st.text(max_size=8).map(lambda text: _quoted(text)),
    st.text(max_size=8).map(lambda text: '"""\n' + _quoted(text)[1:-1] + '"""'),
    st.text('ab c"#\\[]', max_size=8).map(lambda text: f"'{text}'"),
)


def _quoted(text: str) -> str:
    def one(character: str) -> str:
        if character in '"\\' or ord(character) < 32 or character == "\x7f":
            return f"\\u{ord(character):04x}"
        return character

    return '"' + "".join(one(character) for character in text) + '"'


_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ",\n ".join(items) + " ]")
        | st.lists(st.tuples(_words, inner), max_size=3).map(
            lambda pairs: "{ " + ", ".join(f"{word} = {value}" for word, value in pairs) + " }"
        )
    ),
    max_leaves=6,
)
_keys = st.lists(_words, min_size=1, max_size=3).map(" . ".join)
_lines = st.one_of(
    st.tuples(_keys, _values).map(lambda pair: f"{pair[0]} = {pair[1]}  # {pair[0][:2]!r}"),
    _keys.map(lambda key: f"[{key}]"),
    _keys.map(lambda key: f"[[ {key} ]]"),
)


@given(st.lists(_lines, max_size=6).map("\n".join))
def test_documents_that_are_nearly_right(text) -> None:
    """Values are good; keys collide now and then, which both must refuse. (Nested line ends in braces are refused too.)"""
    _agree(text)


@given(st.text(ALPHABET, max_size=30))
def test_random_text(text) -> None:
    _agree(text)


def test_broken_documents() -> None:
    """Good documents with a few characters lost, added or repeated; a fixed seed, so that a failure can be repeated."""
    source = random.Random(20)
    accepted = 0
    for _ in range(4000):
        text = source.choice(TRICKY)
        for _ in range(source.randrange(1, 4)):
            where = source.randrange(len(text) + 1)
            how = source.randrange(3)
            if how == 0:
                text = text[:where] + text[where + 1 :]
            elif how == 1:
                text = text[:where] + source.choice(ALPHABET) + text[where:]
            else:
                other = source.randrange(len(text) + 1)
                text = text[:where] + text[other : other + source.randrange(6)] + text[where:]
        _agree(text)
        accepted += not isinstance(_ours(text), Problem)
    assert 200 < accepted < 3500, "nearly all were refused, or nearly none: the comparison says little"


# -- places, limits, bytes --------------------------------------------------------------------------------------------


def test_places_are_those_of_the_words_and_values() -> None:
    tree = parse('# top\n[a]\n  b . c = [ 1,\n   { d = "x" } ]\n[[e]]\n', "f")
    assert isinstance(tree, Table)
    a = tree.entries["a"]
    assert (a.place, a.value.place) == (Place(2, 2), Place(2, 1))
    assert isinstance(a.value.data, Table)
    b = a.value.data.entries["b"]
    assert b.place == Place(3, 3)
    assert isinstance(b.value.data, Table)
    c = b.value.data.entries["c"]
    assert (c.place, c.value.place) == (Place(3, 7), Place(3, 11))
    assert isinstance(c.value.data, Array)
    inner = c.value.data.items[1]
    assert inner.place == Place(4, 4)
    assert isinstance(inner.data, Table)
    assert inner.data.entries["d"].value.place == Place(4, 10)
    assert tree.entries["e"].place == Place(5, 3)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "{b=" * 5000, "a" + ".a" * 5000 + " = 1", "a = " + "9" * 9000]
)
def test_absurd_documents_end_in_a_problem(text) -> None:
    """Neither the stack nor the conversion of huge numbers may fail: tomllib itself raises RecursionError here."""
    assert isinstance(parse(text, "f"), Problem)


def test_bytes_that_are_not_utf8_have_a_place() -> None:
    problem = decode(b'a = 1\nb = "\xc3\xa9\xff"\n', "f")
    assert isinstance(problem, Problem)
    assert (problem.line, problem.column) == (2, 7)


@given(st.binary(max_size=60))
def test_random_bytes_never_raise(data) -> None:
    text = decode(data, "f")
    if isinstance(text, str):
        parse(text, "f")
