"""What may still run after a stop that was not clean, told from the files alone."""

from __future__ import annotations

from pathlib import Path

from understudy.supervisor.leftover import leftovers

RUNNING = """
[witness.arbiter]
links = []
[groups.files]
resources = [
  { mount = "proc", at = "/proc", type = "proc" },
  { mount = "/dev/sdb1", at = "/nowhere/at/all", type = "ext4" },
  { notify = ["/bin/true"] },
]
[groups.old]
resources = [
  { lsb = "/etc/init.d/site", name = "init" },
  { resource_d = "drbddisk" },
  { systemd = "a.service" },
  { route = "10.0.0.0/8", via = "10.0.0.1" },
  { source_address = "10.0.0.9", of_route = "0.0.0.0/0" },
  { realserver = "10.0.0.8" },
]
[groups.gone]
resources = [{ mount = "x", at = "/nowhere", type = "tmpfs" }]
"""


def test_each_kind(tmp_path: Path) -> None:
    (tmp_path / "running.toml").write_text(RUNNING)
    assert leftovers(str(tmp_path), "ha01") == [
        "group files: /proc is mounted",
        "group old: init may run: it was not seen to stop; drbddisk may run: it was not seen to stop; "
        "a.service may run: it was not seen to stop; the route to 10.0.0.0/8 may be set; the route to 0.0.0.0/0 may be set; "
        "10.0.0.8 may still be on lo, with its ARP settings. "
        "Look now: where nothing proves that it has stopped, another machine may start the group after its stop_timeout; "
        "`systemctl start understudy` here takes charge again",
    ]
    assert leftovers(str(tmp_path), "arbiter") == []
    (tmp_path / "running.source").write_text(str(tmp_path))  # a folder with Heartbeat's files
    assert "`systemctl start understudy-heartbeat` here takes charge again" in leftovers(str(tmp_path), "ha01")[1]
