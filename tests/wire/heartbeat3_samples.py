"""Recorded packets of the old protocol, keys for them, and messages drawn at random."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from understudy.heartbeat3 import Field, FieldKind, OldMessage, text_fields
from understudy.wire.heartbeat3 import Auth, Keys, Method

HERE = Path(__file__).parent / "heartbeat3"

CRC = Auth(1, Method.CRC)
MD5 = Auth(2, Method.MD5, b"second-md5-key")
SHA1 = Auth(3, Method.SHA1, b"third-key-which-is-longer-than-the-sixty-four-byte-block-of-the-hash-function-0123456789")
KEYS = Keys((CRC, MD5, SHA1), 3)

STATUS = OldMessage(
    (
        *text_fields(t="status", st="active", dt="bb8", protocol="1", src="node-a"),
        Field(FieldKind.BINARY, "srcuuid", bytes(range(16))),
        *text_fields(seq="1f", hg="6b00bba8", ts="6b00bba9", ld="0.00 0.01 0.05 1/140 27", ttl="3"),
    )
)


@dataclass(frozen=True)
class Record:
    """One packet as it was recorded."""

    place: str
    data: bytes
    auth: Auth
    told: dict[str, Any]

    @property
    def keys(self) -> Keys:
        return Keys((self.auth,), self.auth.index)

    @property
    def verdict(self) -> str:
        """What the real program said to a packet made by hand; "" for those that it sent itself."""
        return str(self.told.get("verdict_of_heartbeat_3_0_6", ""))

    @property
    def was_verified(self) -> bool:
        """Whether its signature held for the real program (it refused some of those for other reasons)."""
        return not self.verdict or not ("another key" in self.verdict or "malformed" in self.verdict)


def folders() -> list[Path]:
    """The thinned set of this repository, and the whole one where it is."""
    shared = os.environ.get("UNDERSTUDY_SHARED")
    found = [HERE]
    if shared:
        inside = Path(shared) / "reference" / "heartbeat-vectors"
        found.append(inside if inside.is_dir() else Path(shared))
    return found


def records(path: Path) -> Iterator[Record]:
    for line in path.read_text("utf-8").splitlines():
        told = json.loads(line)
        data = b64decode(told["payload_b64"]) if "payload_b64" in told else told["text"].encode()
        key = told.get("outer_key") or told["key"]
        auth = Auth(key["index"], Method(key["method"]), key["key"].encode())
        yield Record(f"{path.name}:{told['n']}", data, auth, told)


def recordings() -> list[Path]:
    return [path for folder in folders() for path in sorted(folder.glob("*.jsonl"))]


def as_triples(message: OldMessage) -> list[list[object]]:
    """As the records have their fields."""
    found: list[list[object]] = []
    for field in message.fields:
        value = b64encode(field.value).decode() if isinstance(field.value, bytes) else field.value
        found.append([int(field.kind), field.name, value])
    return found


NAMES = st.text(st.characters(codec="ascii", min_codepoint=32, exclude_characters="=("), min_size=1, max_size=12)
PLAIN = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs",)), max_size=40)
"""Without control characters, some of which the string form uses itself."""
ANY_TEXT = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape"))


def _fields(texts: st.SearchStrategy[str], inner: st.SearchStrategy[OldMessage]) -> st.SearchStrategy[Field]:
    filled = texts.filter(bool)
    return st.one_of(
        st.builds(Field, st.just(FieldKind.TEXT), NAMES, texts),
        st.builds(Field, st.just(FieldKind.BINARY), NAMES, st.binary(max_size=40)),
        st.builds(Field, st.just(FieldKind.LIST), NAMES, st.lists(filled, max_size=4).map(tuple)),
        st.builds(Field, st.sampled_from((FieldKind.NESTED, FieldKind.COMPRESSIBLE)), NAMES, inner),
    )


def messages_of(texts: st.SearchStrategy[str]) -> st.SearchStrategy[OldMessage]:
    leaf = st.just(OldMessage())
    return st.recursive(
        leaf, lambda inner: st.builds(OldMessage, st.lists(_fields(texts, inner), max_size=5).map(tuple)), max_leaves=12
    )
