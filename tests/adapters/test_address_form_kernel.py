"""Each option of an address, on a real interface: what we put there is what Debian's keepalived puts there for the same file."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from netns import Lab, Machine, eventually, inside

from understudy.adapters import netlink
from understudy.adapters.addresses import RTM_DELADDR, AddressBook, prepare_devices
from understudy.config.load import load_keepalived
from understudy.model import AddressResource
from understudy.vrrp_files import AddressForm

pytestmark = pytest.mark.kernel

LINES = """
    virtual_ipaddress {
        192.0.2.9
        192.0.2.10/24
        192.0.2.11/24 brd + label eth0:vip
        192.0.3.12/24 broadcast 192.0.3.77 scope link
        192.0.4.13/25 dev eth1 label nodevice noprefixroute
        10.7.0.1/24 scope 200 brd -
        10.7.1.1/31 brd +
        10.7.2.1/24 home mngtmpaddr
        10.7.3.1/24 scope host
        10.7.4.1/24 scope nowhere
        192.0.5.13 peer 192.0.5.77
    }
    virtual_ipaddress_excluded {
        2001:db8::9/64
        2001:db8::10
        2001:db8::11/64 home noprefixroute
        2001:db8::12/64 mngtmpaddr
        2001:db8::13/64 preferred_lft 0
        2001:db8::14 preferred_lft forever
        2001:db8::15 peer 2001:db8:1::7
        2001:db8::16/64 -nodad
        10.8.0.1/24 dev eth1
    }
"""
FILE = f"""
vrrp_instance V {{
    interface eth0
    virtual_router_id 5
    version 3
    advert_int 0.1
    {LINES}
}}
"""
WRITTEN = re.findall(r"^ +([0-9a-f]+[.:][0-9a-f.:]+)", LINES, re.MULTILINE)
RTMGRP_IPV4_IFADDR = 0x10
WORDS = ("local", "address", "prefixlen", "broadcast", "scope", "label", "valid_life_time", "preferred_life_time")
FLAGS = ("nodad", "home", "mngtmpaddr", "noprefixroute", "deprecated", "secondary")


def _seen(machine: Machine) -> list[dict[str, object]]:
    """Of each address of the file, all that the kernel says but what it counts down."""
    found = []
    for device in json.loads(machine.run("ip -j -d address show")):
        for item in device.get("addr_info", ()):
            words = {word: item.get(word) for word in (*WORDS, *FLAGS)}
            found.append({"device": device["ifname"], **words})
    return sorted((item for item in found if item["local"] in WRITTEN), key=lambda item: str(item["local"]))


def _machine(lab: Lab, name: str = "node") -> Machine:
    machine = lab.machine(name)
    for device in ("eth0", "eth1"):
        machine.run(f"ip link add {device} type veth peer name p{device}")
        machine.run(f"ip link set p{device} up")
        machine.run(f"ip link set {device} up")
    machine.run("ip address add 192.0.2.1/24 dev eth0")
    return machine


@pytest.mark.skipif(shutil.which("keepalived") is None, reason="Debian's keepalived is not installed")
def test_an_address_stands_as_keepalived_puts_it(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text(FILE)
    theirs, ours = _machine(lab, "theirs"), _machine(lab, "ours")
    command = f"mount -t tmpfs x /run; exec keepalived -n -l -P -f {file}"
    enter = ["ip", "netns", "exec", theirs.namespace, "unshare", "-m", "sh", "-c", command]
    program = subprocess.Popen(enter, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: WRITTEN[-1] in theirs.run("ip address show"), "keepalived is master", 60.0)
        wanted = _seen(theirs)
    finally:
        program.terminate()
        program.wait(30)
    addresses = load_keepalived(str(file)).groups[0].addresses
    with inside(ours):
        prepare_devices(addresses)
        book = AddressBook(addresses)
        assert [text for _, text in book.add(addresses) if text is not None] == []
        assert _seen(ours) == wanted
        assert len(wanted) == len(addresses)
        assert set(book.present()) == {item.address for item in addresses}
        assert [text for _, text in book.remove(addresses) if text is not None] == []
        assert _seen(ours) == [], "also the one with a peer, which keepalived leaves there"
        book.close()
    assert "192.0.2.1/24" in ours.run("ip address show dev eth0"), "the machine's own address was not taken along"


def test_another_form_is_another_address(lab: Lab) -> None:
    """A reload takes the former one away and puts the new one there; each message is of its own form."""
    machine = _machine(lab)
    forms = (AddressForm(label=f"eth0:{word}") for word in "ab")
    before, after = ((AddressResource("v", "192.0.2.9", 24, "eth0", form=form),) for form in forms)
    with inside(machine):
        book = AddressBook((*after, *before))
        book.add(before)
        assert "eth0:a" in machine.run("ip address show")
        book.remove(before)
        book.add(after)
        shown = machine.run("ip address show")
        book.close()
    assert "eth0:b" in shown
    assert "eth0:a" not in shown


def test_the_first_of_a_subnet_is_removed_last_and_nothing_is_promoted(lab: Lab) -> None:
    """Each promotion has the kernel judge all the others anew: removing a thousand took seconds."""
    machine = _machine(lab)
    addresses = tuple(AddressResource(f"{n}", f"10.9.0.{n}", 24, "eth0", form=AddressForm()) for n in range(1, 200))
    with inside(machine):
        prepare_devices(addresses)
        book = AddressBook(addresses)
        book.add(addresses)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, netlink.NETLINK_ROUTE) as news:
            netlink.enlarge_receive_buffer(news)
            news.bind((0, RTMGRP_IPV4_IFADDR))
            results = book.remove(addresses)
            told = [item.kind for item in netlink.messages(_all(news))]
        book.close()
    assert results == tuple((item, None) for item in addresses), "told in the order in which they were asked for"
    assert told == [RTM_DELADDR] * len(addresses)


def _all(news: socket.socket) -> bytes:
    found = b""
    while True:
        try:
            found += news.recv(1 << 16)
        except BlockingIOError:
            return found
