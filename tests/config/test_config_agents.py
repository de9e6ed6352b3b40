"""``understudy check`` where the agents are: what the file tells them, held against what they say that they take."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from config_helpers import CLUSTER, MEMBERS

from understudy.adapters.fence_program import SEARCH_PATH
from understudy.cli.check import command

XML = """<resource-agent name="site"><parameters>
<parameter name="root" required="1"><content type="string" default=""/><shortdesc>Where the pages are</shortdesc></parameter>
<parameter name="port"><content type="integer" default="80"/></parameter>
</parameters><actions>
<action name="start" timeout="40s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="60s"/>
</actions></resource-agent>"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OCF_ROOT", str(tmp_path))
    (tmp_path / "cluster.key").write_text("0123456789abcdef" * 4)
    (tmp_path / "cluster.key").chmod(0o600)
    program(tmp_path, "site", f"cat <<EOF\n{XML}\nEOF")
    return tmp_path


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / "resource.d/local" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def check(folder: Path, text: str, *words: str) -> tuple[int, str]:
    path = folder / "cluster.toml"
    path.write_text(CLUSTER + MEMBERS + text)
    path.chmod(0o600)
    done = CliRunner().invoke(command, [str(path), *words])
    return done.exit_code, done.output.replace(f"{path}:", "")


def line_of(text: str, what: str) -> int:
    return (CLUSTER + MEMBERS + text).split(what)[0].count("\n") + 1


def test_mistakes_have_line_and_column_and_the_nearest_word(folder: Path) -> None:
    text = (
        "[groups.site]\nresources = [\n"
        '  { ocf = "local:site", params = { rot = "/srv", port = "many" }, start_timeout = "1m", monitor_timeout = "1m" },\n'
        "]\n"
    )
    code, said = check(folder, text)
    line = line_of(text, "{ ocf")
    assert code == 1
    assert said.startswith(
        f'{line}:3: error: local:site needs the parameter "root"\n    Where the pages are\n'
        f'{line}:36: error: local:site has no parameter "rot"\n    Did you mean "root"?\n'
        f'{line}:50: error: "port" of local:site must be a whole number, not "many"\n    Write digits only.\n'
        "\n 3 errors by the word of this machine's agents, no warnings\n"
    )


def test_dotted_words_have_their_places_too(folder: Path) -> None:
    text = '[[groups.site.resources]]\nocf = "local:site"\nparams.root = "/srv"\nparams.prot = 80\n'
    assert f'{line_of(text, "params.prot")}:8: error: local:site has no parameter "prot"\n' in check(folder, text)[1]


def test_short_time_outs_are_a_warning_where_they_are_written(folder: Path) -> None:
    text = '[[groups.site.resources]]\nocf = "local:site"\nparams.root = "/srv"\nstart_timeout = "30s"\n'
    code, said = check(folder, text)
    assert code == 0
    assert said.startswith(
        f"{line_of(text, 'start_timeout')}:17: warning: local:site advises 40s for start (here 30s), "
        "60s for monitor (here 20s)\n"
        '    Write start_timeout = "40s", monitor_timeout = "60s".\n'
    )


def test_for_programs_such_a_file_is_not_ok(folder: Path) -> None:
    code, said = check(folder, '[[groups.site.resources]]\nocf = "local:site"\n', "--json")
    found = json.loads(said)
    assert (code, found["ok"], found["files"][0]["ok"]) == (1, False, False)
    assert found["files"][0]["cluster"] is not None, "the file itself can be read"


def test_a_good_file_stays_good(folder: Path) -> None:
    text = (
        '[[groups.site.resources]]\nocf = "local:site"\nparams = { root = "/srv", port = 8080 }\n'
        'start_timeout = "40s"\nmonitor_timeout = "1m"\n'
    )
    code, said = check(folder, text)
    assert code == 0
    assert said.startswith(" good, no warnings\n")


def test_an_agent_that_does_not_say_what_it_takes_is_a_warning(folder: Path) -> None:
    program(folder, "dumb", "exit 3")
    code, said = check(folder, '[[groups.site.resources]]\nocf = "local:dumb"\n')
    assert code == 0
    assert (
        "warning: local:dumb does not say which parameters it takes: asked for its metadata it ended with exit code 3\n"
        in said
    )


@pytest.mark.parametrize(
    ("agent", "package"),
    [
        ("heartbeat:apache", "; Debian's package resource-agents has it"),
        ("heartbeat:pgsqlms", "; Debian's package resource-agents-paf has it"),
        ("pacemaker:ping", "; Debian's package pacemaker-resource-agents has it"),
        ("nobody:ping", ""),
    ],
)
def test_an_agent_that_is_not_here_names_its_package(folder: Path, agent: str, package: str) -> None:
    text = f'[[groups.site.resources]]\nocf = "{agent}"\nname = "x"\n'
    code, said = check(folder, text, "--node", "ha01")
    path = f"{folder}/resource.d/{agent.replace(':', '/')}"
    assert code == 0, "a package can be installed later"
    assert f"warning: site: the agent {path} is not installed (x){package}\n" in said


@pytest.mark.kernel
def test_fence_agents_are_judged_in_the_same_way(folder: Path) -> None:
    if shutil.which("fence_dummy", path=SEARCH_PATH) is None:
        pytest.skip("Debian's fence-agents is not installed")
    text = (
        '[fence.hand]\nagent = "fence_dummy"\nnodes = { ha01 = "1", ha02 = "2" }\nparameters = { status_fil = "x" }\n'
    )
    code, said = check(folder, text)
    assert code == 1
    assert (
        f'{line_of(text, "parameters")}:16: error: fence_dummy has no parameter "status_fil"\n    Did you mean "status_file"?\n'
        in said
    )
    assert (
        f"{line_of(text, 'nodes =')}:9: warning: fence_dummy takes no plug, but one is given for ha01, ha02\n" in said
    )
