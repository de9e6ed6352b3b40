"""Debian's own OCF agents, unchanged, through our runner; in a network namespace where they touch the network."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_helpers import Stage, play

from understudy.events import Outcome
from understudy.model import OcfResource

pytestmark = pytest.mark.kernel

CLONE_NEWNET = 0x40000000
AGENTS = Path("/usr/lib/ocf/resource.d/heartbeat")


def needs(agent: str, *programs: str) -> None:
    if not (AGENTS / agent).exists():
        pytest.skip(f"the agent {agent} is missing: apt-get install resource-agents")
    for program in programs:
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            pytest.skip(f"{program} is missing")


@pytest.fixture
def in_namespace() -> Callable[[Callable[[], None]], None]:
    """Runs a function in a thread whose network namespace is its own and ends with it; the process keeps the host's."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")
    failures: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        def work() -> None:
            try:
                if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "unshare")
                subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
                subprocess.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0p"], check=True)
                for device in ("eth0", "eth0p"):
                    subprocess.run(["ip", "link", "set", device, "up"], check=True)
                subprocess.run(["ip", "address", "add", "192.0.2.1/24", "dev", "eth0"], check=True)
                function()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]

    return run


async def full_life(stage: Stage) -> None:
    """What Pacemaker's own test does to an agent: every action, and each again where it must make no difference."""
    outcome, text = await stage.run("monitor")
    assert outcome is Outcome.NOT_RUNNING
    assert text.startswith("exit code 7 (not running)")
    assert await stage.outcome("stop") == "ok"
    assert await stage.run("start") == (Outcome.OK, "")
    assert await stage.run("start") == (Outcome.OK, "")
    assert await stage.run("monitor") == (Outcome.OK, "")
    assert await stage.run("stop") == (Outcome.OK, "")
    assert await stage.run("stop") == (Outcome.OK, "")
    assert await stage.outcome("monitor") == "not running"


def test_dummy(tmp_path: Path) -> None:
    needs("Dummy")

    async def scene() -> None:
        stage = Stage(tmp_path, OcfResource("dummy", "heartbeat", "Dummy"))
        await full_life(stage)
        await stage.run("start")
        assert (tmp_path / "resource-agents" / "Dummy-dummy.state").exists()
        await stage.run("stop")

    play(scene())


def test_a_missing_agent(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, OcfResource("x", "heartbeat", "NoSuchAgentAtAll"))
        outcome, text = await stage.run("monitor")
        assert outcome is Outcome.NOT_RUNNING
        assert "NoSuchAgentAtAll: No such file" in text
        assert await stage.outcome("start") == "failed"

    play(scene())


def test_ipaddr2(tmp_path: Path, in_namespace: Callable[[Callable[[], None]], None]) -> None:
    needs("IPaddr2", "ip")
    shown: list[str] = []

    async def scene() -> None:
        resource = OcfResource(
            "ip", "heartbeat", "IPaddr2", (("ip", "192.0.2.50"), ("nic", "eth0"), ("cidr_netmask", "24"))
        )
        stage = Stage(tmp_path, resource)
        await full_life(stage)
        await stage.run("start")
        shown.append(subprocess.run(["ip", "-o", "address"], capture_output=True, text=True, check=True).stdout)
        await stage.run("stop")

    in_namespace(lambda: play(scene()))
    assert "192.0.2.50/24" in shown[0]


def test_ipaddr2_says_what_is_missing(tmp_path: Path) -> None:
    needs("IPaddr2", "ip")

    async def scene() -> None:
        outcome, text = await Stage(tmp_path, OcfResource("ip", "heartbeat", "IPaddr2")).run("start")
        assert outcome is Outcome.FAILED
        assert text == "exit code 6 (not configured): IP address (the ip parameter) is mandatory"

    play(scene())


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Apache's children are another user, and pytest's own directories are closed to it."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)
        pid_file = Path(name) / "httpd.pid"
        if pid_file.exists():  # Only when the test has failed before the agent's stop.
            os.kill(int(pid_file.read_text()), signal.SIGTERM)


def test_apache(open_path: Path, in_namespace: Callable[[Callable[[], None]], None]) -> None:
    needs("apache", "apache2", "curl")
    modules = "/usr/lib/apache2/modules"
    pages = open_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text("<html><body>the page</body></html>\n")
    config = open_path / "apache.conf"
    config.write_text(f"""
ServerRoot {open_path}
ServerName site.example
PidFile {open_path}/httpd.pid
Listen 192.0.2.1:80
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
ErrorLog {open_path}/error.log
DocumentRoot {pages}
DirectoryIndex index.html
<Directory {pages}>
  Require all granted
</Directory>
""")
    answers: list[str] = []

    async def scene() -> None:
        parameters = (
            ("configfile", str(config)),
            ("httpd", "/usr/sbin/apache2"),
            ("statusurl", "http://192.0.2.1/"),
            ("testregex", "the page"),
        )
        stage = Stage(open_path / "run", OcfResource("web", "heartbeat", "apache", parameters))
        await full_life(stage)
        assert await stage.outcome("start") == "ok"
        page = subprocess.run(["curl", "-s", "http://192.0.2.1/"], capture_output=True, text=True, check=True)
        answers.append(page.stdout)
        assert await stage.outcome("stop") == "ok"

    (open_path / "run").mkdir()
    in_namespace(lambda: play(scene()))
    assert "the page" in answers[0]
