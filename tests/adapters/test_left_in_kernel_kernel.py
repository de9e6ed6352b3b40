"""``understudy clear``: the kernel is empty behind a daemon that was killed, and untouched while one lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from netns import Lab, inside

from understudy.adapters import running
from understudy.cli.clear import command
from understudy.config.load import load
from understudy.config.render import render
from understudy.errors import Refused
from understudy.pulse.assemble_vrrp import on_this_machine
from understudy.pulse.vrrp_kernel import RouterKernel
from understudy.units import SECOND

FILE = """
global_defs { router_id gw9 }
vrrp_instance LAN {
    interface eth0
    virtual_router_id 10
    use_vmac v10
    virtual_ipaddress { 10.50.0.100/16 }
    virtual_routes { 10.60.0.0/16 dev eth0 }
}
vrrp_instance OWN {
    interface eth0
    virtual_router_id 11
    virtual_ipaddress { 10.50.0.101/16 }
}
""".replace("{ ", "{\n").replace(" }", "\n}")


HOLD = """
import fcntl, os, sys
fcntl.lockf(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.kernel
def test_nothing_is_left(lab: Lab, tmp_path: Path) -> None:
    node = lab.machine("node")
    lab.segment({node: "10.50.0.1/16"})
    path = tmp_path / "keepalived.conf"
    path.write_text(FILE)

    def look() -> str:
        return "".join(map(node.run, ("ip -o addr", "ip route", "ip -o link")))

    with inside(node):
        running.keep(str(tmp_path), render(load(str(path))), "", str(path))
        cluster = on_this_machine(load(str(path)))
        before = look()
        kernel = RouterKernel(cluster)
        for group in cluster.groups:
            assert kernel.hold(group.name, SECOND) is None
            change = kernel.begin_add(group.addresses)
            while not change.step():
                pass
        kernel.close()
        there = look() + node.run("nft list tables")
        assert [word for word in ("10.50.0.101", "10.60.0.0", "v10", "understudy_") if word not in there] == []
        done = CliRunner().invoke(command, ["--runtime-dir", str(tmp_path)])
        assert (done.exit_code, done.output) == (0, "")
        assert node.run("nft list tables") == ""
        assert look() == before
        assert CliRunner().invoke(command, ["--runtime-dir", str(tmp_path)]).exit_code == 0, "nothing to do is no error"


def test_a_daemon_that_lives_is_not_disturbed(tmp_path: Path) -> None:
    running.keep(str(tmp_path), "", "", "")
    words = [sys.executable, "-c", HOLD, str(tmp_path / "pulse.lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdout is not None
        assert living.stdout.readline() == b"held\n"
        done = CliRunner().invoke(command, ["--runtime-dir", str(tmp_path)])
        assert isinstance(done.exception, Refused)
        assert "stop it first" in done.exception.hint
        living.kill()
