"""One core that is told of another configuration while it holds a group."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_parts import DEAD, Core, address, cluster, group, holding, messages, of, program

from understudy.effects import Action, KernelLease, RemoveAddresses, RunAgent, Settled
from understudy.errors import InternalError
from understudy.events import Reconfigured
from understudy.messages import Heartbeat, Phase
from understudy.model import Group


def orders(core: Core, *groups: Group, restart: tuple[tuple[str, str], ...] = ()) -> list[tuple[str, str, bool]]:
    """What programs are asked for, to the end, once these are the groups."""
    found = core.tell(Reconfigured(replace(core.node.cluster, groups=groups), restart))
    found += core.finish_all(found)
    return [(item.action.value, item.resource, item.former) for item in of(RunAgent, found)]


def test_only_what_comes_after_a_change_is_restarted() -> None:
    core = holding(address(100), program("a"), program("b"), program("c"))
    after = group("site", address(100), program("a"), program("d"), program("c"))
    assert orders(core, after) == [
        ("stop", "c", False),
        ("stop", "b", True),
        ("monitor", "d", False),
        ("start", "d", False),
        ("start", "c", False),
    ]
    assert not of(RemoveAddresses, core.effects)
    assert of(Settled, core.effects)


def test_a_secret_that_changed_restarts_what_looks_the_same() -> None:
    core = holding(address(100), program("a"))
    found = orders(core, group("site", address(100), program("a")), restart=(("site", "a"),))
    assert [item[:2] for item in found if item[0] != Action.MONITOR.value] == [("stop", "a"), ("start", "a")]
    assert ("stop", "a", True) in found


def test_other_limits_stop_nothing() -> None:
    core = holding(address(100), program("a"))
    assert orders(core, group("site", address(100), program("a", most=9, interval=0))) == []


def test_a_group_that_is_gone_is_stopped_as_it_was_and_released() -> None:
    core = holding(address(100), program("a"))
    assert orders(core, group("other", address(7))) == [("stop", "a", True)]
    assert [item.address for effect in of(RemoveAddresses, core.effects) for item in effect.addresses] == [
        "192.0.2.100"
    ]
    assert [item.until for item in of(KernelLease, core.effects) if item.group == "site"][-1] is None
    assert set(core.node.steward.charges) == {"other"}


def test_other_voters_are_no_reload() -> None:
    core = holding(address(100))
    with pytest.raises(InternalError, match="who votes"):
        core.tell(Reconfigured(cluster(nodes=("ha01", "ha02", "ha03", "ha04"))))


def test_a_start_in_the_middle_of_a_reload_says_nothing_of_groups_before_the_new_file_is_known() -> None:
    """By the former file alone the group has no programs; the new one's may run here, and others start theirs on our word."""
    core = Core(cluster(group("site", address(100))))
    core.start(taking_up=True)
    first = messages(Heartbeat, core.effects)[0].state.groups
    assert [report.phase for report in first] == [Phase.UNKNOWN]
    found = core.tell(Reconfigured(replace(core.node.cluster, groups=(group("site", address(100)),)), ()))
    found += core.pass_time(2 * DEAD)
    assert messages(Heartbeat, found)[-1].state.groups[0].phase is not Phase.UNKNOWN
