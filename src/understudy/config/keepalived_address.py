"""The lines of ``virtual_ipaddress`` and its like, and of ``unicast_peer``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..vrrp_files import RouterAddress, UnicastPeer
from .addresses import Wrong, read_device
from .heartbeat_lines import Word
from .keepalived_tree import Statement
from .keepalived_values import address_of, family
from .report import Report
from .tree import Place

FLAGS = ("home", "-nodad", "mngtmpaddr", "noprefixroute", "autojoin")
"""Words of ``RouterAddress.options``; ``preferred_lft`` has a second one behind it."""
SCOPES = ("host", "link", "global", "site", "nowhere")
LONGEST_LABEL = 15
LONGEST_WITH_BROADCAST = 30
"""Of a prefix length."""


@dataclass(slots=True)
class AddressDraft:
    """An address and where it stands. ``device``: "" when none is named."""

    place: Place
    address: str
    family: int
    prefix: int
    advertised: bool
    device: str = ""
    words: dict[str, str] = field(default_factory=dict)
    tracked: bool = True
    options: list[str] = field(default_factory=list)
    left_out: bool = False

    def finished(self, device: str) -> RouterAddress:
        words = {name: self.words.get(name, "") for name in ("label", "scope", "broadcast", "peer")}
        return RouterAddress(
            self.address,
            self.prefix,
            self.device or device,
            self.advertised,
            **words,
            tracked=self.tracked,
            options=tuple(self.options),
        )


def good_scope(text: str) -> bool:
    """A name, or a number of one byte."""
    return text in SCOPES or bool(re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) and int(text) <= 255)


def good_lifetime(text: str) -> bool:
    """Seconds in 32 bits, or for ever."""
    return text == "forever" or bool(re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) and int(text) < 2**32 - 1)


def prefix_of(length: str, of: int) -> int | None:
    """A prefix length of that family, None for anything else."""
    good = re.fullmatch(r"[0-9]{1,3}", length, re.ASCII) and int(length) <= (32 if of == 4 else 128)
    return int(length) if good else None


def read_addresses(report: Report, block: Statement) -> list[AddressDraft]:
    """All lines of the block; what is no address is left out with a warning, as there."""
    advertised = block.name == "virtual_ipaddress"
    found = [_address(report, line, advertised) for line in block.block or ()]
    return [draft for draft in found if draft is not None]


def _address(report: Report, line: Statement, advertised: bool) -> AddressDraft | None:
    first = line.words[0]
    if first.text == "dev" and len(line.words) > 2:
        report.warning(first.place, "the address must stand first", "keepalived leaves the line out.")
        return None
    body, slash, length = first.text.partition("/")
    address = address_of(body)
    if address is None or address.is_unspecified or "%" in body:
        report.warning(first.place, f'"{first.text}" is not an IP address; keepalived leaves it out', "")
        return None
    longest = 32 if family(address) == 4 else 128
    prefix = longest
    if slash:
        if re.fullmatch(r"[0-9]{1,3}", length, re.ASCII) and int(length) <= longest:
            prefix = int(length)
        else:
            text = f'"{first.text}": the prefix length must be from 0 to {longest}; {longest} is taken'
            report.warning(first.place, text, "")
    draft = AddressDraft(first.place, str(address), family(address), prefix, advertised)
    _options(report, line, draft)
    if "peer" in draft.words and (slash or "broadcast" in draft.words):
        text = f"with a peer an address has no prefix length and no broadcast address; it is /{longest}"
        report.warning(first.place, text, "")
        draft.prefix = longest
        draft.words.pop("broadcast", "")
    return None if draft.left_out else draft


def _options(report: Report, line: Statement, draft: AddressDraft) -> None:
    words = list(line.words[1:])
    while words:
        word = words.pop(0)
        if word.text in FLAGS:
            draft.options.append(word.text)
        elif word.text == "no_track":
            draft.tracked = False
        elif word.text == "use_vmac":
            text = "use_vmac behind an address has no effect: a virtual MAC is made for a whole instance"
            report.warning(word.place, text, "Write use_vmac into the instance.")
        elif word.text in ("dev", "label", "scope", "brd", "broadcast", "peer", "preferred_lft", "track_group"):
            if not words:
                report.error(word.place, f'"{word.text}" lacks its value', "keepalived does not start with it.")
                return
            _valued(report, word, words.pop(0), draft)
        else:
            text = f'unknown word "{word.text}" behind an address; keepalived ignores it'
            another = address_of(word.text.partition("/")[0]) is not None
            report.warning(word.place, text, "Write each address on a line of its own." if another else "")


def _valued(report: Report, word: Word, value: Word, draft: AddressDraft) -> None:
    name = {"brd": "broadcast"}.get(word.text, word.text)
    if name == "dev":
        device = read_device(value.text)
        if isinstance(device, Wrong):
            report.error(value.place, device.text, device.hint)
        else:
            draft.device = device
    elif name == "track_group":
        report.warning(word.place, "track_group is for static addresses; it does not count", "")
    elif name == "peer":
        _peer(report, value, draft)
    elif name == "broadcast":
        _broadcast(report, value, draft)
    elif name == "label" and len(value.text.encode()) > LONGEST_LABEL:
        text = f'the label "{value.text}" is longer than {LONGEST_LABEL} characters; keepalived leaves the address out'
        _leave_out(report, value, draft, text)
    elif draft.family == 6 and name in ("label", "scope"):
        report.warning(word.place, f"IPv6 addresses have no {name}; it does not count", "")
    elif name == "scope" and not good_scope(value.text):
        report.warning(
            value.place, f'unknown scope "{value.text}"; it does not count', f"It may be {', '.join(SCOPES)}."
        )
    elif name == "preferred_lft":
        _lifetime(report, value, draft)
    else:
        draft.words[name] = value.text


def _leave_out(report: Report, value: Word, draft: AddressDraft, text: str) -> None:
    draft.left_out = True
    report.warning(value.place, text, "")


def _lifetime(report: Report, value: Word, draft: AddressDraft) -> None:
    if draft.family == 4:
        report.warning(value.place, "preferred_lft is for IPv6 addresses; it does not count", "")
    elif good_lifetime(value.text):
        draft.options += ["preferred_lft", value.text]
    else:
        number = re.fullmatch(r"-?[0-9]+", value.text, re.ASCII)
        what = "it does not count" if number else "0 is taken: the address is no source of connections"
        report.warning(value.place, f'preferred_lft "{value.text}" is no number of seconds; {what}', "")
        draft.options += [] if number else ["preferred_lft", "0"]


def _broadcast(report: Report, value: Word, draft: AddressDraft) -> None:
    """keepalived leaves the address out where it is of no use; with a prefix length that leaves no room, the broadcast."""
    given = address_of(value.text)
    if draft.family == 6 or (value.text not in ("+", "-") and (given is None or family(given) != 4)):
        text = f'"{value.text}" is no broadcast address of {draft.address}; keepalived leaves the address out'
        _leave_out(report, value, draft, text)
    elif value.text in ("+", "-") and draft.prefix > LONGEST_WITH_BROADCAST:
        text = f"a prefix length of {draft.prefix} has no broadcast address; it does not count"
        report.warning(value.place, text, "")
    else:
        draft.words["broadcast"] = value.text if given is None else str(given)


def _peer(report: Report, value: Word, draft: AddressDraft) -> None:
    address = address_of(value.text)
    if address is None or family(address) != draft.family:
        text = f'the peer "{value.text}" is not an address of this family; it does not count'
        report.warning(value.place, text, "It has no prefix length." if "/" in value.text else "")
        return
    draft.words["peer"] = str(address)


def read_peers(report: Report, block: Statement, of: int | None) -> tuple[list[tuple[UnicastPeer, Place]], bool]:
    """The lines of ``unicast_peer``, and whether any limits the TTL (then senders are checked)."""
    found: list[tuple[UnicastPeer, Place]] = []
    checked = False
    for line in block.block or ():
        first, *rest = line.words
        address = address_of(first.text)
        if address is None:
            text = f'the unicast peer "{first.text}" is not an IP address; keepalived leaves it out'
            report.warning(first.place, text, "Names are not looked up.")
            continue
        if of is not None and family(address) != of:
            text = f"the unicast peer {first.text} is of the other family; keepalived leaves it out"
            report.warning(first.place, text, "")
            continue
        limits = {"min_ttl": 0, "max_ttl": 255}
        while rest:
            word = rest.pop(0)
            value = rest.pop(0) if rest else None
            good = value is not None and re.fullmatch(r"[0-9]{1,3}", value.text, re.ASCII) and int(value.text) <= 255
            if word.text in limits and value is not None and good:
                limits[word.text] = int(value.text)
                checked = True
            else:
                text = f'"{word.text}" behind a unicast peer is not min_ttl or max_ttl with a number; keepalived ignores it'
                hint = "Write each peer on a line of its own." if address_of(word.text) is not None else ""
                report.warning(word.place, text, hint)
                break
        if any(peer.address == str(address) for peer, _ in found):
            report.warning(first.place, f"the unicast peer {address} is named twice", "Keep one of them.")
            continue
        found.append((UnicastPeer(str(address), limits["min_ttl"], limits["max_ttl"]), first.place))
    return found, checked
