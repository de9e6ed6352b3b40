"""A power strip that every machine of the lab can reach: a fence device that really switches machines off and on.

On the machines it is a program, ``SCRIPT``, for ``command`` of a fence device, which leaves a wish in a directory that all
machines see. Here a thread of the director carries wishes out and keeps what the strip's lamps show. It can be told to fail.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence

from .inside import BASE
from .netns import LabError
from .stage import Stage

DIRECTORY = f"{BASE}/power"
SCRIPT = f"{DIRECTORY}/switch"
_POLL = 0.004

_TEXT = f"""#!/bin/sh
d={DIRECTORY}
[ -e $d/broken ] && {{ echo "no route to the power strip"; exit 1; }}
case "$1" in
status) [ -e "$d/$2.lamp" ] && exit 0; exit 2 ;;
off | on)
    : > "$d/$2.$1"
    n=0
    while [ -e "$d/$2.$1" ]; do
        n=$((n + 1))
        [ $n -gt 1500 ] && exit 1
        sleep 0.01
    done
    exit 0 ;;
esac
exit 1
"""


def install() -> None:
    """Put the program where all machines see it. Call once, in the director, before the daemons start."""
    os.makedirs(DIRECTORY, exist_ok=True)
    with open(SCRIPT, "w", encoding="ascii") as file:
        file.write(_TEXT)
    os.chmod(SCRIPT, 0o755)


class PowerStrip:
    """``outlets``: the machines on it. ``switched``: what was done, as (moment by time.monotonic, node, "off" or "on")."""

    def __init__(self, stage: Stage, outlets: Sequence[str]) -> None:
        self._stage = stage
        self._outlets = tuple(outlets)
        self.switched: list[tuple[float, str, str]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._lamps()
        self._thread.start()

    def broken(self, broken: bool) -> None:
        """From now on the strip cannot be reached (or can be again)."""
        path = f"{DIRECTORY}/broken"
        if broken:
            with open(path, "w", encoding="ascii"):
                pass
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _run(self) -> None:
        while not self._stop.wait(_POLL):
            for name in self._outlets:
                for wanted in ("off", "on"):
                    if os.path.exists(f"{DIRECTORY}/{name}.{wanted}"):
                        self._switch(name, wanted)
            self._lamps()

    def _switch(self, name: str, wanted: str) -> None:
        with contextlib.suppress(LabError):
            self._stage.do(f"power {name} {wanted}")
        self.switched.append((time.monotonic(), name, wanted))
        self._lamps()
        os.unlink(f"{DIRECTORY}/{name}.{wanted}")

    def _lamps(self) -> None:
        for name in self._outlets:
            lamp = f"{DIRECTORY}/{name}.lamp"
            powered = self._stage.room.machine(name).powered
            if powered and not os.path.exists(lamp):
                with open(lamp, "w", encoding="ascii"):
                    pass
            elif not powered:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(lamp)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(20)
