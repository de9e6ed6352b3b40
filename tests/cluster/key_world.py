"""The lab's own scene with a key file for each machine, as real machines have one; nothing is started yet."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from other_worlds import BareTrial

from understudy.lab.cluster import CONFIGURATION, KEY
from understudy.lab.inside import BASE

MEMBERS = ("ha01", "ha02", "arbiter")
PLACE = f"{BASE}/secret"
FILE = f"{PLACE}/cluster.key"


class KeyTrial(BareTrial):
    """``key_file(name)`` is where the director finds the file that the machine ``name`` sees at ``FILE``."""

    def __init__(self) -> None:
        super().__init__()
        text = Path(CONFIGURATION).read_text()
        assert KEY in text
        Path(CONFIGURATION).write_text(text.replace(KEY, FILE))
        os.mkdir(PLACE)
        for name in MEMBERS:
            own = key_file(name)
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(KEY, own)
            self.stage.room.machine(name).run(["mount", "--bind", str(own.parent), PLACE])
        shutil.copy2(KEY, FILE)  # for the director, who reads the configuration too
        for name in MEMBERS:
            self.stage.do(f"start {name}")
        self.served_by("ha01")
        self.rest()


def key_file(name: str) -> Path:
    return Path(f"{BASE}/{name}/secret/cluster.key")
