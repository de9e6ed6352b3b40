"""Who is not let in is told how to be: by what this machine has."""

from __future__ import annotations

from pathlib import Path

from understudy.cli.client import who_may


def test_a_pair_of_heartbeat_has_no_admin_group(tmp_path: Path) -> None:
    assert "admin_group" in who_may(str(tmp_path))
    for name in ("etc/ha.d/ha.cf", "etc/understudy/cluster.toml"):
        (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / "etc/ha.d/ha.cf").touch()
    said = who_may(str(tmp_path))
    assert ("haclient" in said, "apiauth" in said, "admin_group" in said) == (True, True, False)
    (tmp_path / "etc/understudy/cluster.toml").touch()
    assert "admin_group" in who_may(str(tmp_path)), "it has gone over to the native protocol"
