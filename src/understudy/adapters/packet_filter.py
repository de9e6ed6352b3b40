"""Classic BPF programs that let only neighbour messages about our addresses through to a packet socket.

Without them a busy segment's ARP chatter would wake the real-time process for nothing. The programs are a coarse sieve; the
codec judges what they let through. Encoding: ``linux/filter.h``.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence

_LOAD_WORD, _LOAD_BYTE = 0x20, 0x30
_JUMP, _JUMP_IF_EQUAL = 0x05, 0x15
_RETURN = 0x06
_INSTRUCTION = struct.Struct("=HBBI")
_MOST_INSTRUCTIONS = 4096
_WHOLE_PACKET = 0x40000
_SO_ATTACH_FILTER = 26

_ARP_SENDER, _ARP_TARGET = 28, 38
_IPV6_NEXT_HEADER, _IPV6_SOURCE_END = 20, 34
_ICMPV6_TYPE, _TARGET_END = 54, 74
_SOLICITATION, _ADVERTISEMENT = 135, 136

Program = list[tuple[int, int, int, int]]
"""Instructions: code, jump if true, jump if false, constant."""

_ACCEPT = (_RETURN, 0, 0, _WHOLE_PACKET)
_REJECT = (_RETURN, 0, 0, 0)


def arp_about(addresses: Sequence[bytes]) -> Program:
    """ARP frames from one of ``addresses`` (4 bytes each), and probes for one.

    Clients that ask for one of them, the common case on the holder, stay outside.
    """
    program = [
        *_match_word(_ARP_SENDER, addresses),
        (_JUMP_IF_EQUAL, 1, 0, 0),
        _REJECT,
        *_match_word(_ARP_TARGET, addresses),
        _REJECT,
    ]
    return program if len(program) <= _MOST_INSTRUCTIONS else [_ACCEPT]


def discovery_about(addresses: Sequence[bytes]) -> Program:
    """Advertisements about one of ``addresses`` (16 bytes each), solicitations from one, and probes for one.

    Addresses are told apart by their last four bytes only.
    """
    ends = [address[12:] for address in addresses]
    sources = [*_match_word(_IPV6_SOURCE_END, ends), (_JUMP_IF_EQUAL, 1, 0, 0), _REJECT]
    targets = [*_match_word(_TARGET_END, ends), _REJECT]
    kinds: Program = [
        (_LOAD_BYTE, 0, 0, _IPV6_NEXT_HEADER),
        (_JUMP_IF_EQUAL, 1, 0, socket.IPPROTO_ICMPV6),
        _REJECT,
        (_LOAD_BYTE, 0, 0, _ICMPV6_TYPE),
        (_JUMP_IF_EQUAL, 0, 1, _ADVERTISEMENT),
        (_JUMP, 0, 0, 2 + len(sources)),
        (_JUMP_IF_EQUAL, 1, 0, _SOLICITATION),
        _REJECT,
    ]
    program = [*kinds, *sources, *targets]
    if len(program) <= _MOST_INSTRUCTIONS:
        return program
    return [*kinds[:4], (_JUMP_IF_EQUAL, 2, 0, _ADVERTISEMENT), *kinds[6:], _ACCEPT]


def attach(target: socket.socket, program: Program) -> None:
    """Put ``program`` on a socket, in place of one that is there. Raises OSError when the kernel refuses it."""
    code = b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    pointer = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    target.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)


def _match_word(offset: int, values: Sequence[bytes]) -> Program:
    """Accept when the four bytes at ``offset`` are one of ``values``; otherwise go on behind. Jumps reach 255 at most, so each
    value has its own return."""
    program: Program = [(_LOAD_WORD, 0, 0, offset)]
    for value in sorted(set(values)):
        program.append((_JUMP_IF_EQUAL, 0, 1, int.from_bytes(value, "big")))
        program.append(_ACCEPT)
    return program
