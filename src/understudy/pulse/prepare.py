"""``python -m understudy.pulse.prepare``: what must be done with other programs or slow files before a pulse starts.

A process of its own, so that the pulse never forks and the supervisor stays small. Lays out the kernel lease's tables (leases that
run in them go on) and sets what our devices need. Exit codes: 0, 1 something could not be done and the pulse will say what follows
from it, 2 the configuration is refused.
"""

from __future__ import annotations

import sys

from ..adapters import kernel_lease_setup
from ..adapters.addresses import prepare_devices
from ..config.advice import advice
from ..config.load import load
from ..errors import ConfigError
from ..model import Role
from .arguments import EXIT_CONFIG, Arguments, parse


def prepare(arguments: Arguments) -> int:
    """Returns the exit code; says on standard error what is wrong, and how safe the configuration is."""
    try:
        cluster = load(arguments.config)
        member = cluster.member(arguments.node)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    except KeyError:
        print(arguments.unknown_node(cluster.names), file=sys.stderr)
        return EXIT_CONFIG
    for sentence in advice(cluster):
        print(f"<6>understudy: {sentence}", file=sys.stderr)
    addresses = tuple(item for group in cluster.groups for item in group.addresses)
    if member.role is Role.WITNESS or not addresses:
        return 0
    problems = list(prepare_devices(addresses))
    refused = kernel_lease_setup.setup(cluster)
    if refused:
        problems.append(refused)
    for problem in problems:
        print(f"<4>understudy: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(prepare(parse(sys.argv[1:], "understudy.pulse.prepare")))
