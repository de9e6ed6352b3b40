"""The package on a clean Debian: installed, used as the README says, removed, and nothing is left. ``./dev package --check``.

Not collected by itself: it takes minutes, root, and Debian's mirror for the base system. UNDERSTUDY_PACKAGE names the package;
UNDERSTUDY_CLEAN_ROOT a base system that was made before (``clean_debian.make_base``).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from clean_debian import CleanDebian, make_base, missing
from readme_walk import walk
from real_systemd import RealSystemd, unified

from understudy.lab.netns import Room

ADDRESSES = {"ha01": "192.168.58.101/24", "ha02": "192.168.58.102/24", "arbiter": "192.168.58.9/24"}
MEMBERS = "--node ha02=192.168.58.102,192.168.107.102 --witness arbiter=192.168.58.9,192.168.107.9"
INIT = f"understudy init --yes {MEMBERS} --address 192.168.58.100"


@pytest.fixture(scope="module")
def package() -> Path:
    path = Path(os.environ.get("UNDERSTUDY_PACKAGE", ""))
    if not path.is_file():
        pytest.skip("UNDERSTUDY_PACKAGE names no package; run ./dev package --check")
    return path


@pytest.fixture(scope="module")
def base(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    given = os.environ.get("UNDERSTUDY_CLEAN_ROOT")
    if given:
        yield Path(given)
        return
    depends = subprocess.run(
        ["dpkg-deb", "--field", str(package), "Depends"], capture_output=True, text=True, check=True
    ).stdout
    directory = tmp_path_factory.mktemp("clean") / "debian"
    make_base(directory, depends.split(",")[0].strip())
    yield directory
    shutil.rmtree(directory)


def in_a_lab(name: str, *arguments: Path) -> str:
    """Run a function of this file as the director of a private world; what it printed."""
    command = [sys.executable, "-m", "understudy.lab.inside", __file__, name, *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        pytest.fail(f"{name} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout


__all__ = ["walk"]  # run by name, as the director of a lab


def a_room() -> Room:
    room = Room(["service", "heartbeat"])
    room.add("ha01", [("eth0", "service", [ADDRESSES["ha01"]]), ("eth1", "heartbeat", ["192.168.107.101/24"])])
    return room


def one_machine(base: str) -> tuple[Room, CleanDebian]:
    room = a_room()
    return room, CleanDebian(room, "ha01", base)


def install_use_purge(package: str, base: str) -> None:
    room, debian = one_machine(base)
    debian.put_systemctl()
    before = debian.files()
    debian.put(Path(package), "/tmp/understudy.deb")
    print(debian.type("apt-get install -y /tmp/understudy.deb"))
    assert debian.type("getent group understudy").startswith("understudy:")
    assert "understudy 0." in debian.type("understudy --version")
    assert debian.type("command -v understudy") == "/usr/bin/understudy\n"
    installed = debian.files()
    print(debian.type(INIT))
    assert "good, no warnings" in debian.type("understudy check /etc/understudy/cluster.toml")
    assert "admin_group" in debian.type("cat /etc/understudy/cluster.toml")
    debian.type("systemctl enable --now understudy")
    status = debian.type("understudy status")
    print(status)
    assert "seen from ha01" in status
    assert "WITHOUT quorum" in status  # it is alone in its network, and says so
    group = debian.type("getent group understudy").split(":")[2]
    assert debian.type("stat -c %g:%a /run/understudy/control.sock") == f"{group}:660\n"
    script = ". /usr/share/bash-completion/completions/understudy; COMP_WORDS=(understudy move w); COMP_CWORD=2"
    completed = debian.type(f"{script}; _understudy_completion understudy; echo $COMPREPLY")
    assert completed == "web\n", completed
    debian.type("understudy install-compat --prefix /usr/local")
    assert debian.type("cl_status hbstatus") == "Heartbeat is running on this machine.\n"
    assert debian.type("cl_status nodestatus ha01") == "active\n"
    debian.type("understudy install-compat --prefix /usr/local --remove")
    assert "understudy-join" in debian.type("zcat /usr/share/man/man8/understudy.8.gz").replace("\\-", "-")
    after_use = debian.files()
    left = [path for path in after_use if path not in installed and path.startswith("./usr")]
    assert not left, left
    debian.type("apt-get remove -y understudy")
    assert debian.type("cat /etc/understudy/cluster.key").startswith("#")
    assert debian.machine.processes() == [], [process.argv for process in debian.machine.processes()]
    assert debian.machine.run(["nft", "list", "tables"]) == ""
    debian.type("apt-get purge -y understudy")
    after = debian.files()
    changes = {path: (before.get(path), after.get(path)) for path in after.keys() | before.keys()}
    different = {path: pair for path, pair in changes.items() if pair[0] != pair[1]}
    assert different == {}, different
    assert debian.type("ls -d /run/understudy", expect=2)
    room.close()


def upgrade_keeps_running(package: str, base: str) -> None:
    """The same version again, as dpkg sees it an upgrade: nothing stops, nothing is lost."""
    room, debian = one_machine(base)
    debian.put_systemctl()
    debian.put(Path(package), "/tmp/understudy.deb")
    debian.type("dpkg --install /tmp/understudy.deb")
    debian.type(INIT)
    debian.type("systemctl enable --now understudy")
    running = {process.pid for process in debian.machine.processes()}
    key = debian.type("cat /etc/understudy/cluster.key")
    text = debian.type("dpkg --install /tmp/understudy.deb")
    assert "systemctl restart understudy" in text
    assert {process.pid for process in debian.machine.processes()} == running
    assert debian.type("cat /etc/understudy/cluster.key") == key
    assert "seen from ha01" in debian.type("understudy status")
    debian.type("systemctl stop understudy")
    room.close()


def real_systemd(package: str, base: str) -> None:
    """The unit under the systemd that will run it: nothing starts by itself, a start is ready to be asked, a supervisor that was
    killed comes back to the processes that live on, an upgrade leaves them, and a purge ends them."""
    room = a_room()
    debian = RealSystemd(room, "ha01", base)
    try:
        debian.put(Path(package), "/srv/understudy_0_all.deb")
        debian.type("apt-get install -y ./understudy_*.deb")
        assert debian.type("systemctl is-active understudy", expect=3) == "inactive\n"
        assert debian.type("systemctl is-enabled understudy", expect=1) == "disabled\n"
        assert debian.type("systemctl is-enabled understudy-heartbeat", expect=1) == "disabled\n"
        assert "could not be found" in debian.type("systemctl status heartbeat", expect=4)
        debian.type("systemctl enable understudy-heartbeat")
        assert debian.type("systemctl is-enabled heartbeat") == "alias\n"
        debian.type("systemctl start heartbeat")  # without /etc/ha.d/ha.cf there is nothing to start, and no failure
        assert debian.type("systemctl is-active understudy-heartbeat", expect=3) == "inactive\n"
        debian.type(INIT)
        print(debian.type("systemctl enable --now understudy && understudy status"))
        main, parts = debian.type("systemctl show --property MainPID --value understudy").strip(), processes(debian)
        assert main in parts
        show = "$(systemctl show --property MainPID --value understudy)"
        debian.type(f"kill -9 {main}; until [ {show} != {main} ] && systemctl --quiet is-active understudy; do :; done")
        assert set(parts) - {main} <= set(processes(debian))
        before = processes(debian)
        debian.type("dpkg --install ./understudy_*.deb")
        assert processes(debian) == before
        print(debian.type("journalctl --unit understudy --no-pager"))
        debian.type("apt-get remove -y understudy && dpkg --install ./understudy_*.deb")
        assert processes(debian) == {}
        assert debian.type("systemctl is-enabled understudy") == "enabled\n"
        debian.type("apt-get purge -y understudy")
        assert "could not be found" in debian.type("systemctl status understudy", expect=4)
        assert debian.type("find /etc /usr /run /var/lib -xdev -name '*understudy*'") == ""
    finally:
        debian.close()
    room.close()


def processes(debian: CleanDebian) -> dict[str, str]:
    """Our processes there: number to command line."""
    script = "for each in /proc/[0-9]*; do echo ${each#/proc/} $(tr '\\0' ' ' < $each/cmdline); done 2>/dev/null"
    rows = [line.split(" ", 1) for line in debian.type(script).splitlines() if "-m understudy." in line]
    return {row[0]: row[1] for row in rows}


def test_installed_used_and_purged_nothing_is_left(package: Path, base: Path) -> None:
    print(in_a_lab("install_use_purge", package, base))


def test_an_upgrade_stops_nothing(package: Path, base: Path) -> None:
    in_a_lab("upgrade_keeps_running", package, base)


def test_under_the_real_systemd(package: Path, base: Path) -> None:
    if not unified() or not (base / "lib" / "systemd" / "systemd").exists():
        pytest.skip("needs the unified hierarchy of control groups, and systemd in the base")
    print(in_a_lab("real_systemd", package, base))


def test_the_readme_leads_to_a_cluster(package: Path, base: Path) -> None:
    print(in_a_lab("walk", base, package))


def test_it_names_no_place_of_the_machine_that_built_it(package: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "-R", str(package), str(tmp_path / "content")], check=True)
    root = str(Path(__file__).resolve().parent.parent.parent).encode()
    found = [
        path.relative_to(tmp_path)
        for path in (tmp_path / "content").rglob("*")
        if path.is_file() and not path.is_symlink() and root in path.read_bytes()
    ]
    assert found == []


def test_manual_pages_and_completion_are_in_it(package: Path) -> None:
    listing = subprocess.run(["dpkg-deb", "-c", str(package)], capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r" \./(\S+)", listing))
    for name in ("man/man8/understudy.8.gz", "man/man8/understudy-init.8.gz", "bash-completion/completions/understudy"):
        assert f"usr/share/{name}" in names
    assert not [name for name in names if "__pycache__" in name and not name.endswith((".pyc", "/"))]
    units = {
        name.rpartition("/")[2] for name in names if name.startswith("usr/lib/systemd/system/") and name[-1] != "/"
    }
    assert units == {f"understudy{name}.service" for name in ("", "-heartbeat", "-keepalived")}
    assert not [name for name in names if name.endswith("/heartbeat.service")]  # Debian's package has that file
    owners = {line.split()[1] for line in listing.splitlines()}
    assert owners == {"root/root"}
