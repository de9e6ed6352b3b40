"""BER as LDAP uses it (X.690; RFC 4511 section 5.1): definite lengths, tags of one byte."""

from __future__ import annotations

from collections.abc import Iterator


def element(tag: int, content: bytes) -> bytes:
    """One element with its shortest length."""
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def whole(data: bytes, at: int = 0) -> tuple[int, int, int] | None:
    """Of the element that begins at ``at``: its tag, where its content begins and where it ends, which may be behind the data.

    None: more bytes are needed to know. An element that LDAP does not allow ends at -1: a length that is indefinite or
    has more than four bytes.
    """
    if len(data) < at + 2:
        return None
    tag, size = data[at], data[at + 1]
    if size < 128:
        return tag, at + 2, at + 2 + size
    count = size & 0x7F
    if not 1 <= count <= 4:
        return tag, at + 2, -1
    start = at + 2 + count
    if len(data) < start:
        return None
    return tag, start, start + int.from_bytes(data[at + 2 : start], "big")


def elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that stand one after the other; ends before the first that is not whole."""
    at = 0
    while (found := whole(content, at)) is not None:
        tag, start, end = found
        if not start <= end <= len(content):
            return
        yield tag, content[start:end]
        at = end
