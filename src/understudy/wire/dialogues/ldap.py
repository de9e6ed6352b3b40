"""LDAP: a simple bind and a base search that must give exactly one entry (RFC 4511). ``to_search``: its DN.

Without a name the bind is anonymous. Asked for is the entry with ``(objectClass=*)`` and none of its attributes (``1.1``), so
that the answer is small. Not handled: StartTLS, SASL; referrals are not followed.
"""

from __future__ import annotations

from ..said import quoted
from .ber import element, elements, whole
from .talk import MOST_SAID, Talk, octets

_INTEGER, _OCTETS, _ENUM, _SEQUENCE = 0x02, 0x04, 0x0A, 0x30
_BOUND, _ENTRY, _DONE, _REFERENCE, _EXTENDED = 0x61, 0x64, 0x65, 0x73, 0x78
_ZERO = element(_INTEGER, b"\0")

RESULTS = {
    1: "operations error",
    2: "protocol error",
    7: "this way to authenticate is not supported",
    8: "stronger authentication is required",
    10: "referral",
    32: "no such object",
    34: "invalid DN",
    48: "inappropriate authentication",
    49: "wrong name or password",
    50: "insufficient access rights",
    51: "busy",
    52: "unavailable",
    53: "unwilling to perform",
}
"""RFC 4511 appendix A, of the results that these requests can have."""


class Ldap(Talk):
    """``base``: the DN whose entry is asked for, "" for the server's own."""

    def __init__(self, base: str, login: str, password: str) -> None:
        super().__init__("its answer to the bind")
        self._base = base
        self._login = login
        self._password = password
        self._bound = False
        self._data = b""
        self.to_search = ()

    def begin(self) -> bytes:
        password = element(0x80, octets(self._password if self._login else ""))
        return _message(1, element(0x60, element(_INTEGER, b"\3") + element(_OCTETS, octets(self._login)) + password))

    def _search(self) -> bytes:
        never_deref = base_only = element(_ENUM, b"\0")
        limits = _ZERO + _ZERO
        values_too = element(0x01, b"\0")
        present = element(0x87, b"objectClass")
        nothing = element(_SEQUENCE, element(_OCTETS, b"1.1"))
        fields = (
            element(_OCTETS, octets(self._base)) + base_only + never_deref + limits + values_too + present + nothing
        )
        return _message(2, element(0x63, fields))

    def _heard(self, data: bytes) -> bytes:
        self._data += data
        at = 0
        said = b""
        while self.verdict is None and (found := whole(self._data, at)) is not None:
            tag, start, end = found
            if tag != _SEQUENCE or end < start:
                return self._bad(f"it does not answer in LDAP: {quoted(self._data[at:])}")
            if end - at > MOST_SAID:
                return self._bad(f"it sends a message of {end - at} bytes, which is more than is read")
            if end > len(self._data):
                break
            said += self._message(list(elements(self._data[start:end])))
            at = end
        self._data = self._data[at:]
        return said

    def _message(self, parts: list[tuple[int, bytes]]) -> bytes:
        if len(parts) < 2 or parts[0][0] != _INTEGER:
            return self._bad("it sends an LDAP message without a number or without content")
        number = int.from_bytes(parts[0][1], "big")
        tag, content = parts[1]
        fields = list(elements(content))
        if tag == _EXTENDED and not number:  # RFC 4511 section 4.4.1
            return self._bad(f"it ends the connection: {_result(fields)[1]}")
        if number != (2 if self._bound else 1):
            return b""
        if tag == _BOUND and not self._bound:
            code, text = _result(fields)
            if code:
                return self._bad(f"it refused the bind: {text}")
            self._bound, self.awaits = True, "its answer to the search"
            return self._search()
        if self._bound:
            return self._found(tag, fields)
        return self._bad(f"it answers the bind with something else (tag {tag})")

    def _found(self, tag: int, fields: list[tuple[int, bytes]]) -> bytes:
        if tag == _ENTRY and fields and fields[0][0] == _OCTETS:
            self.to_search = (*(self.to_search or ()), fields[0][1].decode("utf-8", "replace"))
            return b"" if len(self.to_search) == 1 else self._bad("the search gave more than one entry")
        if tag == _REFERENCE:
            return b""
        if tag != _DONE:
            return self._bad(f"it answers the search with something else (tag {tag})")
        code, text = _result(fields)
        if code:
            return self._bad(f"the search for {quoted(self._base)} failed: {text}")
        if not self.to_search:
            return self._bad(f"the search for {quoted(self._base)} gave no entry")
        return self._good(_message(3, element(0x42, b"")))


def _message(number: int, operation: bytes) -> bytes:
    return element(_SEQUENCE, element(_INTEGER, bytes((number,))) + operation)


def _result(fields: list[tuple[int, bytes]]) -> tuple[int, str]:
    """Code and words of an LDAPResult (RFC 4511 section 4.1.9); -1 where there is none."""
    if len(fields) < 3 or fields[0][0] != _ENUM:
        return -1, "a result that cannot be read"
    code = int.from_bytes(fields[0][1], "big")
    words = RESULTS.get(code, f"result {code}" if code < 1 << 32 else "an unknown result")
    return code, f"{words}, {quoted(fields[2][1])}" if fields[2][1] else words
