"""Scripts that people have: an init script as Debian writes them, and the resource scripts of the package heartbeat."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from agent_helpers import InNetwork, Stage, ip, numbers, play, script, until

from understudy.events import Outcome
from understudy.model import LsbResource, ResourceDResource

pytestmark = pytest.mark.kernel

OK, NOT_RUNNING = Outcome.OK, Outcome.NOT_RUNNING

DEBIAN = """
### BEGIN INIT INFO
# Provides: sited
# Required-Start: $remote_fs
# Required-Stop: $remote_fs
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
. /lib/lsb/init-functions
DAEMON={run}/sited
PIDFILE={run}/sited.pid
case "$1" in
  start)
    log_daemon_msg "Starting" sited
    start-stop-daemon --start --quiet --oknodo --background --make-pidfile --pidfile $PIDFILE --exec $DAEMON -- 1000
    log_end_msg $? ;;
  stop)
    log_daemon_msg "Stopping" sited
    start-stop-daemon --stop --quiet --oknodo --retry 5 --remove-pidfile --pidfile $PIDFILE --exec $DAEMON
    log_end_msg $? ;;
  status) status_of_proc -p $PIDFILE $DAEMON sited ;;
  *) echo "Usage: $0 {{start|stop|status}}" >&2; exit 3 ;;
esac
"""


def test_an_init_script_of_debians_make(tmp_path: Path) -> None:
    if (
        not os.path.exists("/lib/lsb/init-functions")
        or shutil.which("start-stop-daemon", path="/usr/sbin:/sbin") is None
    ):
        pytest.skip("no LSB init functions here")
    shutil.copy("/bin/sleep", tmp_path / "sited")
    path = script(tmp_path / "init", DEBIAN.format(run=tmp_path))
    pid_file = tmp_path / "sited.pid"

    async def scene() -> None:
        # The pid file alone is there before the daemon is: start-stop-daemon writes it before it becomes the program.
        stage = Stage(tmp_path, LsbResource("s", path, str(pid_file), "sited"))
        plain = Stage(tmp_path, LsbResource("s", path))
        assert (await plain.run("monitor"))[0] is NOT_RUNNING
        assert await plain.run("stop") == (OK, "")
        assert await stage.run("start") == (OK, "")
        assert await plain.run("start") == (OK, "")
        assert await plain.run("monitor") == (OK, "")
        (pid,) = await until(lambda: numbers(pid_file, 1), "it tells its number")
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not os.path.exists(f"/proc/{pid}"), "it is dead, and its parent knows")
        outcome, text = await plain.run("monitor")
        assert outcome is NOT_RUNNING
        assert text.startswith("status 1 (dead, but its pid file is there)")
        assert await stage.run("start") == (OK, "")
        assert await stage.run("stop") == (OK, "")
        assert (await stage.run("monitor"))[0] is NOT_RUNNING

    play(scene())


def test_ipaddr2_as_heartbeat_calls_it(tmp_path: Path, in_network: InNetwork) -> None:
    if not os.path.exists("/etc/ha.d/resource.d/IPaddr2"):
        pytest.skip("Heartbeat's resource scripts are missing: apt-get install heartbeat")

    async def scene() -> None:
        stage = Stage(tmp_path, ResourceDResource("r", "IPaddr2", ("192.0.2.60/24/eth0",)))
        outcome, text = await stage.run("monitor")
        assert (outcome, "stopped" in text) == (NOT_RUNNING, True)
        assert (await stage.run("stop"))[0] is OK
        assert await stage.run("start") == (OK, "")
        assert "192.0.2.60/24" in ip("-o", "address")
        assert await stage.run("start") == (OK, "was running already")
        assert (await stage.again().run("monitor"))[0] is OK
        assert (await stage.run("stop"))[0] is OK
        assert "192.0.2.60" not in ip("-o", "address")

    in_network(lambda: play(scene()))
