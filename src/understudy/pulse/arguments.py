"""The flags that a pulse is started with. By hand: argparse would cost a quarter of the pulse's start."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

EXIT_CONFIG = 2
"""Starting again is useless: the configuration or the command line is wrong."""

EXIT_BUSY = 75
"""Another pulse holds the lock of this node."""

_FLAGS = ("--config", "--node", "--runtime-dir", "--state-dir")
_DESCRIPTORS = ("--ready-fd", "--wait-fd", "--keeper-fd")


@dataclass(frozen=True, slots=True)
class Arguments:
    """``ready_fd``: a pipe to write to once the loop runs. ``wait_fd``: one to read from before anything is begun.
    ``keeper_fd``: the socket to the supervisor for the watchdog's descriptor. Or -1.
    """

    config: str
    node: str
    runtime_dir: str
    state_dir: str
    ready_fd: int = -1
    wait_fd: int = -1
    keeper_fd: int = -1

    def in_runtime_dir(self, name: str) -> str:
        return os.path.join(self.runtime_dir, name)

    def unknown_node(self, names: Sequence[str]) -> str:
        return f"{self.config}: there is no node or witness {self.node!r}; known are {', '.join(names)} (see --node)"


def parse(given: Sequence[str], program: str) -> Arguments:
    """Every flag once, each with its value. Ends the process with exit code 2 and a sentence otherwise."""
    values = dict(zip(given[::2], given[1::2], strict=False))
    unknown = [flag for flag in values if flag not in (*_FLAGS, *_DESCRIPTORS)]
    missing = [flag for flag in _FLAGS if not values.get(flag)]
    pipes = [values.get(flag, "-1") for flag in _DESCRIPTORS]
    if unknown or missing or len(given) % 2 or not all(re.fullmatch("-1|[0-9]+", text) for text in pipes):
        print(
            f"usage: python -m {program} {' VALUE '.join(_FLAGS)} VALUE [{' N] ['.join(_DESCRIPTORS)} N]",
            file=sys.stderr,
        )
        raise SystemExit(EXIT_CONFIG)
    config, node, runtime_dir, state_dir = (values[flag] for flag in _FLAGS)
    return Arguments(config, node, runtime_dir, state_dir, *map(int, pipes))
