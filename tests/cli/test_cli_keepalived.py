"""``understudy check`` and ``convert`` of keepalived.conf: problems with their places, exit codes, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from understudy.cli.check import command as check
from understudy.cli.convert import command as convert
from understudy.config.load import examine

GOOD = """
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    @left priority 150
    @^left priority 100
    authentication {
        auth_type PASS
        auth_pass hunter2
    }
    virtual_ipaddress {
        192.0.2.9/24 label eth0:vip
    }
}
"""
FORGIVEN = GOOD.replace("auth_type", "prioritee 7\n        auth_type").replace(
    "interface eth0", "interfase eth1\n    interface eth0"
)
REFUSED = GOOD.replace("    virtual_router_id 51\n", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As /etc/keepalived."""
    (tmp_path / "keepalived").mkdir()
    return tmp_path / "keepalived"


def _put(folder: Path, text: str) -> str:
    (folder / "keepalived.conf").write_text(text)
    (folder / "keepalived.conf").chmod(0o600)
    return str(folder / "keepalived.conf")


def _run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize("named", ["file", "folder"])
def test_a_good_file_is_told_in_words(folder: Path, named: str) -> None:
    file = _put(folder, GOOD)
    result = _run(check, file if named == "file" else str(folder))
    assert result.exit_code == 0
    assert "virtual router VI_1: id 51 on eth0, version 2, priority 100, every 1s" in result.output
    assert "192.0.2.9/24" in result.output
    assert "hunter2" not in result.output


def test_what_keepalived_forgives_is_a_warning_with_its_place(folder: Path) -> None:
    file = _put(folder, FORGIVEN)
    result = _run(check, file)
    assert result.exit_code == 0
    assert f'{file}:3:5: warning: unknown keyword "interfase"' in result.output
    assert f"{file}:9:9: warning: unknown keyword" in result.output
    assert "interface" in result.output.split("interfase", 1)[1].split("\n", 2)[1], "the nearest word is named"


def test_what_makes_keepalived_exit_is_an_error_with_its_place(folder: Path) -> None:
    file = _put(folder, REFUSED)
    result = _run(check, file)
    assert result.exit_code == 1
    assert f"{file}:2:15: error: VI_1 has no virtual_router_id" in result.output


def test_an_include_has_the_places_of_its_own_file(folder: Path) -> None:
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / "one.conf").write_text(f"\n{FORGIVEN}")
    file = _put(folder, "include conf.d/*.conf\n")
    result = _run(check, file)
    assert result.exit_code == 0
    assert f"{folder}/conf.d/one.conf:4:5: warning: unknown keyword" in result.output


def test_a_file_that_is_not_there(folder: Path) -> None:
    result = _run(check, str(folder / "keepalived.conf"))
    assert result.exit_code == 1
    assert "No such file" in result.output


def test_json_has_places_routers_and_no_password(folder: Path) -> None:
    good, bad = _put(folder, FORGIVEN), folder / "bad.conf"
    bad.write_text(REFUSED)
    result = _run(check, "--json", good, str(bad))
    assert result.exit_code == 1
    assert "hunter2" not in result.output
    answer = json.loads(result.stdout)
    assert (answer["schema"], answer["ok"]) == (1, False)
    first, second = answer["files"]
    assert first["ok"] is True
    places = [(item["line"], item["column"], item["severity"]) for item in first["problems"] if item["line"]]
    assert places == [(3, 5, "warning"), (9, 9, "warning")]
    found = [item for item in second["problems"] if item["severity"] == "error"]
    assert [(item["line"], item["column"], item["text"]) for item in found] == [
        (2, 15, "VI_1 has no virtual_router_id")
    ]


@pytest.mark.parametrize(("chosen", "priority"), [("left", 150), ("right", 100)])
def test_the_configuration_id_decides(folder: Path, chosen: str, priority: int) -> None:
    file = _put(folder, GOOD)
    assert f"priority {priority}," in _run(check, "--config-id", chosen, file).output
    assert ("priority = 150" in _run(convert, "--config-id", chosen, file).output) is (chosen == "left")


def test_the_configuration_id_of_a_daemon_holds_for_what_it_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manager reads the file again for a reload: as ``run --config-id`` read it."""
    monkeypatch.setenv("UNDERSTUDY_CONFIG_ID", "left")
    cluster, _ = examine(_put(folder, GOOD))
    assert cluster is not None
    assert cluster.routers is not None
    assert cluster.routers.routers[0].priority == 150


def test_the_native_form_means_the_same(folder: Path) -> None:
    file = _put(folder, GOOD)
    result = _run(convert, file)
    assert result.exit_code == 0
    native = folder / "routers.toml"
    native.write_text(result.stdout)
    before, after = examine(file)[0], examine(str(native))[0]
    assert before is not None
    assert after is not None
    assert after.routers == before.routers
    assert "hunter2" in result.stdout, "it is the whole configuration"


def test_what_was_left_out_stands_at_the_top_of_the_native_form(folder: Path) -> None:
    result = _run(convert, _put(folder, FORGIVEN))
    assert result.exit_code == 0
    assert '# - line 3: unknown keyword "interfase"' in result.stdout


def test_a_refused_file_is_not_converted(folder: Path) -> None:
    result = _run(convert, _put(folder, REFUSED))
    assert result.exit_code != 0
    assert result.stdout == ""
    assert "VI_1 has no virtual_router_id" in result.stderr


def test_a_route_that_is_not_made_is_said_here(folder: Path) -> None:
    text = GOOD.replace(
        "    virtual_ipaddress",
        "    virtual_routes {\n        default via 192.0.2.1 table mine\n    }\n    virtual_ipaddress",
    )
    assert 'VI_1: the route "default via 192.0.2.1 table mine" is not made' in _run(check, _put(folder, text)).output
