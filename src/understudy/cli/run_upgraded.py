"""``understudy run`` of a folder whose pair went over to the native protocol, or was about to: which of the two counts."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import Cluster

SHORTEST, LONGEST = 1.0, 10.0
"""Seconds for which a node listens whether the other one has gone over."""

BEATS = 5


def what_counts(config: str, runtime_dir: str, state_dir: str, me: str, tell: Callable[[str], None]) -> str:
    """The file or folder to start with in the place of ``config``. May listen for some seconds. ``me``: host name or --node."""
    from ..adapters import running, upgrading

    record = upgrading.read_record(state_dir)
    if record is None or record.folder != os.path.abspath(config):
        return config
    if record.state == upgrading.NATIVE:
        tell(
            f"understudy: the pair of {record.folder} has gone over to the native protocol: {record.config} counts "
            "(the way back: understudy upgrade --back)"
        )
        return record.config
    if running.is_in_use(runtime_dir):
        return config
    other = _heard(record.config, me)
    if other is None:
        tell(
            f"understudy: an upgrade was prepared and not done, and the other node is not heard under the native protocol: "
            f"{record.folder} counts"
        )
        return config
    tell(f"understudy: {other} has gone over to the native protocol while this node was away: {record.config} counts")
    try:
        upgrading.write_record(state_dir, replace(record, state=upgrading.NATIVE, at=int(time.time())))
    except OSError as error:
        tell(f"understudy: cannot write the record of it in {state_dir} ({error.strerror}): the next start asks again")
    return record.config


def _heard(config: str, me: str) -> str | None:
    """The other node, if it speaks the native protocol with the key beside ``config``."""
    from ..config.load import load, load_keys
    from ..errors import ConfigError

    try:
        cluster = load(config)
        keys = load_keys(cluster)
    except (ConfigError, OSError):
        return None
    own = next((name for name in cluster.names if name in (me, me.partition(".")[0], me.lower())), None)
    return None if own is None else _listen(cluster, keys, own)


def _listen(cluster: Cluster, keys: tuple[bytes, ...], me: str) -> str | None:
    from ..adapters.udp import UdpLinks, boot_clock
    from ..config.paths import paths
    from ..messages import Heartbeat
    from ..units import SECOND
    from ..wire.native import Envelope, Opener

    opener = Opener(cluster.name, keys, cluster.names)
    try:
        links = UdpLinks(paths(cluster, me), ports={link.address: link.port for link in cluster.member(me).links})
    except OSError:
        return None
    end = time.monotonic() + min(max(SHORTEST, BEATS * cluster.heartbeat / SECOND), LONGEST)
    try:
        while (left := end - time.monotonic()) > 0:
            select.select(links.descriptors, (), (), left)
            for datagram in links.drain(boot_clock())[0]:
                found = opener.open(datagram.data)
                if isinstance(found, Envelope) and found.sender != me and isinstance(found.message, Heartbeat):
                    return found.sender
    finally:
        links.close()
    return None
