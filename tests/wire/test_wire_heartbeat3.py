"""The codec of the old protocol: its signatures, its two framings, what is compressed in it, and what is refused."""

from __future__ import annotations

import bz2
import hashlib
import hmac
import zlib
from dataclasses import replace

import pytest
from heartbeat3_samples import ANY_TEXT, CRC, KEYS, MD5, PLAIN, SHA1, STATUS, messages_of
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import InternalError
from understudy.heartbeat3 import Field, FieldKind, OldMessage, text_fields
from understudy.wire import heartbeat3_net as net
from understudy.wire import heartbeat3_text as text
from understudy.wire.heartbeat3 import (
    LONGEST,
    LONGEST_UNPACKED,
    NO_INDEX,
    Auth,
    Framing,
    Keys,
    Method,
    OldReason,
    Opened,
    Packing,
    Refusal,
    encode,
    inner_signature,
    open_message,
    peek,
    with_inner_signature,
)
from understudy.wire.heartbeat3_keys import crc
from understudy.wire.heartbeat3_pack import packed

AUTHS = (CRC, MD5, SHA1)
by_auth = pytest.mark.parametrize("auth", AUTHS, ids=lambda auth: auth.method)


def opened(data: bytes, keys: Keys = KEYS) -> Opened:
    result = open_message(keys, data)
    assert isinstance(result, Opened), result
    return result


def reason(data: bytes, keys: Keys = KEYS) -> str:
    result = open_message(keys, data)
    assert isinstance(result, Refusal), result
    assert result.detail
    return result.reason


def signed(block: bytes, auth: Auth = SHA1) -> bytes:
    token = auth.token(block)
    return b"%b%d:%b," % (block, len(token), token)


def one(kind: FieldKind, value: object, name: str = "x") -> OldMessage:
    return OldMessage((Field(kind, name, value),))  # type: ignore[arg-type]


# Signatures --------------------------------------------------------------------------------------------------------


def slow_crc(data: bytes) -> int:
    """Bit by bit, as the polynomial says."""
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register >> 31 else 0)) & 0xFFFFFFFF
    return register ^ 0xFFFFFFFF


def test_the_check_values_of_crc() -> None:
    assert crc(b"123456789") == 0x765E7680
    assert crc(b"") == 0xFFFFFFFF


@given(st.binary(max_size=200))
def test_crc_is_that_of_the_polynomial(data: bytes) -> None:
    assert crc(data) == slow_crc(data)


def test_crc_is_written_without_zeros_in_front() -> None:
    short = next(data for data in (b"%d" % number for number in range(100_000)) if crc(data) < 1 << 24)
    assert CRC.token(short) == b"1 %x" % crc(short)
    assert len(CRC.token(short)) < len(b"1 12345678")


@pytest.mark.parametrize(("auth", "name"), [(MD5, "md5"), (SHA1, "sha1")])
@given(data=st.binary(max_size=100))
def test_the_hmacs_are_those_of_another_library(auth: Auth, name: str, data: bytes) -> None:
    expected = hmac.new(auth.secret, data, getattr(hashlib, name)).hexdigest()
    assert auth.token(data) == f"{auth.index} {expected}".encode()


@by_auth
@pytest.mark.parametrize("framing", Framing)
def test_a_packet_is_verified_with_the_key_of_its_own_index(auth: Auth, framing: Framing) -> None:
    """Not with that of the index that we send with, as 3.0.6 does for netstrings."""
    result = opened(encode(STATUS, auth, framing))
    assert (result.index, result.framing) == (auth.index, framing)


def test_an_index_that_authkeys_does_not_have() -> None:
    data = encode(STATUS, Auth(9, Method.SHA1, SHA1.secret))
    assert reason(data) == OldReason.UNKNOWN_KEY
    assert reason(encode(STATUS, Auth(9, Method.CRC), Framing.STRING)) == OldReason.UNKNOWN_KEY


@pytest.mark.parametrize("index", [0, 15])
def test_the_lowest_and_the_highest_index(index: int) -> None:
    auth = Auth(index, Method.MD5, b"key")
    assert opened(encode(STATUS, auth), Keys((auth,), index)).index == index


def test_digits_are_compared_as_text() -> None:
    block = net.render(STATUS)
    digits = SHA1.token(block)[2:]
    for token in (b"3 " + digits.upper(), b"03 " + digits, b"3  " + digits, b"3 0" + digits, b"16 " + digits):
        assert reason(b"%b%d:%b," % (block, len(token), token)) in (OldReason.BAD_SIGNATURE, OldReason.UNSIGNED)
    assert opened(signed(block))


@by_auth
def test_every_byte_under_the_signature_counts(auth: Auth) -> None:
    data = encode(STATUS, auth)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 4
        assert isinstance(open_message(KEYS, bytes(changed)), Refusal), place


def test_the_inner_signature_is_not_looked_at_in_netstring_framing() -> None:
    """3.0.6 checks the one of the framing that came, never both; ``inner_signature`` is for people who look."""
    good = with_inner_signature(STATUS, MD5)
    forged = OldMessage(tuple(replace(f, value="2 00") if f.name == "auth" else f for f in good.fields))
    assert inner_signature(KEYS, opened(encode(good, SHA1)).message) == 2
    result = inner_signature(KEYS, opened(encode(forged, SHA1)).message)
    assert isinstance(result, Refusal)
    assert result.reason == OldReason.BAD_SIGNATURE
    assert inner_signature(KEYS, STATUS) is None


def test_auth_keeps_its_place_and_is_not_signed_itself() -> None:
    first = OldMessage((Field(FieldKind.TEXT, "auth", "1 old"), *STATUS.fields))
    assert with_inner_signature(first, SHA1).fields[1:] == STATUS.fields
    assert (
        opened(encode(first, SHA1, Framing.STRING)).message.get("auth") == SHA1.token(text.signed_text(STATUS)).decode()
    )


def test_keys_do_not_show_in_representations() -> None:
    assert "second" not in repr(MD5)


def test_wrong_keys_are_our_bug() -> None:
    for index, method, secret in (
        (16, Method.CRC, b""),
        (-1, Method.CRC, b""),
        (1, Method.MD5, b""),
        (1, Method.CRC, b"k"),
    ):
        with pytest.raises(InternalError):
            Auth(index, method, secret)
    with pytest.raises(InternalError, match="twice"):
        Keys((CRC, CRC), 1)
    with pytest.raises(InternalError, match="no line"):
        Keys((CRC,), 2)


# Framings ----------------------------------------------------------------------------------------------------------


def test_the_bytes_of_a_netstring_packet() -> None:
    message = OldMessage(
        (*text_fields(t="a\nb"), Field(FieldKind.BINARY, "u", b"\0,%%%\n"), Field(FieldKind.LIST, "l", ("x", "yz")))
    )
    assert net.render(message) == b"###\n8:(0)t=a\nb,11:(1)u=\0,%%%\n,14:(3)l=1:x,2:yz,,%%%\n"
    nested = one(FieldKind.NESTED, text_fields_of(a="1"))
    assert net.render(nested) == b"###\n22:(2)x=###\n6:(0)a=1,%%%\n,%%%\n".replace(
        b"22", b"%d" % len("(2)x=###\n6:(0)a=1,%%%\n")
    )


def text_fields_of(**values: str) -> OldMessage:
    return OldMessage(text_fields(**values))


def test_the_bytes_of_string_framing() -> None:
    deep = one(FieldKind.NESTED, one(FieldKind.NESTED, text_fields_of(a="p\nq")))
    assert text.render(deep) == b">>>\n(2)x=>>>\x14(2)x=>>>\x15a=p\x13q\x15<<<\x15\x14<<<\x14\n<<<\n"
    binary = OldMessage((Field(FieldKind.BINARY, "u", bytes(16)), *text_fields(i="a\nb")))
    assert text.render(binary) == b">>>\n(1)u=AAAAAAAAAAAAAAAAAAAAAA==\ni=a\x13b\n<<<\n"


@by_auth
@given(message=messages_of(ANY_TEXT))
def test_netstring_round_trips(auth: Auth, message: OldMessage) -> None:
    result = opened(encode(message, auth))
    assert result.message == message
    assert encode(result.sent, auth) == encode(message, auth)


@by_auth
@given(message=messages_of(PLAIN))
def test_string_round_trips(auth: Auth, message: OldMessage) -> None:
    data = encode(message, auth, Framing.STRING)
    result = opened(data)
    assert result.message == with_inner_signature(message, auth)
    assert encode(result.message, auth, Framing.STRING) == data


@given(st.sampled_from(Framing), messages_of(PLAIN), st.sampled_from(("zlib", "bz2")), st.booleans())
def test_compressed_round_trips(framing: Framing, message: OldMessage, algorithm: str, inner: bool) -> None:
    data = encode(message, SHA1, framing, inner=inner, packing=Packing(algorithm, 0))
    result = opened(data)
    assert result.packed == algorithm
    assert result.message == (with_inner_signature(message, SHA1) if inner else message)
    assert encode(result.sent, SHA1, framing) == data


def test_a_nul_behind_the_message_is_tolerated() -> None:
    for framing in Framing:
        data = encode(STATUS, SHA1, framing)
        assert opened(data + b"\0").nul
        assert not opened(data).nul
        assert isinstance(open_message(KEYS, data + b"\0\0"), Refusal)


def test_optional_fields_are_optional_and_names_may_come_twice() -> None:
    message = OldMessage((*text_fields(t="x"), *text_fields(t="y")))
    assert opened(encode(message, SHA1)).message.get("t") == "x"
    assert opened(signed(b"###\n%%%\n")).message == OldMessage()


@pytest.mark.parametrize("framing", Framing)
def test_nesting_has_a_bottom(framing: Framing) -> None:
    message = OldMessage()
    for _ in range(16):
        message = one(FieldKind.NESTED, message)
    assert opened(encode(message, SHA1, framing)).message.fields[0] == message.fields[0]
    block = b"###\n%%%\n"
    for _ in range(17):
        item = b"(2)x=" + block
        block = b"###\n%d:%b,%%%%%%\n" % (len(item), item)
    assert reason(signed(block)) == OldReason.MALFORMED
    with pytest.raises(InternalError, match="too deep"):
        encode(one(FieldKind.NESTED, message), SHA1, Framing.STRING)


BROKEN_BLOCKS = [
    b"5:(0)t=",
    b"99999:(0)t=x,",
    b"6:(0)t=x;",
    b"06:(0)t=x,",
    b"-1:(0)t=x,",
    b"6:[0]t=x,",
    b"6:(9)t=x,",
    b"6:(x)t=x,",
    b"5:(0)=x,",
    b"5:(0)tx,",
    b"7:(0)t=x\0,",
    b"0:,",
    b",",
    b"7:(2)t=ab,",
    b"9:(3)l=3:ab,",
    b"10:(3)l=02:ab,",
    b"8:(3)l=0:,,",
    b"6:(0)t=x,x",
]


@pytest.mark.parametrize("inside", BROKEN_BLOCKS)
def test_a_broken_netstring_message_is_refused_though_signed(inside: bytes) -> None:
    assert reason(signed(b"###\n" + inside + b"%%%\n")) == OldReason.MALFORMED


BROKEN_LINES = [
    b"foo",
    b"=x",
    b"(0)t=x",
    b"(9)t=x",
    b"(x)t=x",
    b"(1t=x",
    b"(",
    b"(1)u=A",
    b"(1)u=AA=",
    b"(1)u=QR==",
    b"(1)u=QQ==\x13",
    b"(2)n=x",
    b"(2)n=>>>\x15<<<\x15",
    b"(3)l=1:",
    b"t=\0",
    b"",
]


@pytest.mark.parametrize("line", BROKEN_LINES)
def test_a_broken_line_is_refused(line: bytes) -> None:
    assert reason(b">>>\nt=x\n" + line + b"\n<<<\n") == OldReason.MALFORMED
    assert isinstance(text.read(b">>>\nt=x\n" + line + b"\n<<<\n"), Refusal)
    assert text.read(b">>>\nt=x\n<<<\n") == text_fields_of(t="x")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", OldReason.NOT_OURS),
        (b"USDY" + bytes(60), OldReason.NOT_OURS),
        (b"###\n", OldReason.MALFORMED),
        (b"###\n%%%\n", OldReason.UNSIGNED),
        (b"###\n%%%\n3:1 x", OldReason.UNSIGNED),
        (b"###\n%%%\n4:1 ab,", OldReason.BAD_SIGNATURE),
        (b"###\n%%%\n9:1 ab,", OldReason.UNSIGNED),
        (b">>>\n", OldReason.MALFORMED),
        (b">>><<<\n", OldReason.NOT_OURS),
        (b">>>\n<<<\n", OldReason.UNSIGNED),
        (b">>>\nauth=x\n<<<\n", OldReason.UNSIGNED),
        (b">>>\nauth=1 0\n<<<\nmore", OldReason.MALFORMED),
        (b"###\n" + bytes(LONGEST), OldReason.TOO_LARGE),
    ],
)
def test_what_is_no_packet_has_a_reason(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def test_nothing_is_read_before_it_is_verified() -> None:
    broken = b"###\n8:(9)t=abc,%%%\n"
    assert reason(broken + b"4:1 ab,") == OldReason.BAD_SIGNATURE
    assert reason(signed(broken)) == OldReason.MALFORMED


def test_peek_shows_what_nobody_has_verified() -> None:
    unsigned = net.render(STATUS)
    result = peek(unsigned)
    assert isinstance(result, Opened)
    assert (result.message, result.index) == (STATUS, NO_INDEX)
    forged = peek(unsigned + b"4:7 ab,")
    assert isinstance(forged, Opened)
    assert forged.index == 7
    for data in (unsigned + b"rest", unsigned + b"2:xy,"):
        assert peek(data) is not None
    assert isinstance(peek(unsigned + b"rest"), Refusal)
    assert isinstance(peek(b"nothing"), Refusal)


# Compression -------------------------------------------------------------------------------------------------------


def with_payload(payload: bytes, algorithm: str) -> bytes:
    message = OldMessage(
        (Field(FieldKind.BINARY, "_compressed_payload", payload), *text_fields(_compression_algorithm=algorithm))
    )
    return encode(message, SHA1)


def test_only_what_is_longer_is_compressed() -> None:
    size = len(net.render(STATUS))
    assert opened(encode(STATUS, SHA1, packing=Packing("zlib", size))).packed == ""
    assert opened(encode(STATUS, SHA1, packing=Packing("zlib", size - 1))).packed == "zlib"


@pytest.mark.parametrize("algorithm", ["zlib", "bz2"])
def test_a_decompression_bomb_is_refused(algorithm: str) -> None:
    inside = b"###\n%d:(0)t=%b,%%%%%%\n"
    for size, expected in ((LONGEST_UNPACKED - 100, None), (LONGEST_UNPACKED, "too-large"), (50_000_000, "too-large")):
        whole = inside % (size + 5, b"x" * size)
        payload = packed(whole, algorithm).raw("_compressed_payload")
        assert len(payload) < 60_000
        result = open_message(KEYS, with_payload(payload, algorithm))
        assert (result.reason if isinstance(result, Refusal) else None) == expected


def test_bad_compression_is_malformed() -> None:
    whole = net.render(STATUS)
    good = zlib.compress(whole)
    for payload, algorithm in (
        (good[:-1], "zlib"),
        (good + b"x", "zlib"),
        (b"x", "zlib"),
        (b"x", "bz2"),
        (bz2.compress(whole)[:-1], "bz2"),
        (good, "bz2"),
        (good, "gzip"),
        (good, ""),
        (zlib.compress(b"no message"), "zlib"),
        (zlib.compress(net.render(packed(whole, "zlib"))), "zlib"),
    ):
        assert reason(with_payload(payload, algorithm)) == OldReason.MALFORMED


def test_single_fields_may_be_compressed() -> None:
    inside = text_fields_of(a="1")
    block = zlib.compress(net.render(inside))
    message = OldMessage((Field(FieldKind.COMPRESSED, "c", block), *text_fields(_compression_algorithm="zlib")))
    result = opened(encode(message, SHA1))
    assert result.sent == message
    assert result.message.fields[0] == Field(FieldKind.COMPRESSIBLE, "c", inside)
    assert encode(result.sent, SHA1, result.framing) == encode(message, SHA1)


def test_the_bound_is_for_all_fields_together() -> None:
    size = LONGEST_UNPACKED // 2 + 1
    block = zlib.compress(b"###\n%d:(0)t=%b,%%%%%%\n" % (size + 5, b"x" * size))
    field = Field(FieldKind.COMPRESSED, "c", block)
    rest = text_fields(_compression_algorithm="zlib")
    assert opened(encode(OldMessage((field, *rest)), SHA1))
    assert reason(encode(OldMessage((field, field, *rest)), SHA1)) == OldReason.TOO_LARGE


def test_an_algorithm_that_there_is_not_is_our_bug() -> None:
    with pytest.raises(InternalError, match="zlib or bz2"):
        Packing("gzip")


# Our own mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        one(FieldKind.TEXT, "a\0b"),
        one(FieldKind.TEXT, b"bytes"),
        one(FieldKind.BINARY, "text"),
        one(FieldKind.NESTED, "text"),
        one(FieldKind.LIST, ("a", "")),
        one(FieldKind.TEXT, "x", name=""),
        one(FieldKind.TEXT, "x", name="a=b"),
        one(FieldKind.TEXT, "x" * LONGEST),
    ],
)
@pytest.mark.parametrize("framing", Framing)
def test_a_message_that_cannot_be_read_again_is_our_bug(framing: Framing, message: OldMessage) -> None:
    with pytest.raises(InternalError):
        encode(message, SHA1, framing)


def test_lines_cannot_carry_every_name() -> None:
    for message in (one(FieldKind.TEXT, "x", "(a"), one(FieldKind.TEXT, "x", "a\nb"), one(FieldKind.LIST, ("a\nb",))):
        assert opened(encode(message, SHA1)).message == message
        with pytest.raises(InternalError):
            encode(message, SHA1, Framing.STRING)
        with pytest.raises(InternalError):
            encode(one(FieldKind.NESTED, message), SHA1, Framing.STRING)
