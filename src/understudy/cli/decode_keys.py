"""The key files of ``understudy decode``: Heartbeat's ``authkeys`` and our own ``cluster.key``, told apart by what is in them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ..errors import Problem, UnderstudyError
from ..wire.heartbeat3 import LAST_INDEX, Auth, Keys, Method

_OUR_KEY = re.compile(rb"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True)
class Ring:
    """All keys that were given. ``old``: of each ``authkeys``; ``native``: of our key files; ``cluster``: our cluster's name."""

    old: tuple[Keys, ...] = ()
    native: tuple[bytes, ...] = ()
    cluster: str = ""


def read_ring(paths: tuple[str, ...], cluster: str) -> Ring:
    """The keys of these files. The cluster's name, when it is not given, is that in ``cluster.toml`` beside a key of ours.

    Raises UnderstudyError for a file that cannot be read or is neither kind, with file, line and column.
    """
    old: list[Keys] = []
    native: list[bytes] = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                data = file.read(1 << 20)
        except OSError as error:
            raise UnderstudyError(f"cannot read {path}: {error.strerror}") from None
        if _is_ours(data):
            native += _our_keys(data, path)
            cluster = cluster or _name_beside(path)
        else:
            old.append(parse_authkeys(data, path))
    return Ring(tuple(old), tuple(dict.fromkeys(native)), cluster)


def _is_ours(data: bytes) -> bool:
    lines = (line.partition(b"#")[0].strip() for line in data.splitlines())
    return _OUR_KEY.fullmatch(next((line for line in lines if line), b"")) is not None


def _our_keys(data: bytes, path: str) -> tuple[bytes, ...]:
    from ..config.keys import parse_keys

    keys = parse_keys(data, path)
    if isinstance(keys, Problem):
        raise UnderstudyError(str(keys))
    return keys


def _name_beside(path: str) -> str:
    import tomllib

    try:
        with open(os.path.join(os.path.dirname(path), "cluster.toml"), "rb") as file:
            name = tomllib.load(file)["cluster"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return name if isinstance(name, str) else ""


def parse_authkeys(data: bytes, path: str) -> Keys:
    """``auth <index>`` and lines of ``<index> <method> [<key>]``, as 3.0.6 reads them; the order does not matter here, since
    nothing is sent. Raises UnderstudyError.
    """
    sending: int | None = None
    lines: dict[int, Auth] = {}
    for number, line in enumerate(data.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        column = len(line) - len(line.lstrip()) + 1
        if words[0].startswith(b"a"):
            sending = _index(words[1] if len(words) > 1 else b"", path, number, column)
            continue
        index = _index(words[0], path, number, column)
        if index in lines:
            raise _wrong(path, number, column, f"index {index} is there twice", "Take one of the two lines away.")
        lines[index] = _auth(index, words, path, number, line)
    if not lines:
        hint = "authkeys has lines such as  1 sha1 KEY;  a cluster.key of ours has 64 hexadecimal digits."
        raise _wrong(path, 0, 0, "there is no key in it", hint)
    if sending is not None and sending not in lines:
        raise _wrong(
            path, 0, 0, f"auth {sending}: there is no line with that index", "Add the line, or name another index."
        )
    return Keys(lines.values(), next(iter(lines)) if sending is None else sending)


def _auth(index: int, words: list[bytes], path: str, number: int, line: bytes) -> Auth:
    word = words[1].decode("latin-1") if len(words) > 1 else ""
    column = line.find(words[1]) + 1 if len(words) > 1 else len(line) + 1
    if word not in tuple(Method):
        raise _wrong(path, number, column, f"there is no method {word!r}", "The methods are crc, md5 and sha1.")
    method = Method(word)
    secret = words[2] if len(words) > 2 else b""
    if bool(secret) is (method is Method.CRC):
        text = "crc has no key" if secret else f"{method} needs a key"
        raise _wrong(path, number, column, text, f"{index} crc" if secret else f"{index} {method} KEY")
    return Auth(index, method, secret)


def _index(word: bytes, path: str, number: int, column: int) -> int:
    if not word.isdigit() or len(word) > 4 or int(word) > LAST_INDEX:
        hint = "authkeys has a line  auth 1  and lines such as  1 sha1 KEY;  a cluster.key of ours has 64 hexadecimal digits."
        raise _wrong(path, number, column, f"here belongs an index from 0 to {LAST_INDEX}", hint)
    return int(word)


def _wrong(path: str, line: int, column: int, text: str, hint: str) -> UnderstudyError:
    return UnderstudyError(str(Problem(path, line, column, text, hint)))
