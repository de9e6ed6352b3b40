"""The section [api]: whether and where the API is served over TCP, with which certificate and for which tokens.

Pure: what is in the files is judged here, but read in ``load``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import Problem
from ..model import Api
from .addresses import Wrong, read_host
from .members import MemberDraft
from .report import Report, Scope, suggestion
from .tree import WHOLE_FILE, Place, Table, Value

SHORTEST_TOKEN = 32
"""Characters: 128 bits when they are random hexadecimal digits."""

LONGEST_TOKEN = 512
MOST_TOKENS = 100
RIGHTS = ("read", "write")

_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)  # b64token of RFC 6750, section 2.1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}", re.ASCII)
_MAKE = "Make one with: openssl rand -hex 32"


@dataclass(frozen=True, slots=True)
class ApiDraft:
    """``api`` None: there is no such section, or it is refused. ``places``: where each file is named."""

    api: Api | None = None
    places: tuple[Place, Place, Place] = (WHOLE_FILE, WHOLE_FILE, WHOLE_FILE)


@dataclass(frozen=True, slots=True)
class Token:
    """Who may ask, and whether also for what changes something."""

    name: str
    secret: str
    may_change: bool

    def __repr__(self) -> str:
        return f"Token({self.name!r}, may_change={self.may_change})"  # never into a log


def read_api(report: Report, top: Scope, members: list[MemberDraft]) -> ApiDraft:
    """The section, if there is one."""
    value = top.value("api")
    if value is None:
        return ApiDraft()
    if not isinstance(value.data, Table):
        top.wrong("api", "a section", value, "Write [api], with its settings below.")
        return ApiDraft()
    scope = Scope(report, value.data, "[api]", value.place)
    before = len(report.problems)
    listen = _listen(report, scope, [member.name for member in members])
    files = []
    for word, what in (
        ("certificate", "the server's certificate (PEM), its chain behind it"),
        ("key", "the certificate's private key (PEM), mode 0600"),
        ("token_file", "the tokens of those who may ask, mode 0600"),
    ):
        text = scope.text(word)
        if text is None and word not in scope:
            scope.missing(word, f"It names a file: {what}. Over TCP nothing is answered without TLS and a token.")
        files.append(text or "")
    scope.finish()
    places = (scope.at("certificate"), scope.at("key"), scope.at("token_file"))
    if len(report.problems) > before:
        return ApiDraft(None, places)
    return ApiDraft(Api(listen, *files), places)


def _listen(report: Report, scope: Scope, members: list[str]) -> tuple[tuple[str, str, int], ...]:
    value = scope.value("listen")
    if value is None:
        scope.missing(
            "listen", 'Write listen = "0.0.0.0:5695", or one address for each machine: { ha01 = "10.0.0.1:5695" }.'
        )
        return ()
    if not isinstance(value.data, Table):
        found = _endpoint(report, value)
        return () if found is None else (("", *found),)
    ends = []
    for name, entry in value.data.entries.items():
        if name not in members:
            hint = suggestion(name, members, "The members are")
            report.error(entry.place, f'unknown member "{name}" in "listen"', hint)
            continue
        found = _endpoint(report, entry.value)
        if found is not None:
            ends.append((name, *found))
    if not value.data.entries:
        report.error(value.place, '"listen" names no member', "Take [api] away, or say who listens.")
    return tuple(ends)


def _endpoint(report: Report, value: Value) -> tuple[str, int] | None:
    """``ADDRESS:PORT``; an IPv6 address in brackets. The addresses that mean "all" are right here."""
    if not isinstance(value.data, str):
        text = f'"listen" must be an address with a port, not {value.kind}'
        report.error(value.place, text, 'Write it in quotation marks, as in "0.0.0.0:5695".')
        return None
    body, colon, port = value.data.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        text = f'"{value.data}" does not end with a port from 1 to 65535'
        report.error(value.place, text, 'Write address and port, as in "0.0.0.0:5695" or "[::]:5695".')
        return None
    bracketed = body.startswith("[") and body.endswith("]")
    address = body[1:-1] if bracketed else body
    if address in ("0.0.0.0", "::") and bracketed == (address == "::"):
        return address, int(port)
    found = read_host(address)
    if isinstance(found, Wrong):
        report.error(value.place, found.text, found.hint)
        return None
    if bracketed != (found[0].version == 6):
        text = f'"{value.data}" is not an address with a port'
        right = f"[{address}]" if found[0].version == 6 else address
        report.error(value.place, text, f'Write "{right}:{port}".')
        return None
    return (str(found[0]) if found[1] is None else f"{found[0]}%{found[1]}"), int(port)


def parse_tokens(data: bytes, path: str) -> tuple[Token, ...] | Problem:
    """The tokens of a file: on each line a name, ``read`` or ``write``, and the token; ``#`` begins a comment.

    No message shows a token.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return Problem(path, 0, 0, "the token file is not text", "Each line has a name, read or write, and a token.")
    found: list[Token] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        wrong = _wrong_token(words, found)
        if wrong:
            return Problem(path, number, 1, *wrong)
        found.append(Token(words[0], words[2], words[1] == "write"))
    if not found:
        return Problem(
            path, 0, 0, "the token file has no token", "Write a line such as: prometheus read TOKEN. " + _MAKE
        )
    if len(found) > MOST_TOKENS:
        return Problem(path, 0, 0, f"{len(found)} tokens are more than {MOST_TOKENS}", "Take some away.")
    return tuple(found)


def _wrong_token(words: list[str], before: list[Token]) -> tuple[str, str] | None:
    if len(words) != 3:
        return "a line has a name, read or write, and a token", "As in: prometheus read TOKEN. " + _MAKE
    name, right, secret = words
    if not _NAME.fullmatch(name):
        return "the name has characters other than letters, digits, dots, @, - and _, or more than 63", ""
    if right not in RIGHTS:
        return f'the second word is neither "read" nor "write" ({name})', "Who may write may also move, fence and dump."
    if not SHORTEST_TOKEN <= len(secret) <= LONGEST_TOKEN:
        return f"the token of {name} has not {SHORTEST_TOKEN} to {LONGEST_TOKEN} characters", _MAKE
    if not _TOKEN.fullmatch(secret):
        return f"the token of {name} has characters that a header cannot carry", _MAKE
    if len(set(secret)) < 8:
        return f"the token of {name} is easily guessed", _MAKE
    if any(secret == token.secret for token in before):
        return f"the token of {name} is that of another line", "Give each its own: the history names who asked."
    return None


def judge_pair(certificate: bytes, key: bytes) -> float | str:
    """When a certificate (PEM) expires, in seconds since 1970; or what is wrong with it and its key.

    Who trusts it is not judged.
    """
    # Only when somebody judges a file: the pulse reads configurations too, and needs none of this in its locked memory.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        found = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return "the certificate is not in PEM form (-----BEGIN CERTIFICATE-----)"
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        return "the key is protected by a password, which nobody could type when the daemon starts"
    except ValueError:
        return "the key is not in PEM form (-----BEGIN PRIVATE KEY-----)"
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if found.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        return "the key is not that of the certificate"
    return found.not_valid_after_utc.timestamp()
