"""``understudy agents`` over agents of the test, and over all of Debian's."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from understudy.adapters import agent_catalogue
from understudy.adapters.agent_catalogue import Agent, AgentKind, describe, find_agents, list_lines
from understudy.adapters.agent_metadata import NotMetadata
from understudy.cli.agents import command
from understudy.cli.render_agents import example
from understudy.config.validate import read
from understudy.units import MILLISECOND

sys.path.insert(0, str(Path(__file__).parent.parent / "config"))

from config_helpers import CLUSTER, MEMBERS

XML = """<resource-agent name="site"><shortdesc>Runs a site</shortdesc><parameters>
<parameter name="root" required="1"><content type="string"/><longdesc>Where the pages are.</longdesc></parameter>
<parameter name="port" required="1"><content type="integer" default="80"/></parameter>
</parameters><actions><action name="start" timeout="40s"/></actions></resource-agent>"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An OCF root with two providers, in which every call is counted."""
    monkeypatch.setenv("OCF_ROOT", str(tmp_path / "ocf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    agent(tmp_path, "local", "site", f"echo $1 >> {tmp_path}/calls\ncat <<EOF\n{XML}\nEOF")
    agent(tmp_path, "local", "broken", "echo 'usage: broken'; exit 1")
    agent(tmp_path, "local", ".hidden", "exit 1")
    agent(tmp_path, "heartbeat", "site", "echo '<resource-agent><shortdesc>The other</shortdesc></resource-agent>'")
    (tmp_path / "ocf/resource.d/local/README").write_text("not executable")
    return tmp_path


def agent(root: Path, provider: str, name: str, text: str) -> Path:
    path = root / "ocf/resource.d" / provider / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def agents(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def listed(*words: str) -> dict[str, dict[str, str]]:
    done = agents("--json", *words)
    assert done.exit_code == 0, done.output
    return {item["name"]: item for item in json.loads(done.stdout)["agents"] if item["kind"] == "ocf"}


def test_the_list_has_all_and_says_which_are_broken(root: Path) -> None:
    found = listed()
    assert list(found) == ["heartbeat:site", "local:broken", "local:site"]
    assert found["local:site"]["short"] == "Runs a site"
    assert found["local:broken"]["trouble"] == "asked for its metadata it ended with exit code 1: usage: broken"
    text = agents().output
    assert "\n  local:site      Runs a site\n" in text
    assert "\n  local:broken    does not say what it is: asked for its metadata it ended with exit code 1" in text


def test_descriptions_are_remembered_until_the_agent_changes(root: Path) -> None:
    calls = root / "calls"
    listed()
    listed()
    assert calls.read_text() == "meta-data\n"
    listed("--fresh")
    assert calls.read_text() == "meta-data\n" * 2
    agent(root, "local", "site", "echo '<resource-agent><shortdesc>New words</shortdesc></resource-agent>'")
    assert listed()["local:site"]["short"] == "New words"
    (root / "cache/understudy/agents.json").write_text("{ damaged")
    assert listed()["local:site"]["short"] == "New words"


def test_progress_names_what_is_asked(root: Path) -> None:
    found = [agent for agent in find_agents() if agent.kind is AgentKind.OCF]
    said: list[tuple[int, str]] = []
    lines = asyncio.run(list_lines(found, str(root / "c.json"), False, lambda done, name: said.append((done, name))))
    assert sorted(name for _, name in said) == [line.agent.name for line in lines]
    assert all(0 <= done < 3 for done, _ in said)
    said.clear()
    asyncio.run(list_lines(found, str(root / "c.json"), False, lambda done, name: said.append((done, name))))
    assert [name for _, name in said] == ["local:broken"], (
        "what is remembered is not asked; a failure is not remembered"
    )


def test_a_cache_that_cannot_be_written_is_no_trouble(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    assert listed()["local:site"]["short"] == "Runs a site"


def test_one_agent_in_full(root: Path) -> None:
    done = agents("local:site")
    assert done.exit_code == 0
    assert done.output == (
        f"local:site  {root}/ocf/resource.d/local/site\n"
        "Runs a site\n"
        "\n"
        "Parameters\n"
        "  root  (required, string)\n"
        "      Where the pages are.\n"
        "  port  (required, integer, default 80)\n"
        "\n"
        "Actions, with the times that the agent advises\n"
        "  start  time-out 40s\n"
        "\n"
        "In the configuration\n"
        "  [[groups.NAME.resources]]\n"
        '  ocf = "local:site"\n'
        '  params.root = "..."\n'
        "  params.port = 80\n"
        '  start_timeout = "40s"\n'
    )


def test_one_agent_for_programs(root: Path) -> None:
    found = json.loads(agents("ocf:local:site", "--json").stdout)
    assert [item["name"] for item in found["parameters"]] == ["root", "port"]
    assert found["actions"] == [{"name": "start", "timeout_ms": 40000.0, "interval_ms": None, "depth": "", "role": ""}]


def test_a_bare_name_means_the_provider_heartbeat_and_the_others_are_named(root: Path) -> None:
    done = agents("site")
    assert done.output.startswith("heartbeat:site ")
    assert "The name also fits: local:site\n" in done.output


def test_an_agent_with_broken_metadata_is_a_sentence(root: Path) -> None:
    done = agents("broken")
    assert done.exit_code == 1
    assert done.output == (
        f"understudy: local:broken ({root}/ocf/resource.d/local/broken) does not say what it is: "
        "asked for its metadata it ended with exit code 1: usage: broken\n"
    )


def test_a_typo_names_the_nearest(root: Path) -> None:
    done = agents("local:siet")
    assert "there is no agent 'local:siet' here\n    did you mean 'local:site'" in str(done.exception)


def test_the_shell_completes_names(root: Path) -> None:
    from click.shell_completion import ShellComplete

    def completed(start: str) -> list[str]:
        return [item.value for item in ShellComplete(command, {}, "agents", "").get_completions([], start)]

    assert completed("local:s") == ["local:site"]
    assert completed("bro") == ["broken"]
    assert "site" not in completed("si"), "two agents are called so"


def test_an_agent_that_hangs_is_killed(root: Path) -> None:
    path = agent(root, "local", "slow", f"sleep 86397 & echo $! > {root}/pid; wait")
    with pytest.raises(NotMetadata, match="slow was killed: not done after 400ms"):
        asyncio.run(describe(Agent(AgentKind.OCF, "local:slow", str(path)), 400 * MILLISECOND))
    pid = int((root / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists() or ") Z " in Path(f"/proc/{pid}/stat").read_text()


def test_the_header_of_an_init_script_is_read_and_nothing_is_run(tmp_path: Path) -> None:
    path = tmp_path / "site"
    path.write_text(
        f"#!/bin/sh\ntouch {tmp_path}/ran\n### BEGIN INIT INFO\n# Provides: site\n"
        "# Short-Description:  The site\n### END INIT INFO\n# Short-Description: too late\n"
    )
    path.chmod(0o755)
    script = Agent(AgentKind.LSB, "site", str(path))
    found = asyncio.run(describe(script))
    assert found.short == "The site"
    assert example(script, found) == '[[groups.NAME.resources]]\nlsb = "site"'
    assert not (tmp_path / "ran").exists()


@pytest.mark.long
@pytest.mark.kernel
def test_every_agent_of_debian_says_what_it_is_and_its_example_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("fence_dummy", path=agent_catalogue.SEARCH_PATH) is None or not os.path.isdir("/usr/lib/ocf"):
        pytest.skip("needs Debian's resource-agents and fence-agents")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("OCF_ROOT", raising=False)
    lines = json.loads(agents("--json").stdout)["agents"]
    assert [line for line in lines if line["trouble"] or not line["short"]] == []
    kinds = [line["kind"] for line in lines]
    assert kinds.count("ocf") > 100
    assert kinds.count("fence") > 60
    for found in find_agents():
        block = example(found, asyncio.run(describe(found)))
        text = CLUSTER + MEMBERS + block.replace("NAME", "site").replace("NODE", "ha01")
        wrong = [str(problem) for problem in read(text, "example").problems if problem.severity == "error"]
        refused = found.name in (
            "fence_sbd",
            "external/ssh",
            "fence_heuristics_ping",
        )  # for reasons that the message names
        assert wrong == [] or refused, f"{block}\n{wrong}"
