"""docs/api.md is what the code says, and says everything that the code can."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from understudy.manager.api import ENDPOINTS
from understudy.manager.control import Control
from understudy.manager.metrics import METRICS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")


def test_the_page_is_fresh() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "api_page.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_request_and_metric_is_there() -> None:
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == [f"{each.method} {each.path}" for each in ENDPOINTS]
    assert re.findall(r"^\| `(understudy_\w+)`", PAGE, re.MULTILINE) == [metric.name for metric in METRICS]


def test_the_table_is_sound() -> None:
    """Each request once, answered by something; what changes is never a GET, which anybody may repeat."""
    assert len({(each.method, each.path) for each in ENDPOINTS}) == len(ENDPOINTS)
    for each in ENDPOINTS:
        assert callable(getattr(Control, f"_{each.handler}"))
        assert each.method in ("GET", "POST")
        assert each.changes == (each.method == "POST"), each.path
