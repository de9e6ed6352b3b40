"""Other virtual routers while the loop turns: what the kernel's side is asked for, which costs the loop milliseconds."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, cast

import pytest

from understudy.adapters import running
from understudy.config.load import load_for_pulse
from understudy.model import Cluster
from understudy.pulse.reload import Reloader
from understudy.pulse.vrrp_reload import RouterReloader, read_copy

ROUTER = '[virtual_routers.{0}]\ndevice = "eth0"\nid = {1}\naddresses = [{2}]\n'
ONE = ROUTER.format("VI_1", 51, '"192.0.2.100/24"')
MORE = ROUTER.format("VI_1", 51, '"192.0.2.100/24", "192.0.2.101/24"')


class Other:
    """Whatever else a reload speaks to."""

    busy = settled = False

    def __init__(self) -> None:
        self.met: list[set[str]] = []
        self.groups: dict[str, str] = {}

    def follow(self, given: Any) -> None:
        if isinstance(given, Cluster):
            self.met.append({item.address for group in given.groups for item in group.addresses})

    def present(self) -> tuple[str, ...]:
        return ()

    carriers = present

    def renew_leases(self) -> None:
        """Nothing runs out here."""


class Manager:
    def __init__(self) -> None:
        self.answers: list[tuple[bool, str]] = []
        self.over = 0

    def reloaded(self, _: object, ok: bool, text: str) -> None:
        self.answers.append((ok, text))

    def settled(self) -> None:
        self.over += 1


def read(folder: Path, text: str) -> Cluster:
    path = Path(running.configuration(str(folder)))
    path.write_text(text)
    path.chmod(0o600)
    return read_copy(str(path))


@pytest.mark.parametrize(
    ("before", "after", "met"),
    [
        pytest.param(ONE, MORE, [{"192.0.2.100", "192.0.2.101"}], id="an address more: nothing is left to forget"),
        pytest.param(MORE, ONE, [{"192.0.2.100", "192.0.2.101"}, {"192.0.2.100"}], id="one less"),
    ],
)
def test_the_kernel_is_asked_again_only_when_something_is_left_to_forget(
    tmp_path: Path, before: str, after: str, met: list[set[str]]
) -> None:
    kernel, other, manager = Other(), Other(), Manager()
    reloader = RouterReloader(
        read(tmp_path, before), None, str(tmp_path), cast("Any", kernel), cast("Any", (other, other, other, other))
    )
    read(tmp_path, after)
    reloader.begin(1, cast("Any", manager))
    event = None
    while event is None:
        event = reloader.take(cast("Any", other), cast("Any", manager))
    assert manager.answers == [(True, "taken up")]
    assert kernel.met == met[:1]
    reloader.settle(cast("Any", other), cast("Any", manager))
    assert kernel.met == met


NATIVE = """
[cluster]
name = "one"
key_file = "running.key"
quorum = "pair"
[nodes.ha01]
links = ["192.0.2.1%eth0"]
[nodes.ha02]
links = ["192.0.2.2%eth0"]
"""


@pytest.mark.parametrize("kind", ["virtual routers", "a cluster"])
def test_what_changes_nothing_here_is_over_at_once(tmp_path: Path, kind: str) -> None:
    """Only services have changed: they are the balancer's. The next reload waited for ever for what was before to stop."""
    other, manager = Other(), Manager()
    if kind == "virtual routers":
        speech = cast("Any", (other, other, other, other))
        routers = read(tmp_path, ONE)
        reloader: Any = RouterReloader(routers, None, str(tmp_path), cast("Any", other), speech)
    else:
        path = Path(running.configuration(str(tmp_path)))
        path.write_text(NATIVE)
        key = tmp_path / running.KEYS
        key.write_text(secrets.token_hex(32))
        key.chmod(0o600)
        reloader = Reloader(load_for_pulse(str(path)), None, "ha01", str(tmp_path), cast("Any", other), lambda it: it)
    for number in (1, 2):
        running.begin_change(str(tmp_path))
        reloader.begin(number, manager)
        while len(manager.answers) < number:
            assert reloader.take(cast("Any", other), cast("Any", manager)) is None
        assert not Path(running.former(str(tmp_path))).exists()
    assert manager.answers == [(True, "it runs with this configuration already")] * 2
    assert manager.over == 2
