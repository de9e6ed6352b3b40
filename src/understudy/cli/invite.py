"""``understudy invite``: hand configuration and key to the other machines, for one-time codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import complete_member
from .where import CONFIGURATION

if TYPE_CHECKING:
    import socket

    from ..model import Cluster
    from .invitation import Invitation

PORT = 5694
SHORTEST, LONGEST = 1, 24 * 3600
"""Seconds that an invitation may last."""


@click.command()
@click.argument("names", metavar="[MEMBER]...", nargs=-1, shell_complete=complete_member)
@click.option(
    "--config",
    default=CONFIGURATION,
    show_default=True,
    metavar="FILE",
    type=click.Path(),
    help="The configuration to hand over.",
)
@click.option(
    "--listen", multiple=True, metavar="ADDRESS", help="Listen here only.  [default: this member's link addresses]"
)
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="TCP port to listen at.")
@click.option(
    "--for", "life", default="15m", show_default=True, metavar="TIME", help="How long the codes work: 1s to 24h."
)
@click.pass_context
def command(
    context: click.Context, names: tuple[str, ...], config: str, listen: tuple[str, ...], port: int, life: str
) -> None:
    """Hand this machine's configuration and key to other machines.

    Prints for each MEMBER (all others of the configuration, if none is named) the line to type there: `understudy join` with a
    code. Waits until all have joined, then ends. A code works for one member, once, and for a limited time; three wrong ones
    end the invitation. What is handed over is encrypted, and the code itself tells the joining machine that it speaks with this
    one and nobody between.

    Run it as root: the key file belongs to root alone. It needs a TCP port that the other machines can reach.

    \b
    Exit codes:
      0  all have joined
      1  the configuration or the key is not good, the port cannot be used, or codes were wrong too often
      2  the command line is wrong
      5  not all have joined in time

    \b
    Files:
      /etc/understudy/cluster.toml  the configuration that is handed over
      /etc/understudy/cluster.key   the key beside it

    \b
    Examples:
      understudy invite
      understudy invite ha03 --for 1h
    """
    import secrets
    import time

    from ..config.load import load
    from .check_here import own_name
    from .handover import Inviter, make_certificate
    from .invitation import SECRET_BITS, Code, Invitation, fingerprint, format_code

    seconds = _life(life)
    cluster = load(config)
    me = own_name(cluster)
    guests = _guests(cluster, names, me)
    sockets = _listen(listen or _own_addresses(cluster, me), port)
    certificate, der = make_certificate()
    codes = {guest: Code(fingerprint(der), secrets.randbits(SECRET_BITS)) for guest in guests}
    invitation = Invitation({guest: code.secret for guest, code in codes.items()}, time.monotonic() + seconds)
    width = max(len(guest) for guest in guests)
    for guest, code in codes.items():
        place = listen[0] if listen else _shared_address(cluster, me, guest)
        flag = "" if port == PORT else f" --port {port}"
        click.echo(
            f"Type on {guest}:{' ' * (width - len(guest))}  understudy join {place}{flag} --code {format_code(code)}"
        )
    click.echo(f"Each code works once, for {life}. Waiting; Ctrl-C ends the invitation.")
    files = _files(cluster)
    Inviter(invitation, certificate, files, lambda text: click.echo(text)).serve(sockets)
    context.exit(_conclude(invitation, guests))


def _conclude(invitation: Invitation, guests: tuple[str, ...]) -> int:
    """Say how it ended; the exit code."""
    left = [guest for guest in guests if guest not in invitation.used]
    if not left:
        click.echo("All have joined. Next, on every machine: systemctl enable --now understudy")
        return 0
    reason = "codes were wrong too often" if invitation.closed else "the time has passed"
    click.echo(f"The invitation is over: {reason}. Not joined: {', '.join(left)}.", err=True)
    return 1 if invitation.closed else 5


def _life(text: str) -> float:
    from ..units import SECOND, parse_duration

    try:
        seconds = parse_duration(text) / SECOND
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None
    if not SHORTEST <= seconds <= LONGEST:
        raise click.BadParameter(f"{text} is not between 1s and 24h.", param_hint="--for")
    return seconds


def _guests(cluster: Cluster, names: tuple[str, ...], me: str | None) -> tuple[str, ...]:
    for name in names:
        if name not in cluster.names:
            raise click.UsageError(f"there is no node or witness {name!r}; known are {', '.join(cluster.names)}.")
    return tuple(dict.fromkeys(names)) or tuple(name for name in cluster.names if name != me)


def _own_addresses(cluster: Cluster, me: str | None) -> tuple[str, ...]:
    """Where the members hear this machine; all addresses when it is none of them."""
    if me is None:
        return ("0.0.0.0",)
    return tuple(_written(link.address, link.device) for link in cluster.member(me).links)


def _shared_address(cluster: Cluster, me: str | None, guest: str) -> str:
    if me is None:
        return "ADDRESS-OF-THIS-MACHINE"
    networks = {link.network for link in cluster.member(guest).links}
    own = cluster.member(me).links
    link = next((link for link in own if link.network in networks), own[0])
    return _written(link.address, link.device)


def _written(address: str, device: str | None) -> str:
    return f"{address}%{device}" if device and address.lower().startswith("fe80:") else address


def _listen(addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """A listening socket at each address that can be used; at least one, or the command ends with 1."""
    import socket

    found, reasons = [], []
    for address in dict.fromkeys(addresses):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            place = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0][4]
            found.append(socket.create_server(place, family=family, backlog=16))
        except OSError as error:
            reasons.append(f"{address} port {port}: {error.strerror or error}")
    for reason in reasons:
        click.echo(f"understudy: cannot listen at {reason}", err=True)
    if not found:
        raise click.ClickException("there is no address to listen at; choose with --listen and --port.")
    return found


def _files(cluster: Cluster) -> dict[str, object]:
    """What a member gets: both files as they are here."""
    import os
    import stat

    from ..config.load import key_path, read_key_text
    from ..errors import ConfigError, Problem

    key = read_key_text(key_path(cluster))
    if isinstance(key, Problem):
        raise ConfigError([key])
    with open(cluster.source, encoding="utf-8") as file:
        text = file.read()
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    return {"config": text, "key": key.decode("ascii"), "mode": mode & 0o644}
