"""What is said of a file that a reload refuses: its errors first of all, and few lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.config.load import load
from understudy.errors import Refused
from understudy.manager.reload import judge

FILE = """vrrp_instance VI_1 {
 interface lo
 virtual_router_id 7
 virtual_ipaddress {
  192.0.2.7
 }
%s
}
"""


def test_a_refusal_names_the_errors_and_counts_the_warnings(tmp_path: Path) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(FILE % "")
    path.chmod(0o600)
    before = load(str(path))
    path.write_text(FILE % "unknown_1 x\nunknown_2 x\n interface\nunknown_3 x")
    judged = judge(str(path), before)
    with pytest.raises(Refused) as refused:
        judged.accepted("")
    first, *others = refused.value.hint.splitlines()
    assert first.startswith(f"{path}:9:")
    assert ": error: " in first
    assert others[-1] == f"and 3 warnings: understudy check {path}"
    assert ": error: " in judged.answer()["problems"][-1]
