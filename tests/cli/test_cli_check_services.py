"""``understudy check`` of what is balanced: the plane of each service, whatever file it stands in, without asking the kernel."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from understudy.cli.check import command as check
from understudy.cli.check_ldirectord import look_here
from understudy.services import ServiceFiles

LDIRECTORD = """checktimeout=3
virtual=10.0.0.100:80
\treal=10.0.0.1:80 masq
\tfallback=127.0.0.1:8080 masq
\tscheduler=rr
virtual=10.0.0.100:81
\treal=10.0.0.1:81 ipip
\tscheduler=wlc
"""
KEEPALIVED = """virtual_server 10.0.0.100 80 {
    lb_algo rr
    lb_kind NAT
    sorry_server 127.0.0.1 8080
    real_server 10.0.0.1 80 {
    }
}
virtual_server 10.0.0.100 81 {
    lb_algo wlc
    lb_kind TUN
    real_server 10.0.0.1 81 {
    }
}
"""
NATIVE = """[cluster]
name = "site"
key_file = "key"
quorum = "majority"
heartbeat = "200ms"
dead_time = "1s"
[nodes.a]
links = ["192.0.2.1"]
[nodes.b]
links = ["192.0.2.2"]
[nodes.c]
links = ["192.0.2.3"]
[groups.g]
resources = [{ address = "10.0.0.100/24", device = "eth0" }]
[services.one]
address = "10.0.0.100:80"
scheduler = "rr"
servers = ["10.0.0.1:80"]
fallback = "127.0.0.1:8080"
[services.two]
address = "10.0.0.100:81"
servers = ["10.0.0.1:81"]
forward = "tunnel"
"""
TEXTS = {"ldirectord.cf": LDIRECTORD, "keepalived.conf": KEEPALIVED, "native.toml": NATIVE}


def put(folder: Path, name: str, text: str) -> str:
    for file, content in (("key", bytes(range(32)).hex() + "\n"), (name, text)):
        (folder / file).write_text(content)
        (folder / file).chmod(0o600)
    return str(folder / name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(check, list(arguments))


@pytest.mark.parametrize("name", TEXTS)
def test_each_service_has_its_plane_and_the_reason_in_every_kind_of_file(tmp_path: Path, name: str) -> None:
    file = put(tmp_path, name, TEXTS[name])
    said = run(file)
    assert said.exit_code == 0, said.output
    planes = [line.strip() for line in said.output.splitlines() if line.strip().startswith("plane: ")]
    assert planes[0].startswith("plane: nftables can do all that the service asks for (when it runs: ")
    assert planes[1].startswith('plane: IPVS, because nftables has no scheduler "wlc"')
    assert "nftables has no tunnels" in planes[1]
    assert "nftables: NAT to 127.0.0.1:8080 leads to that port" in said.output
    (found,) = json.loads(run("--json", file).output)["files"]
    assert [each["plane"] for each in found["services"]] == ["nftables", "ipvs"]
    assert "127.0.0.1:8080" in found["services"][0]["differs"][0]


def test_what_no_plane_can_serve_is_an_error_and_says_what_to_write(tmp_path: Path) -> None:
    file = put(tmp_path, "native.toml", NATIVE.replace("[services.two]", '[services.two]\nplane = "nftables"'))
    said = run(file)
    assert said.exit_code == 1
    assert "error: service two: no plane can serve it: nftables has no scheduler" in said.output
    assert "write nat or direct" in said.output
    assert f"{file}: 1 error, " in said.output
    (found,) = json.loads(run("--json", file).output)["files"]
    assert (found["ok"], found["services"][1]["plane"]) == (False, None)


def test_what_this_machine_lacks_stands_under_its_own_heading(tmp_path: Path) -> None:
    """As with every other kind of file. What is said of ``ip_forward`` is in tests/adapters/test_forwarding.py."""
    asked = LDIRECTORD.replace(
        "\tscheduler=wlc\n", "\tscheduler=wlc\n\tchecktype=external\n\tcheckcommand=/no/such/check\n"
    )
    file = put(tmp_path, "ldirectord.cf", asked)
    said = run(file)
    assert said.exit_code == 0, said.output
    before, heading, behind = said.output.partition("\nOn this machine:\n")
    assert (heading != "", "/no/such/check is no program" in before) == (True, False)
    lacks = [line.removeprefix("warning: ") for line in behind.splitlines()]
    assert lacks[0] == "checkcommand: /no/such/check is no program"
    (found,) = json.loads(run("--json", file).output)["files"]
    assert found["here"] == {"member": None, "warnings": lacks}
    assert [each for each in found["problems"] if each["text"] in lacks] == []


@pytest.mark.parametrize(("answer", "said"), [(None, "does not answer"), (False, "is no folder"), (True, "")])
def test_a_maintenance_folder_that_hangs_is_said_and_not_waited_for(answer: bool | None, said: str) -> None:
    free = threading.Event()
    files = ServiceFiles(maintenance="/hangs")
    found = look_here(files, lambda _: free.wait(60) if answer is None else answer, 0.05 if answer is None else 60)
    free.set()
    texts = [text for text in found if text.startswith("maintenancedir")]
    assert [text.partition(";")[0] for text in texts] == ([f"maintenancedir: /hangs {said}"] if said else [])
