"""The lab's own scene with a program that must not run twice, and no daemon started yet: machines as they are after a boot."""

from __future__ import annotations

import random
from dataclasses import replace

from other_worlds import DEAD_TIME, HEARTBEAT, write_program

from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS, Spec, Trial, scene

_DATA = """#!/bin/sh
# Runs on the machine on which /run/data exists; every start and stop is a line of /run/lab/data.log.
case "$1" in
start) : > /run/data; echo "start $(hostname)" >> /run/lab/data.log ;;
stop) [ ! -e /run/data ] || echo "stop $(hostname)" >> /run/lab/data.log; rm -f /run/data ;;
status) [ -e /run/data ] || exit 3 ;;
esac
"""


class BootTrial(Trial):
    """Power everywhere, nothing started."""

    def __init__(self) -> None:
        self.spec = replace(Spec("boot"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        write_program("/run/lab/data", _DATA)
        data = {"script": "/run/lab/data", "name": "data", "exclusive": True, "stop_timeout": "2s", "interval": "0s"}
        resources = [{"address": f"{ADDRESS}/24", "device": "eth0"}, data]
        whole = scene(HEARTBEAT, DEAD_TIME)
        groups = {"site": {**whole.groups["site"], "resources": resources}}
        self.stage = Stage(replace(whole, groups=groups), with_daemons=False)
        self.stage.set_up()
