"""``understudy convert``: Heartbeat's files, a keepalived.conf or an ldirectord.cf, as a native configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import config_id_option

if TYPE_CHECKING:
    from ..errors import Problem

_HELP = """\
Print the native form of Heartbeat's configuration, of a keepalived.conf or of an ldirectord.cf.

PATH is a folder with ha.cf, haresources and authkeys, such as /etc/ha.d. What has no equivalent stands in comments at the top
of what is printed; what should be known is told on standard error. Nothing is changed.

Or PATH is a keepalived.conf, or a folder that has one, or an ldirectord.cf. The native form means the same; passwords are in it,
so keep it to root. The names of an ldirectord.cf are looked up, and their addresses written.

On a node of ha.cf this machine is looked at: addresses of its interfaces, /etc/hosts, the scripts and units that haresources
names. What is still not known is asked for: the other machine's address, the interface of a virtual address.

\b
Exit codes:
  0  printed
  1  the files have errors, or something is not known; the text says what
  2  the command line is wrong

\b
Examples:
  understudy convert /etc/ha.d > /etc/understudy/cluster.toml
  understudy convert /etc/keepalived > /etc/understudy/routers.toml
  understudy convert /etc/ha.d/ldirectord.cf > /etc/understudy/services.toml
  understudy convert ha.d --address ha01=10.0.0.1 --address ha02=10.0.0.2 --virtual 192.168.58.100/24/eth0
"""


@click.command(help=_HELP, short_help="Print the native form of other programs' files.")
@click.argument("path", metavar="PATH", type=click.Path())
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="NODE=ADDRESS,...",
    help="The addresses that NODE's heartbeats use; once for each node.",
)
@click.option(
    "--virtual",
    multiple=True,
    metavar="ADDRESS/PREFIX/DEVICE",
    help="Prefix length and interface of a virtual address, as IPaddr takes them. They count for those of haresources.",
)
@click.option("--name", default="", metavar="NAME", help="The cluster's name. Default: ha.cf's, or linux-ha.")
@click.option("--mounts", is_flag=True, help="Mounts of our own kind in place of the agent heartbeat:Filesystem.")
@config_id_option
def command(
    path: str, addresses: tuple[str, ...], virtual: tuple[str, ...], name: str, mounts: bool, config_id: str
) -> None:
    from ..config.load import is_keepalived
    from ..config.load_ldirectord import is_ldirectord

    if is_ldirectord(path):
        if addresses or virtual or name or mounts:
            raise click.UsageError("an ldirectord.cf says all of this itself: no option goes with it")
        _convert_ldirectord(path)
        return
    if is_keepalived(path):
        if addresses or virtual or name or mounts:
            raise click.UsageError("a keepalived.conf says all of this itself: only --config-id goes with it")
        _convert_keepalived(path, config_id)
        return
    from ..config.heartbeat import read_heartbeat
    from ..config.heartbeat_native import Wanted, convert
    from ..config.load import heartbeat_folder
    from ..manager.heartbeat_machine import look
    from .check_heartbeat import is_node

    wanted = Wanted(_addresses(addresses), _name(name))
    _check_virtual(virtual)
    texts, machine = heartbeat_folder(path), look(path)
    own = machine if is_node(read_heartbeat(texts), machine.name) else None
    reading = read_heartbeat(texts, own, own_mounts=mounts, asked=virtual)
    _tell(tuple(problem for problem in reading.problems if _concerns(problem)))
    if reading.files is None:
        raise SystemExit(1)
    used = {item.address for group in reading.files.groups for item in group.group.addresses}
    for text in virtual:
        if _plain(text) not in used:
            raise click.BadParameter(f"haresources has no address {_plain(text)}", param_hint="--virtual")
    made = convert(reading, texts.cf.path, wanted, own)
    _tell(made.problems)
    if made.text is None:
        raise SystemExit(1)
    click.echo(made.text, nl=False)


def _convert_keepalived(path: str, config_id: str) -> None:
    from ..config.keepalived_native import convert
    from ..config.load import examine_keepalived

    made = convert(examine_keepalived(path, config_id), path)
    _tell(made.problems)
    if made.text is None:
        raise SystemExit(1)
    click.echo(made.text, nl=False)


def _convert_ldirectord(path: str) -> None:
    from ..config.ldirectord_native import convert
    from .check_ldirectord import examine

    made = convert(examine(path), path)
    _tell(tuple(problem for problem in made.problems if _concerns(problem)))
    if made.text is None:
        raise SystemExit(1)
    click.echo(made.text, nl=False)


def _concerns(problem: Problem) -> bool:
    """Not what the comments of the native form say as well."""
    return problem.severity == "error" or "has no effect" not in problem.text


def _tell(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        click.echo(str(problem), err=True)


def _addresses(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        node, sign, addresses = text.partition("=")
        if not sign or not node or not addresses:
            raise click.BadParameter(f"{text!r} is not NODE=ADDRESS", param_hint="--address")
        found[node.lower()] = (*found.get(node.lower(), ()), *(item for item in addresses.split(",") if item))
    return found


def _plain(form: str) -> str:
    """The address alone, as it is usually written."""
    from ipaddress import ip_address

    return str(ip_address(form.partition("/")[0]))


def _name(name: str) -> str:
    from ..config.addresses import NAME_RULE, is_name

    if name and not is_name(name):
        raise click.BadParameter(f"{name!r} cannot name a cluster. {NAME_RULE}", param_hint="--name")
    return name


def _check_virtual(virtual: tuple[str, ...]) -> None:
    from ..config.addresses import Wrong
    from ..config.heartbeat_resources import read_form

    for text in virtual:
        form = read_form(text)
        if isinstance(form, Wrong):
            raise click.BadParameter(f"{form.text}. {form.hint}", param_hint="--virtual")
        if form.prefix is None or form.device is None:
            raise click.BadParameter(f"{text!r} is not ADDRESS/PREFIX/DEVICE", param_hint="--virtual")
