"""Without a real-time priority the pulse asks the kernel for short slices, which needs no right (Linux 6.12 and later)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from understudy.pulse import realtime

_OWN = "/proc/self/sched"
_WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", "prlimit", "--rtprio=0:0")


def _slice_after(calls: str) -> int:
    """What the kernel says, in nanoseconds, of a program without the right to a real-time priority, after ``calls``."""
    code = f"from understudy.pulse import realtime\n{calls}\nprint(open({_OWN!r}).read())"
    said = subprocess.run(
        [*_WITHOUT_RIGHTS, sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    found = re.search(r"^se\.slice\s*:\s*(\d+)", said.stdout, re.MULTILINE)
    assert found is not None, said.stdout
    return int(found.group(1))


@pytest.fixture(autouse=True)
def _slices() -> None:
    try:
        known = "se.slice" in Path(_OWN).read_text()
    except OSError as error:
        pytest.skip(f"this kernel does not tell how it schedules: {error}")
    if not known:
        pytest.skip("this kernel knows no slices: Linux 6.12 does")


def test_the_shortest_slice_is_asked_for_without_any_right() -> None:
    assert _slice_after("") > realtime.SLICE
    assert _slice_after("assert realtime.shorten_slice()") == realtime.SLICE


def test_whoever_is_refused_a_real_time_priority_has_it() -> None:
    assert _slice_after("assert realtime.prepare().priority") == realtime.SLICE
