"""The questions of ``understudy init``, asked of a person, or answered by flags and by what this machine looks like.

One list of questions for both. Each has an answer from a flag, or a proposal, or neither. At a terminal whatever has no flag is
asked; without one, proposals count only after ``--yes``, and all that is missing is named at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol

import click

from ..config.addresses import NAME_RULE, Wrong, is_name, read_device, read_host, read_virtual
from ..config.draft import Draft, DraftMember
from ..errors import UsageError
from ..model import Role
from ..units import parse_duration
from .this_machine import ThisMachine

Check = Callable[[str], str]
"""Gives the answer as it is kept, or raises ValueError with what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line has said; empty where it has not."""

    cluster: str = ""
    nodes: tuple[str, ...] = ()
    witness: str = ""
    pair: bool = False
    dead_time: str = ""
    group: str = ""
    addresses: tuple[str, ...] = ()
    device: str = ""
    program: str | None = None
    ping: tuple[str, ...] = ()


class Voice(Protocol):
    """Who answers what no flag has answered."""

    def ask(self, question: str, flag: str, proposal: str, check: Check) -> str: ...

    def say(self, text: str) -> None: ...


class Person:
    """Somebody at the terminal; a bad answer is explained and asked again."""

    def ask(self, question: str, flag: str, proposal: str, check: Check) -> str:
        def judge(text: str) -> str:
            try:
                return check(text.strip())
            except ValueError as error:
                raise click.UsageError(str(error)) from None

        # Click shows an empty proposal as "[]": none is shown then, and Enter still means "nothing".
        answer = click.prompt(question, default=proposal, show_default=bool(proposal), value_proc=judge)
        return str(answer)

    def say(self, text: str) -> None:
        click.echo(text)


@dataclass(slots=True)
class Nobody:
    """No terminal: proposals count when ``agreed`` (``--yes``), and the flags of the other questions are collected."""

    agreed: bool
    missing: dict[str, list[str]] = field(default_factory=dict)
    """Questions without an answer, by the flag that would answer them."""

    def ask(self, question: str, flag: str, proposal: str, check: Check) -> str:
        if self.agreed:
            try:
                return check(proposal)
            except ValueError:
                pass
        self.missing.setdefault(flag, []).append(question + (f" ({proposal}?)" if proposal and not self.agreed else ""))
        return ""

    def say(self, text: str) -> None:
        pass


def interview(flags: Flags, machine: ThisMachine, voice: Voice) -> Draft:
    """All answers. Raises UsageError for a flag that is wrong in itself; answers that ``Nobody`` could not give are empty."""
    name = _answer(voice, flags.cluster, "Name of the cluster", "--cluster", "site", _name)
    members, alone = _members(flags, machine, voice)
    taken = [member.name for member in members]
    group = _answer(voice, flags.group, "Name of the service (a group)", "--group", "web", _new_name(taken))
    question = "Its virtual address, which clients use (with the prefix length of its network)"
    if flags.addresses:
        addresses = tuple(_flag("--address", address, _virtual(machine)) for address in flags.addresses)
    else:
        text = voice.ask(question, "--address ADDRESS/LENGTH", "", _virtual(machine))
        addresses = tuple(text.split(",")) if text else ()
    device = _device(flags, machine, voice, addresses)
    program = flags.program
    if program is None:
        program = voice.ask(
            "A program to run where the address is (a command line; empty for none)", "--program", "", _line
        )
    ping: tuple[str, ...] = ()
    if alone:
        ping = _ping(flags, machine, voice)
    elif flags.ping:
        raise UsageError(
            "--ping is for a pair only", "add --pair; with three machines the votes decide who may run groups"
        )
    dead_time = _answer(voice, flags.dead_time, "How long may an outage be (the dead time)", "--dead-time", "1s", _span)
    return Draft(name, "", members, dead_time, group, addresses, device, program, ping)


def _answer(voice: Voice, given: str, question: str, flag: str, proposal: str, check: Check) -> str:
    return _flag(flag, given, check) if given else voice.ask(question, flag, proposal, check)


def _flag(flag: str, value: str, check: Check) -> str:
    try:
        return check(value)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None


# -- machines -----------------------------------------------------------------------------------------------------------


def _members(flags: Flags, machine: ThisMachine, voice: Voice) -> tuple[tuple[DraftMember, ...], bool]:
    """All machines, this one first unless the flags put it elsewhere; and whether two nodes shall do without a third voice."""
    given = [_given(text, Role.NODE, machine, voice) for text in flags.nodes]
    witness = [_given(flags.witness, Role.WITNESS, machine, voice)] if flags.witness else []
    names = [member.name for member in (*given, *witness)]
    _refuse_twins(names)
    if machine.name not in names and len(names) < (2 if flags.pair else 3):
        given.insert(0, _this_one(machine, voice, names))
        names.append(given[0].name)
    while len(given) < 2:
        member = _another(voice, "The other machine", "--node NAME=ADDRESS[,ADDRESS]", Role.NODE, names)
        given.append(member)
        names.append(member.name)
    if flags.pair and (len(given) != 2 or witness):
        raise UsageError("--pair is for two nodes and no witness", "take --pair away, or the third machine")
    if flags.pair or len(given) + len(witness) > 2:
        return (*given, *witness), flags.pair
    third = _third(voice, names)
    if third is None:
        return tuple(given), False
    return (*given, *third), not third


def _refuse_twins(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"the machine {name} is given twice", "each --node and --witness names another machine")


def _given(text: str, role: Role, machine: ThisMachine, voice: Voice) -> DraftMember:
    """``NAME=ADDRESS,ADDRESS`` from a flag; the addresses may be left out for this machine."""
    flag = "--witness" if role is Role.WITNESS else "--node"
    name, equals, addresses = text.partition("=")
    name = _flag(flag, name.strip(), _name)
    if equals:
        return DraftMember(name, role, _split(_flag(f"{flag} {name}", addresses, _hosts)))
    if name == machine.name:
        return DraftMember(name, role, _own_addresses(machine, voice, f"{flag} {name}=ADDRESS[,ADDRESS]"))
    raise UsageError(f"{flag} {name}: its addresses are missing", f"write {flag} {name}=ADDRESS[,ADDRESS]")


def _this_one(machine: ThisMachine, voice: Voice, taken: Sequence[str]) -> DraftMember:
    if not machine.name:
        voice.say(f"This machine is called {machine.host!r}, which cannot name a member of the cluster.")
    flag = "--node NAME=ADDRESS[,ADDRESS]"
    name = voice.ask("Name of this machine", flag, machine.name, _new_name(taken))
    return DraftMember(name, Role.NODE, _own_addresses(machine, voice, flag))


def _own_addresses(machine: ThisMachine, voice: Voice, flag: str) -> tuple[str, ...]:
    found = ",".join(interface.address for interface in machine.interfaces)
    question = "Its addresses for heartbeats, one for each network"
    return _split(voice.ask(question, flag, found, _hosts))


def _another(voice: Voice, which: str, flag: str, role: Role, taken: Sequence[str]) -> DraftMember:
    name = voice.ask(f"{which}: its host name", flag, "", _new_name(taken))
    question = f"Addresses of {name}, one for each network" if name else f"{which}: its addresses"
    return DraftMember(name, role, _split(voice.ask(question, flag, "", _hosts)))


def _third(voice: Voice, names: list[str]) -> tuple[DraftMember, ...] | None:
    """The third machine, () when there shall be none, None when nobody says. With a third voice no fault of the network
    makes two owners; so doing without must be said in so many words."""
    voice.say("With a third machine it is safe whatever fails. A witness only votes: one small process anywhere.")
    flag = "--witness NAME=ADDRESS[,ADDRESS], or a third --node, or --pair for two machines alone"
    kind = voice.ask("Third machine: witness, node or none", flag, "", _third_kind)
    if kind == "none":
        return ()
    role = Role.NODE if kind == "node" else Role.WITNESS
    return (_another(voice, f"The {kind}", flag, role, names),) if kind else None


def _third_kind(text: str) -> str:
    for word in ("witness", "node", "none"):
        if text and word.startswith(text.lower()) and (len(text) > 1 or word[0] == "w"):
            return word
    raise ValueError("answer witness, node or none.")


# -- the group and its surroundings -------------------------------------------------------------------------------------


def _device(flags: Flags, machine: ThisMachine, voice: Voice, addresses: Sequence[str]) -> str:
    near = machine.interface_for(addresses[0]) if addresses else None
    proposal = near.device if near else ""
    question = "The network interface that shall carry it, the same on every node"
    return _answer(voice, flags.device, question, "--device", proposal, _interface)


def _ping(flags: Flags, machine: ThisMachine, voice: Voice) -> tuple[str, ...]:
    if flags.ping:
        return tuple(_flag("--ping", address, _hosts) for address in flags.ping)
    question = "Addresses outside the cluster that answer pings, such as the router (empty for none)"
    return _split(voice.ask(question, "--ping", ",".join(machine.routers), lambda text: _hosts(text) if text else ""))


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


# -- what is a good answer ----------------------------------------------------------------------------------------------


def _name(text: str) -> str:
    if not is_name(text):
        raise ValueError(f"{text!r} is no name. {NAME_RULE}")
    return text


def _new_name(taken: Sequence[str]) -> Check:
    def check(text: str) -> str:
        if _name(text) in taken:
            raise ValueError(f"{text} names a machine already; choose another name.")
        return text

    return check


def _hosts(text: str) -> str:
    """Addresses with commas or blanks between them, kept with commas."""
    found = text.replace(",", " ").split()
    if not found:
        raise ValueError("at least one address is needed.")
    for item in found:
        host = read_host(item)
        if isinstance(host, Wrong):
            raise ValueError(f"{host.text}. {host.hint}")
    return ",".join(found)


def _virtual(machine: ThisMachine) -> Check:
    """Virtual addresses; a missing prefix length is taken from this machine's interface on that network."""

    def check(text: str) -> str:
        found = []
        for item in text.replace(",", " ").split():
            near = machine.interface_for(item)
            whole = f"{item}/{near.prefix}" if "/" not in item and near is not None else item
            virtual = read_virtual(whole)
            if isinstance(virtual, Wrong):
                raise ValueError(f"{virtual.text}. {virtual.hint}")
            if any(interface.address == str(virtual[0]) for interface in machine.interfaces):
                raise ValueError(
                    f"{virtual[0]} is this machine's own address; a virtual address is one that no machine has."
                )
            found.append(f"{ip_address(item.partition('/')[0])}/{virtual[1]}")
        if not found:
            raise ValueError("an address is needed, as in 192.168.58.100/24.")
        return ",".join(found)

    return check


def _interface(text: str) -> str:
    device = read_device(text)
    if isinstance(device, Wrong):
        raise ValueError(f"{device.text}. {device.hint}")
    return device


def _line(text: str) -> str:
    if any(not character.isprintable() for character in text):
        raise ValueError("a command line has no control characters.")
    return text


def _span(text: str) -> str:
    parse_duration(text)
    return text
