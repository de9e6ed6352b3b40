"""``stonith`` and ``stonith_host`` of ha.cf as fence devices of our own: types of cluster-glue's program ``stonith``.

``stonith_host HOST`` is the device that HOST uses, against the others; ``*`` is that of all nodes. The parameters are values in
the order in which ``stonith -t TYPE -n`` names them; those of ``stonith TYPE FILE`` are in the first line of the file that is no
comment (stonith(8)).
"""

from __future__ import annotations

from dataclasses import replace

from ..fence_devices import FenceDevice, FenceKind
from ..heartbeat_files import HeartbeatFiles
from .fences import REFUSED_TYPES

NO_DEVICE = {
    "null": "it says that it has reset a machine and does nothing: for tests",
    "suicide": "it ends only the machine that it runs on",
}
"""Types that end no other machine. They count as no device: then the service network is asked before anything is taken."""

DOUBTED = "it asks the machine itself, and says that it did when it does not reach it: so the service network is asked as well"
"""Of a type that ``proves`` nothing."""


def devices(files: HeartbeatFiles) -> tuple[FenceDevice, ...]:
    """What ends which node while the old protocol is spoken: told to ``reset``, as Heartbeat does. A device of one node comes
    before that of all.
    """
    found = []
    for item in files.stonith:
        if item.type in NO_DEVICE:
            continue
        anybody = item.host == "*"
        targets = tuple((node, "") for node in files.nodes if anybody or node != item.host)
        device = FenceDevice(
            name="stonith" if anybody else f"stonith-{item.host}",
            kind=FenceKind.STONITH,
            program=item.type,
            arguments=item.arguments,
            targets=targets,
            level=2 if anybody and len(files.stonith) > 1 else 1,
            parameters_file=item.config_file or "",
            resets=True,
        )
        found.append(device)
    return tuple(found)


def native(files: HeartbeatFiles) -> tuple[tuple[FenceDevice, ...], tuple[str, ...]]:
    """(the devices of a native file, which are told to switch off; types that it cannot have)."""
    found = devices(files)
    good = tuple(replace(item, resets=False) for item in found if item.program.rpartition("/")[2] not in REFUSED_TYPES)
    known = {item.program for item in good}
    return good, tuple(dict.fromkeys(item.type for item in files.stonith if item.type not in known))
