"""The words behind an address in keepalived.conf, as keepalived 2.2.7 was seen to read them."""

from __future__ import annotations

import pytest
from keepalived_helpers import read_text

from understudy.config.keepalived_cluster import router_groups
from understudy.vrrp_files import AddressForm, RouterAddress

HEAD = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {\n192.0.2.1\n}\n"


def _read(line: str) -> tuple[RouterAddress | None, list[str]]:
    """What becomes of a line of virtual_ipaddress_excluded, and what is said about it."""
    reading = read_text(f"{HEAD}virtual_ipaddress_excluded {{\n{line}\n}}\n}}\n")
    assert reading.files is not None
    items = reading.files.routers[0].addresses[1:]
    return items[0] if items else None, [problem.text for problem in reading.problems]


@pytest.mark.parametrize(
    ("line", "prefix", "form"),
    [
        ("192.0.2.9", 32, AddressForm()),
        ("192.0.2.9/24 brd + label eth0:vip scope link", 24, AddressForm("eth0:vip", "link", "+")),
        ("192.0.2.9/24 broadcast 192.0.2.255 scope 200", 24, AddressForm("", "200", "192.0.2.255")),
        ("192.0.2.9 peer 192.0.2.10 noprefixroute", 32, AddressForm(peer="192.0.2.10", options=("noprefixroute",))),
        ("2001:db8::9/64 -nodad home", 64, AddressForm(options=("-nodad", "home"))),
        ("2001:db8::9 preferred_lft forever", 128, AddressForm(options=("preferred_lft", "forever"))),
    ],
)
def test_what_counts(line, prefix, form) -> None:
    item, told = _read(line)
    assert told == []
    assert item is not None
    assert (item.prefix, item.form) == (prefix, form)


@pytest.mark.parametrize(
    ("line", "prefix", "form", "told"),
    [
        ("192.0.2.9/24 scope wide", 24, AddressForm(), 'unknown scope "wide"'),
        ("192.0.2.9/24 scope 300", 24, AddressForm(), 'unknown scope "300"'),
        ("192.0.2.9/31 brd +", 31, AddressForm(), "a prefix length of 31 has no broadcast address"),
        ("192.0.2.9/24 peer 192.0.2.10/24", 24, AddressForm(), 'the peer "192.0.2.10/24" is not an address'),
        ("192.0.2.9/24 peer 192.0.2.10", 32, AddressForm(peer="192.0.2.10"), "with a peer"),
        ("192.0.2.9/24 preferred_lft 0", 24, AddressForm(), "preferred_lft is for IPv6"),
        ("192.0.2.9/24 nodad", 24, AddressForm(), 'unknown word "nodad"'),
        ("192.0.2.9/24 use_vmac", 24, AddressForm(), "use_vmac behind an address has no effect"),
        ("192.0.2.9/24 track_group G", 24, AddressForm(), "track_group is for static addresses"),
        ("2001:db8::9/64 label x", 64, AddressForm(), "IPv6 addresses have no label"),
        ("2001:db8::9/64 scope link", 64, AddressForm(), "IPv6 addresses have no scope"),
        ("2001:db8::9/64 preferred_lft x", 64, AddressForm(options=("preferred_lft", "0")), "0 is taken"),
        ("2001:db8::9/64 preferred_lft -1", 64, AddressForm(), "it does not count"),
    ],
)
def test_what_does_not_count_is_said(line, prefix, form, told) -> None:
    item, said = _read(line)
    assert len(said) == 1
    assert told in said[0]
    assert item is not None
    assert (item.prefix, item.form) == (prefix, form)


@pytest.mark.parametrize("line", ["192.0.2.9/24 brd x", "2001:db8::9/64 brd +", "192.0.2.9/24 label a-label-of-16-xx"])
def test_what_keepalived_leaves_out_is_left_out(line) -> None:
    item, said = _read(line)
    assert item is None
    assert len(said) == 1
    assert "keepalived leaves the address out" in said[0]


def test_the_form_goes_with_the_address_to_the_kernel() -> None:
    files = read_text(f"{HEAD}virtual_ipaddress_excluded {{\n192.0.2.9/24 label eth0:vip\n}}\n}}\n").files
    assert files is not None
    plain, labelled = router_groups(files)[0].addresses
    assert (plain.form, labelled.form) == (AddressForm(), AddressForm("eth0:vip"))
