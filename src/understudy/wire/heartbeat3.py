"""Packets of Linux-HA Heartbeat 3: bytes to messages and back. docs/heartbeat.md says what was found on its wire.

Two framings with two different signatures, of which the receiver checks the one of the framing that came:

    netstring  all of UDP and ICMP: a block (``heartbeat3_net.py``), then ``<length>:<index> <digits>,`` over the block
    string     serial lines, but accepted over UDP (``heartbeat3_text.py``): a field ``auth`` over the lines of all others

With ``msgfmt classic`` a netstring packet holds the ``auth`` field of the string form as well; nobody checks it there.

Opening works on values from strangers: it never raises, and what they can make it compute is bounded. Netstring packets are
verified before any field is read (3.0.6 reads first, and dies of some packets that nobody signed).
Replays are the state machine's to refuse, by generation and sequence number: nothing here remembers anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from ..errors import check
from ..heartbeat3 import Field, FieldKind, OldMessage
from . import heartbeat3_net as net
from . import heartbeat3_pack as pack
from . import heartbeat3_text as text
from .heartbeat3_keys import LAST_INDEX, Auth, Keys, Method, token_index
from .heartbeat3_pack import Packing
from .heartbeat3_values import AUTH, LONGEST, LONGEST_UNPACKED, Bad, OldReason, Refusal

__all__ = [
    "LAST_INDEX",
    "LONGEST",
    "LONGEST_UNPACKED",
    "NO_INDEX",
    "Auth",
    "Framing",
    "Keys",
    "Method",
    "OldReason",
    "Opened",
    "Packing",
    "Refusal",
    "encode",
    "inner_signature",
    "open_message",
    "peek",
    "with_inner_signature",
]

NO_INDEX = -1
"""``Opened.index`` of a packet that ``peek`` saw, without a signature of the usual form."""

_TOKEN = re.compile(rb"(\d{1,4}):([^,]*),")


class Framing(StrEnum):
    """How a packet was written."""

    NETSTRING = "netstring"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Opened:
    """A packet that was read. ``index``: the line of ``authkeys`` that it is signed with.

    ``sent`` is the message as it came: other than ``message`` only when something in it was compressed; ``packed`` says with what
    when it was the whole. ``nul``: a NUL byte stood behind it, which old senders may put there.
    """

    message: OldMessage
    framing: Framing
    index: int
    sent: OldMessage
    packed: str = ""
    nul: bool = False


def open_message(keys: Keys, data: bytes) -> Opened | Refusal:
    """The message and by which key it was signed, or why not. Never raises, for any bytes."""
    try:
        return _open(keys, data)
    except Bad as bad:
        return bad.refusal


def peek(data: bytes) -> Opened | Refusal:
    """What a packet says, whoever wrote it: for people who look at recordings, never for what acts on it. Never raises."""
    try:
        return _open(None, data)
    except Bad as bad:
        return bad.refusal


def _open(keys: Keys | None, data: bytes) -> Opened:
    if len(data) > LONGEST:
        raise Bad(f"{len(data)} bytes; at most {LONGEST}", OldReason.TOO_LARGE)
    whole = data.removesuffix(b"\0")
    if whole.startswith(net.START):
        framing, (index, sent) = Framing.NETSTRING, _open_netstring(keys, whole)
    elif whole.startswith(text.START):
        framing, (index, sent) = Framing.STRING, _open_string(keys, whole)
    else:
        raise Bad("it begins with neither ### nor >>>", OldReason.NOT_OURS)
    message, algorithm = pack.unpacked(sent)
    return Opened(message, framing, index, sent, algorithm, len(whole) < len(data))


def _open_netstring(keys: Keys | None, whole: bytes) -> tuple[int, OldMessage]:
    # A signature has no % in it, so the last end is the outermost one.
    end = whole.rfind(net.END) + len(net.END)
    if end < len(net.END):
        raise Bad("no %%% at the end")
    block, behind = whole[:end], whole[end:]
    match = _TOKEN.fullmatch(behind)
    token = match[2] if match and match[1] == b"%d" % len(match[2]) else None
    if keys is not None:
        if token is None:
            raise Bad("no signature behind the message", OldReason.UNSIGNED)
        index = keys.verify(token, block)
    else:
        if behind and token is None:
            raise Bad("something behind the message that is no signature")
        index = _claimed(token)
    return index, net.parse(block)


def _open_string(keys: Keys | None, whole: bytes) -> tuple[int, OldMessage]:
    message = text.parse(whole)
    token = text.auth_text(message)
    if keys is not None:
        if token is None:
            raise Bad("no auth field in the message", OldReason.UNSIGNED)
        return keys.verify(token, text.signed_text(message)), message
    return _claimed(token), message


def _claimed(token: bytes | None) -> int:
    try:
        return NO_INDEX if token is None else token_index(token)
    except Bad:
        return NO_INDEX


def inner_signature(keys: Keys, message: OldMessage) -> Refusal | int | None:
    """The index by which the ``auth`` field of a netstring message (``msgfmt classic``) holds, or why not; None without one."""
    token = text.auth_text(message)
    if token is None:
        return None
    try:
        return keys.verify(token, text.signed_text(message))
    except Bad as bad:
        return bad.refusal


def with_inner_signature(message: OldMessage, auth: Auth) -> OldMessage:
    """The message with its ``auth`` field: at the end, or in the place of the first one that it has."""
    signature = Field(FieldKind.TEXT, AUTH, auth.token(text.signed_text(message)).decode())
    fields = list(message.fields)
    for place, field in enumerate(fields):
        if field.name == AUTH:
            fields[place] = signature
            return OldMessage(tuple(fields))
    return OldMessage((*fields, signature))


def encode(
    message: OldMessage,
    auth: Auth,
    framing: Framing = Framing.NETSTRING,
    *,
    inner: bool = False,
    packing: Packing | None = None,
) -> bytes:
    """One packet, or what is written to a serial line. ``inner``: with the ``auth`` field in netstring framing as well
    (``msgfmt classic``); string framing always has one. ``packing``: compress what is longer than it says.

    Raises InternalError for a message that cannot be read again, or of 256 KiB and more; that is our bug.
    """
    sent = message
    if packing is not None:
        sent = _packed(message, auth, inner, packing)
    if framing is Framing.STRING:
        data = text.render(with_inner_signature(sent, auth))
    else:
        block = net.render(with_inner_signature(sent, auth) if inner and sent is message else sent)
        token = auth.token(block)
        data = b"%b%d:%b," % (block, len(token), token)
    check(len(data) < LONGEST, f"a message of the old protocol has {len(data)} bytes; less than {LONGEST} go out")
    return data


def _packed(message: OldMessage, auth: Auth, inner: bool, packing: Packing) -> OldMessage:
    """What stands for a long message: its complete string form with a NUL when there are inner signatures, else its block."""
    whole = text.render(with_inner_signature(message, auth)) + b"\0" if inner else net.render(message)
    return pack.packed(whole, packing.algorithm) if len(whole) > packing.above else message
