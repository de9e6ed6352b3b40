"""./dev and the hooks in conftest.py: they decide what counts as tested, so they are tested themselves."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONFTEST = (ROOT / "tests" / "conftest.py").read_text("utf-8")


@pytest.fixture(scope="module")
def dev() -> ModuleType:
    """The script as a module; it has no .py at its end, so the loader is named."""
    loader = SourceFileLoader("dev_script", str(ROOT / "dev"))
    specification = importlib.util.spec_from_loader("dev_script", loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    writes = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
    return module


# ------------------------------------------------------------------------------------ installing starts no services


def test_policy_denies_while_installing_and_is_gone_afterwards(dev: ModuleType, tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with dev.no_service_starts(str(policy)):
        assert "exit 101" in policy.read_text()
        assert policy.stat().st_mode & 0o111
    assert list(tmp_path.iterdir()) == []


def test_policy_of_the_owner_comes_back_also_after_a_failure(dev: ModuleType, tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o750)

    def interrupted_installation() -> None:
        with dev.no_service_starts(str(policy)):
            assert "exit 101" in policy.read_text()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_installation()
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert policy.stat().st_mode & 0o777 == 0o750
    assert list(tmp_path.iterdir()) == [policy]


@pytest.mark.parametrize("owned", [True, False])
def test_policy_left_by_a_killed_run_is_put_right(dev: ModuleType, tmp_path: Path, owned: bool) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text(dev.POLICY_TEXT)
    if owned:
        Path(f"{policy}{dev.ASIDE}").write_text("the owner's")
    dev.restore_policy(str(policy))
    assert [path.read_text() for path in tmp_path.iterdir()] == (["the owner's"] if owned else [])


def test_only_what_an_installation_enabled_is_disabled(dev: ModuleType, tmp_path: Path) -> None:
    wants = tmp_path / "multi-user.target.wants"
    wants.mkdir()
    (wants / "understudy-test-before.service").symlink_to("/dev/null")
    before = dev.enabled_services(str(tmp_path))
    (wants / "understudy-test-new.service").symlink_to("/dev/null")
    dev.disable_services(dev.enabled_services(str(tmp_path)) - before)
    assert [link.name for link in wants.iterdir()] == ["understudy-test-before.service"]


# ------------------------------------------------------------------------------------ steps


def test_missing_packages_are_named(dev: ModuleType, tmp_path: Path) -> None:
    there = tmp_path / "agent"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    table = {"zeta": "no-such-program-anywhere", "shell": "sh", "agents": str(there), "alpha": str(tmp_path / "gone")}
    assert dev.missing_packages(table) == ["alpha", "zeta"]


def test_a_failed_step_fails_the_whole_and_the_others_still_run(
    dev: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = dev.Steps()
    steps.run("first", ["sh", "-c", "echo the words of the failure; exit 3"])
    steps.run("second", ["true"])
    steps.run("third", ["no-such-program-anywhere"])
    assert steps.summary() == 1
    shown = capfd.readouterr().out
    assert "the words of the failure" in shown
    assert "FAILED: first, third" in shown
    assert [(name, good) for name, _, good in steps.done] == [("first", False), ("second", True), ("third", False)]


def test_good_steps_end_well(dev: ModuleType) -> None:
    steps = dev.Steps()
    steps.run("only", ["true"], live=True)
    assert steps.summary() == 0


def test_old_enough_settings_of_tools_do_not_ask_for_a_new_installation(dev: ModuleType) -> None:
    project = {"project": {"dependencies": ["click"]}, "tool": {"ruff": {"line-length": 120}}}
    before = dev.wanted(project)
    assert dev.wanted({**project, "tool": {"ruff": {"line-length": 100}}}) == before
    assert dev.wanted({**project, "project": {"dependencies": ["click", "uvloop"]}}) != before


# ------------------------------------------------------------------------------------ skipped is failed in CI

SKIPS = """
import pytest

@pytest.mark.kernel
def test_kernel():
    pytest.skip("no nft here")

@pytest.mark.kernel
@pytest.mark.skipif(True, reason="not root")
def test_kernel_by_mark():
    pass

def test_other():
    pytest.skip("a different reason")
"""


def run_sample(pytester: pytest.Pytester, text: str) -> pytest.RunResult:
    pytester.makeconftest(CONFTEST.replace("PAUSE = 3, 10.0", "PAUSE = 3, 0.0"))
    pytester.makeini("[pytest]\nmarkers =\n  kernel: x\n  long: x\n")
    pytester.makepyfile(text)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist")


def test_skipped_kernel_tests_fail_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = run_sample(pytester, SKIPS)
    result.assert_outcomes(failed=1, errors=1, skipped=1)
    result.stdout.fnmatch_lines(["*failure in CI*no nft here*"])


def test_skipped_kernel_tests_stay_skipped_elsewhere(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    run_sample(pytester, SKIPS).assert_outcomes(skipped=3)


@pytest.mark.parametrize("ci", ["true", ""])
def test_a_file_that_skips_itself_fails_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    result = run_sample(pytester, "import pytest\npytest.skip('no agents', allow_module_level=True)\n")
    result.assert_outcomes(errors=1) if ci else result.assert_outcomes(skipped=1)


REPEATED = """
import pytest
calls = []

@pytest.mark.kernel
def test_late_once():
    calls.append("late")
    assert calls.count("late") > 1, "the machine stood still"

@pytest.mark.kernel
def test_always():
    calls.append("always")
    assert False, "this time it is us"

@pytest.mark.kernel
def test_twice_served():
    calls.append("two")
    assert False, "two machines answered in 3 sampled milliseconds"

def test_pure():
    calls.append("pure")
    assert False, "no machine has a part in this"

def test_how_often():
    assert calls == ["late", "late", "always", "always", "always", "always", "two", "pure"]
"""


def test_a_kernel_test_that_fails_is_repeated_unless_two_served(pytester: pytest.Pytester) -> None:
    result = run_sample(pytester, REPEATED)
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(
        ["RERUN *test_late_once*", "*the machine stood still*", "*3 failed, 2 passed, 4 rerun*"]
    )


def test_so_is_one_that_has_real_processes_and_none_of_pure_code(pytester: pytest.Pytester) -> None:
    once = "calls = []\n\ndef test_{0}():\n    calls.append(1)\n    assert len(calls) > 1, 'late'\n"
    for folder in ("manager", "core"):
        path = pytester.mkdir(folder) / f"test_of_{folder}.py"
        path.write_text(once.format(folder))
    result = run_sample(pytester, "def test_nothing(): pass\n")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["FAILED core/*test_core*", "*1 failed, 2 passed, 1 rerun*"])
