"""``understudy decode``: recorded packets, in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .decode_packet import Finding, Packet, Reader
    from .decode_sources import Source
    from .render_text import Paint

SCHEMA = 1
"""Version of the ``--json`` form."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--keys",
    multiple=True,
    metavar="KEYFILE",
    type=click.Path(dir_okay=False),
    help="Heartbeat's authkeys, or a cluster.key of ours. May be given again. Goes before the keys in records.",
)
@click.option(
    "--cluster",
    default="",
    metavar="NAME",
    help="The name of our cluster, for its cluster.key. Default: as in cluster.toml beside the key file.",
)
@click.option(
    "--auth-pass",
    "passwords",
    multiple=True,
    metavar="PASSWORD",
    help="A password of virtual routers (auth_pass), for PASS and AH. May be given again.",
)
@click.option("--roundtrip", is_flag=True, help="Encode each message again and compare the bytes.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs: an object for each packet, then a summary."
)
@click.pass_context
def command(
    context: click.Context,
    files: tuple[str, ...],
    keys: tuple[str, ...],
    cluster: str,
    passwords: tuple[str, ...],
    roundtrip: bool,
    as_json: bool,
) -> None:
    """Show recorded packets in words: when, who to whom, what, and whether its signature or checksum holds.

    FILE is a capture (pcap or pcapng, as tcpdump and Wireshark write them), a log of a serial line, or JSON lines with
    payload_b64, text or hex, one recorded packet each; - is standard input. What it is, its first bytes say. It is read as it
    goes, so it may be of any size.

    Three protocols are known: that of Linux-HA Heartbeat 3 (UDP of any port, ICMP echo, serial lines), our own sealed one, and
    VRRP as keepalived and other routers speak it, with ARP and neighbour advertisements. Without --keys Heartbeat's messages are
    shown and their signatures are not checked; of our own only the outside is shown. Adverts of VRRP are shown with the TTL, and
    with the reading of the standard under which their checksum is right. Nothing is sent, and no key or password is printed.

    To record: tcpdump -i any -s 0 -w FILE udp or icmp; for routers: tcpdump -i eth0 -w FILE vrrp or ah or arp or icmp6

    \b
    Exit codes:
      0  all that was checked holds
      1  a packet is broken, its signature does not hold, or it comes back from --roundtrip with other bytes; or a file cannot
         be read to its end
      2  the command line is wrong

    \b
    Examples:
      understudy decode --keys /etc/ha.d/authkeys heartbeat.pcap
      understudy decode --keys /etc/understudy/cluster.key cluster.pcap
      understudy decode --roundtrip --json packets.jsonl | jq 'select(.ok == false)'
      tcpdump -i eth0 -U -w - udp port 694 | understudy decode --keys authkeys -
      understudy decode --auth-pass s3cret vrrp.pcap
    """
    from .decode_keys import read_ring
    from .decode_protocols import PROTOCOLS
    from .decode_sources import Source
    from .render_text import Paint
    from .terminal import wants_colour

    ring = read_ring(keys, cluster, passwords)
    readers = [protocol(ring) for protocol in PROTOCOLS]
    count = Count()
    paint = Paint(wants_colour() and not as_json)
    for path in files:
        decode_file(Source(path), readers, roundtrip, count, None if as_json else paint)
    if as_json:
        _print({"kind": "summary", "schema": SCHEMA, "ok": count.good, **asdict(count)})
    else:
        click.echo(summary_text(count, roundtrip, paint), color=True)
    context.exit(0 if count.good else 1)


@dataclass(slots=True)
class Count:
    """What was found in all files. ``others``: packets of neither protocol; ``noise``: bytes between messages of a serial log."""

    packets: int = 0
    held: int = 0
    wrong: int = 0
    unchecked: int = 0
    same: int = 0
    changed: int = 0
    others: int = 0
    noise: int = 0
    troubles: int = 0

    @property
    def good(self) -> bool:
        return not (self.wrong or self.changed or self.troubles)


def decode_file(source: Source, readers: Sequence[Reader], again: bool, count: Count, paint: Paint | None) -> None:
    before = count.packets
    try:
        for packet in source.packets():
            finding = _judge(packet, readers, again)
            if finding is None:
                count.others += 1
                continue
            _add(count, finding)
            if paint is None:
                _print(_as_json(packet, finding))
            else:
                click.echo(_line(packet, finding, paint), color=True)
    except OSError as error:
        source.trouble = error.strerror or str(error)
    count.others += source.others
    count.noise += source.noise
    if source.noise and count.packets == before and not source.trouble:
        source.trouble = "there is no capture, no JSON lines and no message of a serial line in it"
    if source.trouble:
        count.troubles += 1
        click.echo(f"understudy: {source.name}: {source.trouble}", err=True)


def _judge(packet: Packet, readers: Sequence[Reader], again: bool) -> Finding | None:
    """None when no protocol claims it."""
    from .decode_packet import Finding

    if packet.trouble:
        return Finding("", "", "", packet.trouble, False, "cannot be read")
    reader = next((reader for reader in readers if reader.claims(packet)), None)
    if reader is None:
        return None
    if packet.missing:
        text = f"{packet.missing} bytes of it were not recorded"
        return Finding(reader.name, "", "", text, False, "cut off by the recording; tcpdump takes all with -s 0")
    return reader.judge(packet, again)


def _add(count: Count, finding: Finding) -> None:
    count.packets += 1
    count.held += finding.holds is True
    count.wrong += finding.holds is False
    count.unchecked += finding.holds is None
    count.same += finding.same is True
    count.changed += finding.same is False


def _line(packet: Packet, finding: Finding, paint: Paint) -> str:
    from .decode_packet import printable

    whom = " → ".join(name for name in (finding.sender, finding.receiver) if name)
    path = f" ({packet.source} → {packet.target})" if packet.source and packet.target else ""
    if packet.transport.startswith("icmp"):
        path = f" {packet.transport}{path}"
    colour = {True: "green", False: "red", None: "yellow"}[finding.holds]
    seal = f"WRONG: {finding.seal}" if finding.holds is False else finding.seal
    marks = paint(f"[{printable(seal)}]", colour)
    if finding.same is not None:
        marks += paint(" [same bytes]", "green") if finding.same else paint(" [OTHER BYTES]", "red")
    who = paint(printable(f"{whom}:"), "cyan") + " " if whom else ""
    return f"{_when(packet)} {who}{printable(finding.text)}{paint(printable(path), 'bright_black')} {marks}"


def _when(packet: Packet) -> str:
    """The time of day on this machine's clock, the seconds since the beginning, or the place in the file."""
    from datetime import datetime

    if packet.clock is not None:
        seconds, rest = divmod(packet.clock, 1_000_000_000)
        try:
            return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}.{rest // 1000:06}"
        except (ValueError, OverflowError, OSError):
            return f"{seconds}.{rest:09}"
    return f"{packet.since:12.6f}" if packet.since is not None else packet.place


def _as_json(packet: Packet, finding: Finding) -> dict[str, Any]:
    return {
        "kind": "packet",
        "place": packet.place,
        "clock_ns": packet.clock,
        "since": packet.since,
        "transport": packet.transport,
        "source": packet.source,
        "target": packet.target,
        "protocol": finding.protocol,
        "sender": finding.sender,
        "receiver": finding.receiver,
        "text": finding.text,
        "holds": finding.holds,
        "seal": finding.seal,
        "same": finding.same,
        "ok": finding.good,
        **finding.content,
    }


def _print(value: dict[str, Any]) -> None:
    import json

    # ASCII only: texts that are no UTF-8 hold halves of characters, which nothing else can print.
    click.echo(json.dumps(value))


def summary_text(count: Count, again: bool, paint: Paint) -> str:
    parts = [f"{count.packets} packet{'' if count.packets == 1 else 's'}: {count.held} hold"]
    if count.wrong:
        parts.append(paint(f"{count.wrong} wrong", "red"))
    if count.unchecked:
        parts.append(f"{count.unchecked} not checked")
    if again:
        parts.append(f"{count.same} come back with the same bytes")
    if count.changed:
        parts.append(paint(f"{count.changed} with others", "red"))
    if count.others:
        parts.append(f"{count.others} of other protocols left out")
    if count.noise:
        parts.append(f"{count.noise} bytes between the messages")
    return ", ".join(parts)
