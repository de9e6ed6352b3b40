"""A node from Heartbeat's files with ``ldirectord::FILE``, as it is really run: it balances what it holds, and what changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from netns import Lab

from understudy.cli.balancer_client import ask
from understudy.errors import UnderstudyError

pytestmark = pytest.mark.kernel

FILES = {
    "ha.cf": "node ha01\nbcast eth0\nauto_failback off\nkeepalive 200ms\ndeadtime 1\ninitdead 2\n",
    "haresources": "ha01 10.60.0.100/24/eth0 ldirectord::web.cf\n",
    "authkeys": "auth 1\n1 sha1 secret\n",
    "conf/web.cf": "quiescent=no\nautoreload=yes\nvirtual=10.60.0.100:80\n\treal=10.61.0.11:80 masq\n\tchecktype=on\n",
}
PATIENCE = 60


def eventually(condition: Callable[[], object], what: str) -> None:
    """Looking now and then only: who looks all the time keeps a small machine from getting there."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"in {PATIENCE} s it did not happen that {what}"
        time.sleep(0.1)


def service(runtime: Path) -> dict[str, Any]:
    """{} while nobody answers."""
    try:
        (found,) = ask(str(runtime), do="pool")["services"]
    except (UnderstudyError, ValueError, OSError):
        return {}
    return dict(found)


def balanced(runtime: Path) -> list[tuple[str, bool]]:
    """The servers, and whether the table has them."""
    return [(each["name"], each["in_table"]) for each in service(runtime).get("servers", ())]


def test_the_group_brings_its_services_and_a_changed_file_is_taken_up(lab: Lab, tmp_path: Path) -> None:
    node, client = lab.machine("ha01"), lab.machine("client")
    lab.segment({node: "10.60.0.1/24", client: "10.60.0.9/24"})
    folder, runtime, heard = tmp_path / "ha.d", tmp_path / "run", tmp_path / "heard"
    (folder / "conf").mkdir(parents=True)
    callback = tmp_path / "callback"
    callback.write_text(f'#!/bin/sh\necho "$@" >> {heard}\n')
    callback.chmod(0o755)
    for name, text in FILES.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    web = folder / "conf" / "web.cf"
    web.write_text(f'callback="{callback}"\nlogfile="{tmp_path}/log"\n{web.read_text()}')
    words = ["--config", str(folder), "--node", "ha01", "--runtime-dir", str(runtime), "--state-dir", str(tmp_path)]
    command = [sys.executable, "-P", "-s", "-m", "understudy", "run", *words]
    with (tmp_path / "said").open("wb") as log:
        environment = {**os.environ, "UNDERSTUDY_HEARTBEAT_DIR": str(tmp_path / "home")}
        run = subprocess.Popen(["ip", "netns", "exec", node.namespace, *command], stderr=log, env=environment)
    try:
        eventually(lambda: service(runtime).get("serving"), "the group is held and its services are served")
        assert service(runtime)["group"] == "10.60.0.100"
        assert balanced(runtime) == [("10.61.0.11:80", True)]
        assert "10.61.0.11" in node.run("nft list ruleset")

        web.write_text(web.read_text().replace("10.61.0.11", "10.61.0.12"))
        eventually(lambda: balanced(runtime) == [("10.61.0.12:80", True)], "the changed file is taken up")
        eventually(heard.exists, "the callback was run")
        assert heard.read_text() == f"{web}\n"

        run.send_signal(signal.SIGTERM)
        assert run.wait(PATIENCE) == 0, (tmp_path / "said").read_text()
        assert "10.61.0.12" not in node.run("nft list ruleset")
    finally:
        if run.poll() is None:
            run.terminate()
            run.wait(PATIENCE)
