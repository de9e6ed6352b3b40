"""Compressed messages of the old protocol. Both algorithms are understood, whatever we send.

``traditional_compression on``: the whole message, unsigned but for its inner signature, is the value in a message of two
fields. Otherwise a single field may be compressed; no message of the old resource manager has such a field.
What a packet may unfold to is bounded (2 MiB in all): a few kilobytes of zeros would else fill the memory.
"""

from __future__ import annotations

import bz2
import zlib
from dataclasses import dataclass, replace

from ..errors import check
from ..heartbeat3 import Field, FieldKind, OldMessage
from . import heartbeat3_net as net
from . import heartbeat3_text as text
from .heartbeat3_values import LONGEST_UNPACKED, Bad, OldReason

PAYLOAD = "_compressed_payload"
ALGORITHM = "_compression_algorithm"
ALGORITHMS = ("zlib", "bz2")


@dataclass(frozen=True, slots=True)
class Packing:
    """``traditional_compression on``: messages longer than ``above`` bytes are compressed whole (``compression_threshold``,
    there in KiB; 3.0.6 begins at 2). ``algorithm``: zlib or bz2; anything else raises InternalError.
    """

    algorithm: str = "zlib"
    above: int = 2048

    def __post_init__(self) -> None:
        check(self.algorithm in ALGORITHMS, "the old protocol compresses with zlib or bz2")


def packed(whole: bytes, algorithm: str) -> OldMessage:
    """The message of two fields that stands for the encoded message ``whole``."""
    data = bz2.compress(whole, 1) if algorithm == "bz2" else zlib.compress(whole)
    return OldMessage((Field(FieldKind.BINARY, PAYLOAD, data), Field(FieldKind.TEXT, ALGORITHM, algorithm)))


def unpacked(message: OldMessage) -> tuple[OldMessage, str]:
    """The message with all compressed parts unfolded, and how the whole was compressed ("" when it was not). Raises Bad."""
    algorithm = message.get(ALGORITHM)
    payload = message.raw(PAYLOAD)
    if payload:
        whole = _read(_inflate(payload, algorithm, LONGEST_UNPACKED))
        if whole.has(PAYLOAD):
            raise Bad("a compressed message in a compressed message")
        return whole, algorithm
    if all(field.kind is not FieldKind.COMPRESSED for field in message.fields):
        return message, ""
    return _unfolded(message, algorithm), ""


def _unfolded(message: OldMessage, algorithm: str) -> OldMessage:
    room = LONGEST_UNPACKED
    fields = []
    for field in message.fields:
        if field.kind is FieldKind.COMPRESSED and isinstance(field.value, bytes):
            data = _inflate(field.value, algorithm, room)
            room -= len(data)
            fields.append(replace(field, kind=FieldKind.COMPRESSIBLE, value=_read(data)))
        else:
            fields.append(field)
    return OldMessage(tuple(fields))


def _read(data: bytes) -> OldMessage:
    whole = data.removesuffix(b"\0")
    if whole.startswith(text.START):
        return text.parse(whole)
    # A signature behind the block would be one that nobody has checked; the packet's own covers these bytes.
    end = whole.rfind(net.END)
    return net.parse(whole[: end + len(net.END)] if end >= 0 else whole)


def _inflate(data: bytes, algorithm: str, room: int) -> bytes:
    if algorithm not in ALGORITHMS:
        raise Bad(
            f"compressed with {algorithm[:20]!r}; zlib and bz2 are known"
            if algorithm
            else "compressed, without saying how"
        )
    reader = bz2.BZ2Decompressor() if algorithm == "bz2" else zlib.decompressobj()
    try:
        found = reader.decompress(data, room + 1)
    except (zlib.error, OSError, ValueError, EOFError):
        raise Bad(f"{algorithm} that is none") from None
    if len(found) > room:
        raise Bad(f"unpacked it has more than {LONGEST_UNPACKED} bytes", OldReason.TOO_LARGE)
    if not reader.eof or reader.unused_data:
        raise Bad(f"{algorithm} that is cut off, or has something behind it")
    return found
