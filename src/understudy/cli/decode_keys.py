"""The key files of ``understudy decode``: Heartbeat's ``authkeys`` and our own ``cluster.key``, told apart by what is in them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ..errors import Problem, UnderstudyError
from ..wire.heartbeat3 import Auth, Keys, Method
from ..wire.vrrp_auth import secret

_OUR_KEY = re.compile(rb"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True)
class Ring:
    """All keys that were given. ``old``: of each ``authkeys``; ``native``: of our key files; ``cluster``: our cluster's name.

    ``vrrp``: passwords of virtual routers, as the 8 bytes that they are on the wire.
    """

    old: tuple[Keys, ...] = ()
    native: tuple[bytes, ...] = ()
    cluster: str = ""
    vrrp: tuple[bytes, ...] = ()


def read_ring(paths: tuple[str, ...], cluster: str, passwords: tuple[str, ...] = ()) -> Ring:
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
    return Ring(tuple(old), tuple(dict.fromkeys(native)), cluster, tuple(map(secret, passwords)))


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
    """The keys of an ``authkeys``, judged as the daemon judges them but for who may read the file. Raises UnderstudyError."""
    from ..config.heartbeat_keys import read_authkeys
    from ..config.report import Report

    report = Report(path)
    found = read_authkeys(report, data, path, 0o600)
    errors = [str(problem) for problem in report.in_order() if problem.severity == "error"]
    if not found.keys:
        errors.append(
            "It holds no key: neither lines such as  1 sha1 KEY  nor 64 hexadecimal digits, as a cluster.key of ours."
        )
    if errors or found.outgoing is None:
        raise UnderstudyError("\n".join(errors))
    return Keys((Auth(key.index, Method(key.method), key.key) for key in found.keys), found.outgoing)
