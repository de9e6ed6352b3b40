"""A supervisor of pretend children: DIRECTORY STOP_LIMIT [spare] [impatient]."""

from __future__ import annotations

import math
import os
import sys

from understudy.supervisor.child import Child
from understudy.supervisor.service import Supervisor

directory, stop_limit = sys.argv[1], float(sys.argv[2])
program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pretend_child.py")


def child(name: str, role: str) -> Child:
    return Child(name, (sys.executable, program, directory, role), f"{directory}/{role}.lock")


spare = child("spare", "pulse") if "spare" in sys.argv else None
if spare is not None:
    spare.due = math.inf
made = Supervisor(child("pulse", "pulse"), child("manager", "manager"), spare, stop_limit)
made.balancer = child("balancer", "balancer")
if "impatient" in sys.argv:
    made.look_interval = 0.1
sys.exit(made.run())
