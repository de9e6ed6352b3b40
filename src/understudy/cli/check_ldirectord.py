"""``understudy check`` of an ldirectord.cf: what this machine has of it. What was read says ``check_services``."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..service_checks import ProgramQuestion
from ..services import ServiceFiles

NOT_BESIDE = "understudy run does not start before that"

PATIENCE = 5.0
"""Seconds that a folder has to answer: its disk may hang."""

if TYPE_CHECKING:
    from ..config.ldirectord import LdirectordReading


def examine(path: str) -> LdirectordReading:
    """The file, names looked up as ldirectord does: that may wait for a name server."""
    from ..config.load_ldirectord import examine_ldirectord, look_up

    return examine_ldirectord(path, look_up)


def look_here(
    files: ServiceFiles, is_folder: Callable[[str], bool] = os.path.isdir, patience: float = PATIENCE
) -> tuple[str, ...]:
    """Sentences about programs, folders and settings of the kernel that this machine lacks: it may not be the one meant."""
    from ..adapters.forwarding import not_forwarded
    from ..adapters.installed import is_program
    from ..adapters.other_daemon import beside_balancer

    programs = {
        check.question.argv[0]: "checkcommand"
        for service in files.services
        for real in service.reals
        for check in real.checks
        if isinstance(check.question, ProgramQuestion) and not check.question.perl
    }
    if files.callback.argv:
        programs[files.callback.argv[0]] = "callback"
    found = [f"{word}: {name} is no program" for name, word in programs.items() if not is_program(name)]
    there = _answer(is_folder, files.maintenance, patience) if files.maintenance else True
    if there is None:
        found.append(f"maintenancedir: {files.maintenance} does not answer; until it does, no server is in maintenance")
    elif not there:
        found.append(f"maintenancedir: {files.maintenance} is no folder; ldirectord warns of it as well")
    for service in files.services:
        folder = os.path.dirname(service.monitor_file)
        if service.monitor_file and not os.path.isdir(folder or "."):
            found.append(f"monitorfile: {folder} is no folder; ldirectord does not start without it")
    found += not_forwarded(files)
    if other := beside_balancer():
        found.append(f"{other}. {NOT_BESIDE}")
    return tuple(dict.fromkeys(found))


def _answer(is_folder: Callable[[str], bool], folder: str, patience: float) -> bool | None:
    """None: no answer in that time. Then the question stays in its thread, for which nobody waits."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(is_folder(folder)), daemon=True)
    thread.start()
    thread.join(patience)
    return answers[0] if answers else None
