"""Other virtual routers while the loop turns: what the kernel's side is asked for, which costs the loop milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from understudy.adapters import running
from understudy.model import Cluster
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

    def reloaded(self, _: object, ok: bool, text: str) -> None:
        self.answers.append((ok, text))

    def settled(self) -> None:
        """Nobody is told."""


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
