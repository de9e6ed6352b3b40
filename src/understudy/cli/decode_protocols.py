"""The protocols that ``understudy decode`` knows, each as one class in the table at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..heartbeat3 import OldMessage
from ..plain import plain
from ..wire import heartbeat3 as old
from ..wire import native
from . import decode_native_words, decode_old_words
from .decode_keys import Ring
from .decode_packet import Finding, Packet, Reader
from .decode_vrrp import Neighbours, Vrrp

OLD_PORT = 694
MOST_OPENERS = 1000
"""Senders of sealed datagrams whose derived keys are kept."""


class Heartbeat3:
    """Linux-HA Heartbeat 3, in both framings, over UDP, ICMP and serial lines."""

    name = "heartbeat3"

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    def claims(self, packet: Packet) -> bool:
        """By its first bytes, or because it goes to Heartbeat's port or comes out of a serial log."""
        return packet.data.startswith((b"###\n", b">>>\n")) or OLD_PORT in packet.ports or packet.transport == "serial"

    def judge(self, packet: Packet, again: bool) -> Finding:
        seen = old.peek(packet.data)
        holds, seal, auth = self._signature(packet)
        if isinstance(seen, old.Refusal):
            return Finding(self.name, "", "", "no message that can be read", False, f"{seen.reason}: {seen.detail}")
        sender, receiver = decode_old_words.who(seen.message)
        text = decode_old_words.words(seen.message)
        if packet.transport == "icmp-echo-reply":
            sender, receiver, text = seen.message.get("src", "?"), "", "ping node answers"
        content = _old_content(seen)
        if packet.data and seen.packed:
            text += f" [{seen.packed}]"
        same = None
        if again and auth is not None:
            same = old.encode(seen.sent, auth, seen.framing) + b"\0" * seen.nul == packet.data
        return Finding(self.name, sender, receiver, text, holds, seal, same, content)

    def _signature(self, packet: Packet) -> tuple[bool | None, str, old.Auth | None]:
        """Whether it holds, that in words, and the line of authkeys that signed it."""
        rings = self._ring.old or ((_recorded(packet),) if packet.key else ())
        if not rings:
            return None, "not checked: no authkeys", None
        result: old.Opened | old.Refusal | None = None
        for keys in rings:
            result = old.open_message(keys, packet.data)
            if isinstance(result, old.Opened):
                auth = keys.get(result.index)
                inner = old.inner_signature(keys, result.message)
                if result.framing is old.Framing.NETSTRING and isinstance(inner, old.Refusal):
                    return False, f"the inner signature does not hold: {inner.detail}", auth
                return True, f"{auth.method if auth else ''} {result.index} holds", auth
        text = f"{result.reason}: {result.detail}" if isinstance(result, old.Refusal) else ""
        return False, text, None


def _recorded(packet: Packet) -> old.Keys:
    key = packet.key or {}
    auth = old.Auth(key["index"], old.Method(key["method"]), key["key"].encode("utf-8", "surrogatepass"))
    return old.Keys((auth,), auth.index)


def _old_content(seen: old.Opened) -> dict[str, Any]:
    index = None if seen.index == old.NO_INDEX else seen.index
    return {"framing": str(seen.framing), "index": index, "packed": seen.packed, "fields": _fields(seen.message)}


def _fields(message: OldMessage) -> list[list[Any]]:
    """[type, name, value], bytes in base64: as the records of recorded packets have them."""
    from base64 import b64encode

    found: list[list[Any]] = []
    for field in message.fields:
        value: Any = field.value
        if isinstance(value, bytes):
            value = b64encode(value).decode()
        elif isinstance(value, OldMessage):
            value = _fields(value)
        found.append([int(field.kind), field.name, value])
    return found


class Native:
    """Our own sealed datagrams. The cluster's name is part of what the keys are derived from."""

    name = "understudy"

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._openers: dict[str, native.Opener] = {}

    def claims(self, packet: Packet) -> bool:
        return packet.data.startswith(b"USDY")

    def judge(self, packet: Packet, again: bool) -> Finding:
        outside = native.outside(packet.data)
        if outside is None:
            return Finding(self.name, "", "", "no datagram that can be read", False, "too short, or cut off")
        content: dict[str, Any] = {"incarnation": outside.incarnation, "counter": outside.counter, "key": outside.key}
        sealed = f"#{outside.counter} sealed"
        if not self._ring.native or not self._ring.cluster:
            lacks = "no cluster.key" if not self._ring.native else "the cluster's name is needed: --cluster NAME"
            return Finding(self.name, outside.sender, "", sealed, None, f"not checked: {lacks}", None, content)
        result = self._opener(outside.sender).open(packet.data)
        if isinstance(result, native.Reject):
            return Finding(
                self.name, outside.sender, "", sealed, False, _why_sealed(result, outside.key), None, content
            )
        content["message"] = plain(result.message)
        receiver = decode_native_words.receiver(result.message)
        text = f"#{outside.counter} {decode_native_words.words(result.message)}"
        same = self._same(packet.data, outside, result) if again else None
        return Finding(self.name, outside.sender, receiver, text, True, f"key {outside.key} holds", same, content)

    def _opener(self, sender: str) -> native.Opener:
        found = self._openers.get(sender)
        if found is None:
            if len(self._openers) >= MOST_OPENERS:
                self._openers.clear()
            found = self._openers[sender] = native.Opener(self._ring.cluster, self._ring.native, (sender,))
        return found

    def _same(self, data: bytes, outside: native.Outside, opened: native.Envelope) -> bool | None:
        """None for what another version wrote: it says more than we have words for."""
        if outside.version != native.VERSION or opened.version != native.VERSION:
            return None
        key = next(key for key in self._ring.native if native.key_name(key) == outside.key)
        sealer = native.Sealer(
            self._ring.cluster, (key,), outside.sender, outside.incarnation, counter=outside.counter - 1
        )
        return sealer.seal(opened.message) == data


def _why_sealed(result: native.Reject, key: str) -> str:
    texts = {
        native.Reason.OTHER_CLUSTER: "other-cluster: sealed for a cluster of another name",
        native.Reason.UNKNOWN_KEY: f"unknown-key: sealed with key {key}, which the key file does not have",
        native.Reason.BAD_SEAL: "bad-seal: it was changed on its way, or another key made the seal",
        native.Reason.UNKNOWN_VERSION: "unknown-version: of a version that this program does not know",
        native.Reason.UNKNOWN_MESSAGE: "unknown-message: of a kind that this version does not know",
    }
    return texts.get(native.Reason(result.reason), result.reason)


PROTOCOLS: tuple[Callable[[Ring], Reader], ...] = (Native, Heartbeat3, Vrrp, Neighbours)
"""Every protocol, in the order in which they are asked whether a packet is theirs."""
