"""The directives of ha.cf that name networks: ucast, mcast and their IPv6 kin."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from ..heartbeat_files import Medium, MediumKind
from .addresses import Wrong, read_device
from .heartbeat_lines import Word
from .report import Report

MOST_HOPS = 4
"""Heartbeat refuses more, although its manual says 255."""


def read_unicast(report: Report, name: Word, values: list[Word], port: int) -> Medium | None:
    """``ucast DEVICE HOST``; None after reporting. The host may be a name."""
    device = _device(report, name, values, 2, "an interface and the address of one peer")
    if device is None:
        return None
    host, address = values[1].text, _address(values[1].text)
    version = 6 if name.text == "ucast6" else 4
    if address is not None and address.version != version:
        other = "ucast" if version == 6 else "ucast6"
        report.error(values[1].place, f'"{name.text}" has the IPv{address.version} address {host}', f'Write "{other}".')
        return None
    if address is None and all(character in "0123456789." for character in host):
        report.error(values[1].place, f'"{host}" is not an IP address', "Each of the four numbers is from 0 to 255.")
        return None
    return Medium(MediumKind(name.text), device, host, port)


def read_multicast(report: Report, name: Word, values: list[Word]) -> Medium | None:
    """``mcast DEVICE GROUP PORT TTL LOOP``, all five; None after reporting."""
    device = _device(report, name, values, 5, "five values: interface, group, port, ttl and loop")
    if device is None:
        return None
    group = _address(values[1].text)
    version = 6 if name.text == "mcast6" else 4
    if group is None or group.version != version or not group.is_multicast:
        hint = "IPv6 groups begin with ff." if version == 6 else "Groups are 224.0.0.0 to 239.255.255.255."
        report.error(values[1].place, f'"{values[1].text}" is not an IPv{version} multicast group', hint)
        return None
    numbers = []
    for value, what, low, high in (
        (values[2], "port", 1, 65535),
        (values[3], "ttl", 0, MOST_HOPS),
        (values[4], "loop", 0, 1),
    ):
        if not (
            value.text.isascii() and value.text.isdigit() and len(value.text) < 6 and low <= int(value.text) <= high
        ):
            hint = f"Write a number from {low} to {high}."
            report.error(value.place, f'the {what} of "{name.text}" is "{value.text}"', hint)
            return None
        numbers.append(int(value.text))
    port, hops, loop = numbers
    return Medium(MediumKind(name.text), device, str(group), port, hops, bool(loop))


def _device(report: Report, name: Word, values: list[Word], many: int, takes: str) -> str | None:
    """The interface, which stands first; None after reporting that, or that there are not as many values."""
    if len(values) != many:
        report.error(values[min(many, len(values) - 1)].place, f'"{name.text}" takes {takes}', _usage(name.text))
        return None
    device = read_device(values[0].text)
    if isinstance(device, Wrong):
        report.error(values[0].place, device.text, device.hint)
        return None
    return device


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _usage(word: str) -> str:
    examples = {
        "ucast": "ucast eth1 192.168.107.102",
        "ucast6": "ucast6 eth1 fd00::2",
        "mcast": "mcast eth1 239.0.0.1 694 1 0",
        "mcast6": "mcast6 eth1 ff02::694 694 1 0",
    }
    return f'Write "{examples[word]}".'
