"""What all tests share: in CI nothing that needs the kernel may be skipped, and no test is judged by its speed.

Kernel tests run real daemons with time limits of a second and less. On a machine that itself stands still for longer, what
they see is the machine's doing: a holder that was stopped for 300 ms has rightly lost its lease. So a kernel test that fails,
or one of a folder whose tests have real processes and devices, is repeated, at most three times, and says so at the end; with
a true fault it fails each time. What is never repeated is the first promise: two machines that answered for one address are a
failure, however slow the machine was (decision 0028).
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# The machine may be busy with something else: a slow example is not a wrong one.
settings.register_profile("understudy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("understudy")

pytest_plugins = ["pytester"]

LONG = os.environ.get("UNDERSTUDY_LONG") == "1"

REAL_PARTS = frozenset(
    {"adapters", "agents", "cli", "fencing", "install", "lab", "manager", "package", "pulse", "supervisor"}
)
"""Folders whose tests have real processes, sockets and devices, though most need no namespaces and are not marked ``kernel``."""

REPEATS, PAUSE = 3, 10.0
"""How often, and after how many seconds: who shares the machine may be done by then."""

MOST_REPEATS = 20
"""In all tests together: where more of them fail, it is not the machine."""

NEVER_REPEATED = "two machines answered"
"""In the words of a failure; each check that nobody serves twice has them."""


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("rerunfailures"):
        config.option.max_suite_reruns = MOST_REPEATS
        config.option.rerun_show_tracebacks = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Not skipped, but left out: where a skipped kernel test is a failure the long ones are none."""
    left_out = [item for item in items if item.get_closest_marker("long") and not LONG]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    for item in items:
        if item.get_closest_marker("kernel") or item.path.parent.name in REAL_PARTS:
            item.add_marker(pytest.mark.flaky(reruns=REPEATS, reruns_delay=PAUSE, rerun_except=[NEVER_REPEATED]))


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped kernel test fails in CI: a missing package or permission there must not pass for success."""
    report = yield
    if _in_ci() and report.skipped and item.get_closest_marker("kernel") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file that skips itself as a whole hides its kernel tests, so in CI that is a failure too."""
    report = yield
    if _in_ci() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"the whole file is skipped, which is a failure in CI: {_reason(report.longrepr)}"
    return report


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
