"""A newcomer types the README on three machines: from the checkout, quickly. The same with the real package on a clean Debian is
``package_check.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from clean_debian import overlay_missing
from readme_walk import HEADINGS, MACHINES, ROOT, steps


def test_both_languages_type_the_same() -> None:
    one, other = (steps(name) for name in HEADINGS)
    assert one == other
    assert len(one) >= 9
    assert {machine for step in one for machine in step.machines} == set(MACHINES)


def test_only_what_is_done_before_is_typed_nowhere() -> None:
    assert [step.line for step in steps() if not step.machines] == [
        "git clone URL-OF-THIS-REPOSITORY understudy && cd understudy",
        "./dev package",
    ]


@pytest.mark.kernel
def test_the_readme_leads_to_a_cluster() -> None:
    reason = overlay_missing()
    if reason:
        pytest.skip(reason)
    script = str(Path(__file__).resolve().parent / "readme_walk.py")
    command = [sys.executable, "-m", "understudy.lab.inside", script, "walk", "/", "", str(ROOT)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    print(done.stdout)
